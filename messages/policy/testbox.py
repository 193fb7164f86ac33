"""The test box: what a rule would have hit in the newest of last week's log; it changes nothing there."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min

from accounts.authority import Warrant
from conversations.models import Conversation
from imsite.core import rows
from messages import log, wire
from messages.models import SEQ_BITS, DayMark, packed
from messages.policy import content, rules
from messages.policy.folding import fold
from messages.policy.ruleset import Rule, Ruleset

WEEK = timedelta(days=7)
# Bounds of one run: entries looked at, seconds it may take, hits that are shown.
MOST, BUDGET, SHOWN = 20_000, 5.0, 100
_CONVERSATIONS, _EACH, _MOST_PLACES = 200, 2_000, 10_000
_ENTRIES = """SELECT id, created_at, wire FROM messagelog_entry
 WHERE id > %s AND id <= %s AND created_at >= %s AND client_id IS NOT NULL AND recalled_at IS NULL
 ORDER BY id DESC LIMIT %s"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A message that the rule would have hit; `becomes` is its text masked, if that is the action."""

    conversation_id: int
    seq: int
    sender_id: int
    sent_at: datetime
    text: str
    becomes: str | None


@dataclass(slots=True)
class Trial:
    """What a run found: of `looked` messages `hit` were hit; `whole`: these were all of the week."""

    looked: int = 0
    hit: int = 0
    whole: bool = True
    shown: list[Hit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Seen:
    key: int
    sent_at: datetime
    item: dict[str, Any]
    kind: str

    @property
    def conversation_id(self) -> int:
        return self.key >> SEQ_BITS


def run(
    warrant: Warrant,
    fields: dict[str, Any],
    *,
    rule_id: int | None = None,
    most: int = MOST,
    budget: float = BUDGET,
) -> Trial:
    """Hold a rule, kept (`rule_id`) or not, against last week's messages, the liveliest conversations first.

    It ends after `most` messages or `budget` seconds. It is put on record, for it shows what people
    said to each other. Raise InvalidRequest if the rule is bad.
    """
    warrant.require(rules.WRITE)
    rules.check(fields)
    rule = Rule(id=0, **{name: fields[name] for name in rules.FIELDS if name in fields})
    trial = _tried(rule, since=warrant.now - WEEK, most=most, until=time.monotonic() + budget)
    with transaction.atomic():
        told = {"looked": trial.looked, "hit": trial.hit, "kind": rule.kind, "scope": rule.scope}
        warrant.record("policy.test", f"rule:{rule_id or 'new'}", after=told)
    return trial


def _tried(rule: Rule, *, since: datetime, most: int, until: float) -> Trial:
    ruleset, trial = Ruleset([rule]), Trial()
    hits: list[_Seen] = []
    seen: list[_Seen] = []
    for each in _messages(rule, since):
        if trial.looked >= most or time.monotonic() > until:
            trial.whole = False
            break
        trial.looked += 1
        if rule.kind == "flood":
            seen.append(each)
        elif ruleset.judge(each.item["kind"], each.item.get("text"), each.item.get("body")):
            hits.append(each)
    hits += _floods(rule, seen)
    hits = sorted(_not_exempt(rule, hits), key=lambda each: each.sent_at, reverse=True)
    trial.hit, trial.shown = len(hits), [_shown(ruleset, each) for each in hits[:SHOWN]]
    return trial


def _messages(rule: Rule, since: datetime) -> Iterator[_Seen]:
    """Yield messages from `since` on, newest first within each conversation."""
    places = Conversation.objects.filter(last_at__gte=since)
    if rule.scope == "conversation":
        places = places.filter(pk=rule.conversation_id or 0)
    elif rule.scope != "everywhere":
        places = places.filter(kind=rule.scope)
    found = list(places.order_by("-last_at").values_list("pk", "kind", "head_seq")[:_MOST_PLACES])
    for start in range(0, len(found), _CONVERSATIONS):
        some = found[start : start + _CONVERSATIONS]
        lows = _lows([pk for pk, _, _ in some], since)
        for pk, kind, head_seq in some:
            low = lows.get(pk, head_seq + 1)
            for key, created_at, text in rows.fetch(
                _ENTRIES, [packed(pk, low - 1), packed(pk, head_seq), rows.moment(since), _EACH]
            ):
                yield _Seen(key, rows.time(created_at) or since, wire.decode(text), kind)


def _lows(conversation_ids: list[int], since: datetime) -> dict[int, int]:
    """Return the first seq of the first day from `since` on."""
    marks = DayMark.objects.filter(conversation_id__in=conversation_ids, day__gte=since.toordinal())
    return dict(
        marks.values("conversation_id")
        .annotate(low=Min("seq"))
        .values_list("conversation_id", "low")
    )


def _floods(rule: Rule, seen: list[_Seen]) -> list[_Seen]:
    """Count as `flood.count` would have, in the order in which the messages came."""
    hits: list[_Seen] = []
    lately: dict[tuple[int, str], deque[datetime]] = defaultdict(deque)
    for each in sorted(seen, key=lambda one: one.sent_at):
        item = each.item
        strings = content.strings(item["kind"], item.get("text"), item.get("body"))
        text = "\n".join(fold(one) for one in strings)
        if len(text) < rule.least:
            continue
        times = lately[item["sender_id"] if rule.counted == "sender" else 0, text]
        while times and times[0] <= each.sent_at - timedelta(seconds=rule.seconds):
            times.popleft()
        if len(times) >= rule.times:
            hits.append(each)
        times.append(each.sent_at)
    return hits


def _not_exempt(rule: Rule, hits: list[_Seen]) -> list[_Seen]:
    if not rule.exempt_admins or not hits:
        return hits
    pairs = {(each.conversation_id, each.item["sender_id"]) for each in hits}
    roles = {pair: place.role for pair, place in log.places(pairs).items()}
    return [
        each
        for each in hits
        if rule.concerns(
            each.conversation_id,
            each.kind,
            roles.get((each.conversation_id, each.item["sender_id"])),
        )
    ]


def _shown(ruleset: Ruleset, each: _Seen) -> Hit:
    kind, text, body = each.item["kind"], each.item.get("text"), each.item.get("body")
    becomes = None
    if ruleset.rules[0].action == "mask":
        changed = ruleset.masked(kind, text, body, ruleset.rules)
        becomes = None if changed is None else _line(kind, *changed)
    return Hit(
        conversation_id=each.conversation_id,
        seq=each.item["seq"],
        sender_id=each.item["sender_id"],
        sent_at=each.sent_at,
        text=_line(kind, text, body),
        becomes=becomes,
    )


def _line(kind: str, text: str | None, body: dict[str, Any] | None) -> str:
    return " · ".join(content.strings(kind, text, body))
