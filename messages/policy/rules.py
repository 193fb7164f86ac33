"""Content rules as staff write them: checked, kept, switched on and off, every change on record."""

from hashlib import sha256
from typing import Any

from django.db import transaction

from accounts.authority import Warrant
from imsite.core import shapes, strict
from imsite.core.errors import InvalidRequest, NotFound
from messages.models import PolicyRule
from messages.policy import standing
from messages.policy.ruleset import READERS, Rule, read_lines

WRITE = "messagelog.write_rules"
# Lines of one rule: 20,000 phrases are compiled in some 100 ms by each process.
MOST_LINES = {"phrases": 20_000, "domains": 20_000, "regex": 100}
_LONGEST = 1_000_000
_MOST_TIMES, _LONGEST_FLOOD = 1_000, 86_400
# Longer lists stand in the audit log by their digest.
_RECORDED = 4_000
FIELDS = tuple(name for name in Rule.__dataclass_fields__ if name != "id")
Problems = dict[str, list[str]]


def save(warrant: Warrant, rule_id: int | None, fields: dict[str, Any]) -> PolicyRule:
    """Make a rule, switched off, or change one; raise InvalidRequest with `data.fields` if it is bad."""
    warrant.require(WRITE)
    check(fields)
    with transaction.atomic():
        rule = PolicyRule() if rule_id is None else _locked(rule_id)
        before = None if rule_id is None else _shape(rule)
        for name in FIELDS:
            setattr(rule, name, fields.get(name, getattr(rule, name)))
        rule.changed_at = warrant.now
        rule.save()
        standing.changed()
        act = "policy.create" if before is None else "policy.change"
        warrant.record(act, f"rule:{rule.pk}", before=before, after=_shape(rule))
    return rule


def switch(warrant: Warrant, rule_id: int, *, enabled: bool) -> None:
    """Switch a rule on or off; nothing happens if it is so already."""
    warrant.require(WRITE)
    with transaction.atomic():
        rule = _locked(rule_id)
        if rule.enabled == enabled:
            return
        if enabled:
            check({name: getattr(rule, name) for name in FIELDS})
        rule.enabled, rule.changed_at = enabled, warrant.now
        rule.save(update_fields=["enabled", "changed_at"])
        standing.changed()
        warrant.record("policy.enable" if enabled else "policy.disable", f"rule:{rule.pk}")


def delete(warrant: Warrant, rule_id: int) -> None:
    """Delete a rule; what it held, flagged or masked stays so."""
    warrant.require(WRITE)
    with transaction.atomic():
        rule = _locked(rule_id)
        before = _shape(rule)
        rule.delete()
        standing.changed()
        warrant.record("policy.delete", f"rule:{rule_id}", before=before)


def _locked(rule_id: int) -> PolicyRule:
    found = PolicyRule.objects.select_for_update().filter(pk=rule_id).first()
    if found is None:
        raise NotFound
    return found


def _shape(rule: PolicyRule) -> dict[str, Any]:
    shape = {name: getattr(rule, name) for name in (*FIELDS, "enabled")}
    if len(rule.patterns) > _RECORDED:
        digest = sha256(rule.patterns.encode()).hexdigest()
        shape["patterns"] = f"{len(rule.patterns.splitlines())} lines, SHA-256 {digest}"
    return shape


def check(fields: dict[str, Any]) -> None:
    """Raise InvalidRequest with what is wrong, by field, unless this can be a rule."""
    problems = _choices(fields) or {**_words(fields), **_place(fields), **_patterns(fields)}
    if not problems and fields["kind"] == "flood":
        problems = _flood(fields)
    if problems:
        raise InvalidRequest(data={"fields": problems})


def _choices(fields: dict[str, Any]) -> Problems:
    known = {
        "kind": PolicyRule.KINDS,
        "action": PolicyRule.ACTIONS,
        "scope": PolicyRule.SCOPES,
        "counted": PolicyRule.COUNTED,
    }
    usual = {"scope": "everywhere", "counted": "sender"}
    return {
        name: ["is not one of the choices"]
        for name, choices in known.items()
        if fields.get(name, usual.get(name)) not in dict(choices)
    }


def _words(fields: dict[str, Any]) -> Problems:
    problems: Problems = {}
    if shapes.is_blank(fields.get("name") or ""):
        problems["name"] = ["must not be empty"]
    for name, longest in (("name", 100), ("told", 200), ("patterns", _LONGEST)):
        text = fields.get(name) or ""
        try:
            strict.check_text(text)
        except InvalidRequest:
            problems[name] = ["holds what cannot be kept"]
        if len(text) > longest:
            problems[name] = [f"must have at most {longest} characters"]
    return problems


def _place(fields: dict[str, Any]) -> Problems:
    place = fields.get("conversation_id")
    if fields.get("scope") == "conversation":
        if not isinstance(place, int) or not 1 <= place <= shapes.MAX_ID:
            return {"conversation_id": ["say which conversation"]}
    elif place is not None:
        return {"conversation_id": ["only for the scope of one conversation"]}
    return {}


def _patterns(fields: dict[str, Any]) -> Problems:
    kind, text = fields["kind"], fields.get("patterns") or ""
    if kind not in READERS:
        return {"patterns": ["a flood has none"]} if text.strip() else {}
    if len(text.splitlines()) > MOST_LINES[kind]:
        return {"patterns": [f"at most {MOST_LINES[kind]} lines"]}
    found, problems = read_lines(kind, text)
    if not found and not problems:
        problems = ["give at least one line"]
    return {"patterns": problems[:20]} if problems else {}


def _flood(fields: dict[str, Any]) -> Problems:
    problems: Problems = {}
    for name, most in (("times", _MOST_TIMES), ("seconds", _LONGEST_FLOOD), ("least", 4_000)):
        if not 1 <= (fields.get(name) or 0) <= most:
            problems[name] = [f"must be 1 to {most}"]
    if fields["action"] == "mask":
        problems["action"] = ["a flood has nothing to mask"]
    return problems
