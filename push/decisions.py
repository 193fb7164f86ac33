"""Why devices were pushed or not: kept for the offline window, for whoever asks."""

import zlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any

from imsite.core import clock, metrics, rows
from push.models import Debt, Decision

_DETAIL = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What was decided about telling a device of entries from_seq..to_seq (Decision.OUTCOMES)."""

    device_id: int
    user_id: int
    conversation_id: int
    from_seq: int
    to_seq: int
    outcome: str
    detail: str = ""


_COLUMNS = [each.name for each in fields(Decided)]


def note(decided: Sequence[Decided], *, now: datetime) -> None:
    """Keep decisions, one statement."""
    at = rows.moment(now)
    found = [(*astuple(each)[:-1], each.detail[:_DETAIL], at) for each in decided]
    rows.insert(Decision._meta.db_table, [*_COLUMNS, "at"], found)
    for outcome, count in Counter(each.outcome for each in decided).items():
        metrics.push_decisions.labels(outcome).inc(count)


def note_read(reads: Collection[tuple[int, int, int]], *, now: datetime) -> None:
    """Keep on which device a user read what devices are owed, or show.

    `reads` are (user, conversation, device; 0: not known); how far is in the membership.
    """
    known = sorted(each for each in reads if each[2])
    if known:
        listed, params = rows.values(known)
        rows.execute(_READ.format(listed=listed), [*params, rows.moment(now)])


_TO = "CASE WHEN d.due_at IS NULL THEN d.told_seq ELSE d.seq END"
_READ = f"""INSERT INTO {Decision._meta.db_table}
 (device_id, user_id, conversation_id, from_seq, to_seq, outcome, detail, at)
 WITH v(user_id, conversation_id, device_id) AS ({{listed}})
 SELECT d.device_id, d.user_id, d.conversation_id,
  CASE WHEN d.due_at IS NULL THEN d.told_seq ELSE d.from_seq END, {_TO}, 'read',
  'device ' || v.device_id, %s
 FROM v JOIN {Debt._meta.db_table} d
  ON d.user_id = v.user_id AND d.conversation_id = v.conversation_id
 JOIN conversations_membership m
  ON m.user_id = d.user_id AND m.conversation_id = d.conversation_id
 WHERE m.read_seq >= {_TO} AND (d.due_at IS NOT NULL OR d.told_seq > d.cleared_seq)"""


def pack(device_ids: Iterable[int]) -> bytes:
    """Return ids as `Look.online` keeps them: sorted, each less the one before, compressed."""
    ordered = sorted(device_ids)
    steps = array("q", (b - a for a, b in zip([0, *ordered], ordered, strict=False)))
    return zlib.compress(steps.tobytes(), 1) if ordered else b""


def unpack(packed: bytes) -> list[int]:
    """Return the ids in `Look.online`, ascending."""
    found: list[int] = []
    if packed:
        last = 0
        for step in array("q", zlib.decompress(packed)):
            last += step
            found.append(last)
    return found


def exported(user_id: int) -> list[dict[str, Any]]:
    """Return all decisions about a user's devices, JSON-ready."""
    found = Decision.objects.filter(user_id=user_id).order_by("pk")
    names = [name for name in _COLUMNS if name != "user_id"]
    return [{**row, "at": clock.wire(row["at"])} for row in found.values(*names, "at")]


def forget_all(user_id: int) -> None:
    """Delete all decisions about a user's devices."""
    Decision.objects.filter(user_id=user_id).delete()
