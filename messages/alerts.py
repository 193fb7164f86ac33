"""What pushes need of the log: the newest entries that wake, what they mention and what they say."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from imsite.core import rows
from messages import wire
from messages.kinds import KINDS
from messages.models import SEQ_BITS, packed

_SEQ = (1 << SEQ_BITS) - 1
_TABLE = "messagelog_entry"
_WAKING = ", ".join(repr(kind.name) for kind in KINDS.values() if kind.counts)
# An entry that may wake somebody: it counts, stands, and is not history yet.
_ALERTS = f"e.kind IN ({_WAKING}) AND e.recalled_at IS NULL AND e.created_at >= %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Entries low < seq <= high of a conversation, but for those of a sender (0: of nobody)."""

    conversation_id: int
    low: int
    high: int
    but: int


@cache
def _newest_sql(vendor: str, listed: str) -> str:
    return f"""WITH want(n, low, high, but) AS ({listed}), found AS (
 SELECT want.n, (SELECT e.id FROM {_TABLE} e WHERE e.id > want.low AND e.id <= want.high
  AND e.sender_id <> want.but AND {_ALERTS} ORDER BY e.id DESC LIMIT 1) AS id FROM want)
 SELECT found.n, e.id, e.sender_id FROM found JOIN {_TABLE} e ON e.id = found.id"""


def newest(asked: Sequence[Asked], *, since: datetime) -> dict[int, tuple[int, int]]:
    """Return {index in `asked`: (seq, sender)} of the newest entry that may wake somebody.

    Where there is none the index is left out. Older than `since` is history.
    """
    if not asked:
        return {}
    wanted = [
        (
            n,
            packed(each.conversation_id, each.low),
            packed(each.conversation_id, each.high),
            each.but,
        )
        for n, each in enumerate(asked)
    ]
    listed, params = rows.values(wanted)
    found = rows.fetch(_newest_sql(rows.vendor(), listed), [*params, rows.moment(since)])
    return {n: (key & _SEQ, sender_id) for n, key, sender_id in found}


@dataclass(frozen=True, slots=True)
class Mentioned:
    """That an entry mentions somebody (user 0: everybody)."""

    conversation_id: int
    user_id: int
    seq: int
    sender_id: int


def mentions(spans: Sequence[tuple[int, int, int]], *, since: datetime) -> list[Mentioned]:
    """Return who is mentioned in these (conversation, low, high), the newest entries first."""
    if not spans:
        return []
    listed, params = rows.values(spans)
    found = rows.fetch(
        f"""WITH want(conversation_id, low, high) AS ({listed})
 SELECT x.conversation_id, x.user_id, x.seq, x.sender_id FROM want
 JOIN conversations_mention x ON x.conversation_id = want.conversation_id
  AND x.seq > want.low AND x.seq <= want.high
 JOIN {_TABLE} e ON e.id = x.conversation_id * {1 << SEQ_BITS} + x.seq
 WHERE {_ALERTS} ORDER BY x.seq DESC""",
        [*params, rows.moment(since)],
    )
    return [Mentioned(*row) for row in found]


def mentions_of(asked: Sequence[tuple[int, int, int, int]], *, since: datetime) -> dict[int, int]:
    """Return {index in `asked`: newest seq} by which a user is mentioned by others.

    `asked` are (conversation, low, high, user); where there is none the index is left out.
    """
    if not asked:
        return {}
    listed, params = rows.values([(n, *each) for n, each in enumerate(asked)])
    found = rows.fetch(
        f"""WITH want(n, conversation_id, low, high, user_id) AS ({listed})
 SELECT want.n, max(x.seq) FROM want
 JOIN conversations_mention x ON x.conversation_id = want.conversation_id
  AND x.user_id IN (0, want.user_id) AND x.seq > want.low AND x.seq <= want.high
  AND x.sender_id <> want.user_id
 JOIN {_TABLE} e ON e.id = x.conversation_id * {1 << SEQ_BITS} + x.seq
 WHERE {_ALERTS} GROUP BY want.n""",
        [*params, rows.moment(since)],
    )
    return dict(found)


def recalled(spans: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """Return {conversation: lowest seq} of what recalls in these (conversation, low, high) took away."""
    if not spans:
        return {}
    listed, params = rows.values([(packed(c, low), packed(c, high)) for c, low, high in spans])
    found = rows.fetch(
        f"""WITH want(low, high) AS ({listed}) SELECT e.id, e.wire
 FROM want {rows.keyed(_TABLE, "e.id > want.low AND e.id <= want.high AND e.kind = 'recall'")}""",
        params,
    )
    lowest: dict[int, int] = {}
    for key, text in found:
        cid, target = key >> SEQ_BITS, wire.decode(text)["body"]["target"]
        lowest[cid] = min(target, lowest.get(cid, target))
    return lowest


@dataclass(frozen=True, slots=True)
class Alert:
    """What a push can tell of an entry as it stands; no text: there is nothing to be told."""

    sender_id: int
    sent_at: datetime
    text: str | None


def alerts(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], Alert]:
    """Return what pushes say of these (conversation, seq), in the words of the kind, edits included."""
    if not places:
        return {}
    these, params = rows.among("id", sorted(packed(*place) for place in places))
    found = rows.fetch(f"SELECT id, wire, created_at FROM {_TABLE} WHERE {these}", params)
    return {(row[0] >> SEQ_BITS, row[0] & _SEQ): _alert(*row[1:]) for row in found}


def _alert(text: str, created_at: Any) -> Alert:
    item = wire.decode(text)
    said = None
    if "recalled_at" not in item:
        said = KINDS[item["kind"]].push(item.get("text"), item.get("body"))
    sent_at = rows.time(created_at)
    assert sent_at is not None
    return Alert(item["sender_id"], sent_at, said)
