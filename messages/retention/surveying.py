"""Tells what an expiry would take away, and changes nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from conversations import heads
from imsite.core import rows
from imsite.core.chores import Due, before
from messages.models import Purge, Report, Spared
from messages.retention import floors, purging

_AT_ONCE = 500
_MOST = 2**31


@dataclass(frozen=True, slots=True)
class Span:
    """What goes of a conversation: rows in gone < seq <= last, content in hollow < seq <= floor."""

    conversation_id: int
    gone: int
    last: int
    hollow: int
    floor: int

    def parts(self) -> list[tuple[int, int, int]]:
        """Return both as (conversation, low, high)."""
        both = ((self.gone, self.last), (self.hollow, self.floor))
        return [(self.conversation_id, low, high) for low, high in both if low < high]


def survey(now: datetime) -> list[Due]:
    """Tell how many of each kind would go; what hangs on entries is counted with them."""
    today = now.toordinal()
    counts = dict.fromkeys(("floors", "entries", "emptied", "reactions", *purging.COUNTED), 0)
    spans: dict[int, Span] = {}
    for found, raised in _chunks(today):
        spans |= {span.conversation_id: span for span in found}
        counts["floors"] += raised
        for kind, number in _counted(found).items():
            counts[kind] += number
    counts["entries"] += _let_go(spans)
    rules = _rules(today)
    backlogs = Due(kind="backlogs", number=_backlogs(today), rule=rules["backlogs"])
    return [
        backlogs,
        *(Due(kind=kind, number=number, rule=rules[kind]) for kind, number in counts.items()),
    ]


def _rules(today: int) -> dict[str, str]:
    offline, history = settings.IM_OFFLINE_DAYS, settings.IM_HISTORY_DAYS
    window = before(_day(today - offline), IM_OFFLINE_DAYS=offline)
    kept = "by their retention_days"
    if history:
        kept = f"{before(_day(today - history), IM_HISTORY_DAYS=history)}, or {kept}"
    below = "at or below the floors"
    return {
        "backlogs": f"become history, {window}",
        "floors": kept,
        "entries": f"with their client_ids, {below} and {window}",
        "emptied": f"{below}; only their client_ids stay, for IM_OFFLINE_DAYS {offline}",
        "reactions": below,
        **dict.fromkeys(purging.COUNTED, below),
    }


def _day(ordinal: int) -> datetime:
    return datetime.fromordinal(ordinal).replace(tzinfo=UTC)


def _backlogs(today: int) -> int:
    limit = today - settings.IM_OFFLINE_DAYS
    ids = floors.past_days(limit, _MOST)
    parts = (ids[n : n + _AT_ONCE] for n in range(0, len(ids), _AT_ONCE))
    return sum(len(floors.moving(heads.look(part), limit)) for part in parts)


def _chunks(today: int) -> Iterator[tuple[list[Span], int]]:
    """Yield what goes of some conversations at a time, and how many floors rise for it."""
    seen: set[int] = set()
    for ids in floors.due(today, _AT_ONCE):
        found = heads.look(set(ids) - seen)
        raised = {head.id: seq for head, seq, _ in floors.rising(found, today)}
        seen |= raised.keys()
        yield _spans({each: found[each] for each in raised}, raised, today), len(raised)
    last = 0
    while begun := rows.fetch(purging.OWED, [last]):
        ids = [row[0] for row in begun if row[0] not in seen]
        yield _spans(heads.look(ids) if ids else {}, {}, today), 0
        last = begun[-1][0]


def _spans(found: dict[int, heads.Head], raised: dict[int, int], today: int) -> list[Span]:
    old = floors.ends_before(found, dict.fromkeys(found, today - settings.IM_OFFLINE_DAYS))
    begun = {each.pk: each for each in Purge.objects.filter(pk__in=list(found))}
    spans = []
    for head in found.values():
        floor = raised.get(head.id, head.floor_seq)
        last = min(old[head.id][0], floor)
        owed = begun.get(head.id)
        gone, hollow = (owed.gone_seq, owed.hollow_seq) if owed else (head.floor_seq,) * 2
        spans.append(Span(head.id, gone, last, max(hollow, last), floor))
    return spans


def _counted(spans: list[Span]) -> dict[str, int]:
    if not spans:
        return {}
    held = _held(spans)
    gone = [(s.conversation_id, s.gone, s.last) for s in spans if s.gone < s.last]
    hollow = [(s.conversation_id, s.hollow, s.floor) for s in spans if s.hollow < s.floor]
    parts = [part for span in spans for part in span.parts()]
    all_below = [(span.conversation_id, -1, span.floor) for span in spans]
    return {
        "entries": _length(gone, held),
        "emptied": _length(hollow, held),
        "reactions": _in_table("messagelog_reaction", parts),
        **{kind: _in_table(table, all_below) for kind, table in purging.COUNTED.items()},
    }


def _length(parts: Iterable[tuple[int, int, int]], held: dict[int, set[int]]) -> int:
    """Return how many entries lie in these, those held apart: seqs are dense."""
    return sum(
        high - low - sum(low < seq <= high for seq in held.get(conversation_id, ()))
        for conversation_id, low, high in parts
    )


def _held(spans: list[Span]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    ids = [span.conversation_id for span in spans]
    reports = Report.objects.filter(conversation_id__in=ids, closed_at=None)
    for conversation_id, seq in reports.values_list("conversation_id", "seq"):
        found.setdefault(conversation_id, set()).add(seq)
    return found


def _in_table(table: str, parts: list[tuple[int, int, int]]) -> int:
    if not parts:
        return 0
    listed, params = rows.values(parts)
    [(count,)] = rows.fetch(
        f"""WITH v(conversation_id, low, high) AS ({listed}) SELECT count(*) FROM v JOIN {table} t
 ON t.conversation_id = v.conversation_id AND t.seq > v.low AND t.seq <= v.high""",
        params,
    )
    return int(count)


def _let_go(spans: dict[int, Span]) -> int:
    """Return how many entries that were held go, because their reports are closed by now."""
    still = Report.objects.filter(closed_at=None).values_list("conversation_id", "seq")
    kept = set(Spared.objects.values_list("conversation_id", "seq")) - set(still)
    return sum(
        conversation_id not in spans or seq <= spans[conversation_id].last
        for conversation_id, seq in kept
    )
