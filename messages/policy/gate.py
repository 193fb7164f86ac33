"""The gate of the log: what becomes of messages that hit rules, decided under the lock of their heads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from conversations import heads
from imsite.core.errors import AppError
from messages import flags, wire
from messages.drafts import Draft
from messages.policy import held, standing, tallies
from messages.policy.held import HeldBack, Rejected
from messages.policy.ruleset import Content, Rule, Ruleset


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which rules a draft hits, whoever sent it where, by the rules of one moment."""

    ruleset: Ruleset
    hits: tuple[Rule, ...] = ()


def judge(draft: Draft) -> Verdict:
    """Return the verdict on a draft by the rules that this process knows; floods apart."""
    ruleset = standing.ruleset()
    return Verdict(ruleset, ruleset.judge(draft.kind, draft.text, draft.body) if ruleset else ())


class Gate:
    """What the rules have to say in one transaction of appends."""

    def __init__(self, drafts: Sequence[Draft], verdicts: Sequence[Verdict] | None) -> None:
        self._verdicts = verdicts
        self._held: list[tuple[Draft, Rule, HeldBack]] = []
        self._flags: list[flags.Flag] = []
        self._hits: list[tuple[int, str]] = []
        asked = verdicts is not None and (
            standing.holding() or any(rule.action == "hold" for v in verdicts for rule in v.hits)
        )
        self._known = held.known(drafts) if asked else {}

    def standing(self, draft: Draft) -> tuple[AppError, bytes] | None:
        """Return answer and digest of an earlier send under this client_id that was held."""
        return self._known.get(held.key(draft)) if self._known else None

    def admit(self, n: int, draft: Draft, head: heads.Head, role: str) -> tuple[Draft, list[Rule]]:
        """Return draft number `n` as it may be appended, and the rules by which to flag it.

        Raise Rejected or HeldBack otherwise.
        """
        verdict = self._verdicts[n] if self._verdicts else None
        if verdict is None or not verdict.hits:
            return draft, []
        hits = concerned(verdict.hits, head, role)
        self._hits += [(rule.id, rule.action) for rule in hits]
        if rule := _first(hits, "reject"):
            raise Rejected(rule.told or None)
        if rule := _first(hits, "hold"):
            raise self._hold(draft, rule)
        text, body = _masked(verdict.ruleset, draft.kind, draft.text, draft.body, hits)
        flagged = [rule for rule in hits if rule.action == "flag"]
        return (replace(draft, text=text, body=body) if hits else draft), flagged

    def _hold(self, draft: Draft, rule: Rule) -> HeldBack:
        answer = HeldBack()
        self._held.append((draft, rule, answer))
        self._known[held.key(draft)] = (answer, draft.digest)
        return answer

    def flag(self, here: int, item: dict[str, Any], rules: Sequence[Rule], *, sent: Draft) -> None:
        """Note that an appended item, sent as this, is to be looked at by moderators."""
        if rules:
            self._flags.append(flag_of(here, item, rules, said=(sent.text, sent.body)))

    def flush(self, *, now: datetime) -> None:
        """Store what is held and flagged, in the transaction that appends; count hits after it."""
        held.keep(self._held, now=now)
        if self._flags:
            flags.file(self._flags, now=now)
        if hits := self._hits:
            transaction.on_commit(lambda: tallies.add(hits))


def concerned(hits: Sequence[Rule], head: heads.Head, role: str) -> list[Rule]:
    """Return those rules that hold in this conversation for somebody of this role."""
    return [rule for rule in hits if rule.concerns(head.id, head.kind, role)]


def _first(hits: Sequence[Rule], action: str) -> Rule | None:
    return next((rule for rule in hits if rule.action == action), None)


def _masked(
    ruleset: Ruleset, kind: str, text: str | None, body: dict[str, Any] | None, hits: Sequence[Rule]
) -> Content:
    masks = [rule for rule in hits if rule.action == "mask" and rule.kind != "flood"]
    if not masks:
        return text, body
    found = ruleset.masked(kind, text, body, masks)
    if found is None:
        # A link that is masked leads nowhere, and a name in a body is not for us to change.
        raise Rejected(masks[0].told or None)
    return found


def flag_of(
    conversation_id: int, item: dict[str, Any], rules: Sequence[Rule], *, said: Content
) -> flags.Flag:
    """Return the report of an item by rules; `said` is its content before rules masked it."""
    shown = (item.get("text"), item.get("body"))
    original = {**item, "text": said[0], "body": said[1]} if said != shown else None
    return flags.Flag(
        conversation_id=conversation_id,
        seq=item["seq"],
        sender_id=item["sender_id"],
        wire=wire.encode(item),
        reason=f"rule: {', '.join(rule.name for rule in rules)}"[:100],
        original=None if original is None else wire.encode(original).encode(),
    )


def revise(
    item: dict[str, Any], head: heads.Head, role: str, *, ruleset: Ruleset
) -> tuple[dict[str, Any], list[Rule]]:
    """Return an edited item as it may be kept, and the rules by which to flag it.

    Raise Rejected if it may not; nothing that stands in a log already can be held.
    """
    kind, text, body = item["kind"], item.get("text"), item.get("body")
    hits = concerned(ruleset.judge(kind, text, body), head, role) if ruleset else []
    if not hits:
        return item, []
    tallies_after = [(rule.id, rule.action) for rule in hits]
    if rule := _first(hits, "reject") or _first(hits, "hold"):
        tallies.add(tallies_after)
        raise Rejected(rule.told or None)
    text, body = _masked(ruleset, kind, text, body, hits)
    transaction.on_commit(lambda: tallies.add(tallies_after))
    changed = {"text": text, "body": body}
    return {**item, **{name: value for name, value in changed.items() if value is not None}}, [
        rule for rule in hits if rule.action == "flag"
    ]
