"""Has debts looked at before they are due: read or recalled meanwhile, wished otherwise, or by a wrong clock.

Whatever is looked at too often costs a look and nothing else.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction

from imsite.core import rows
from push import debts, decisions
from push.debts import TABLE

_BATCH = 1_000
# Nothing waits longer: the end of quiet hours is a day off at most, a pause after failures an hour.
_LONGEST = timedelta(hours=26)
# How far the clocks of those who note debts may be apart, and be right.
_SKEW = timedelta(seconds=10)
_SHOWN = "told_seq > cleared_seq AND due_at IS NULL"


def read(reads: Collection[tuple[int, int, int]], *, now: datetime) -> None:
    """Rouse devices that were told of what their member has read by now.

    `reads` are (user, conversation, device that it was read on, 0 if it is not known), each pair of
    the first two once. That device clears itself.
    """
    if not reads:
        return
    decisions.note_read(reads, now=now)
    listed, params = rows.values(sorted(reads))
    first = f"WITH v(user_id, conversation_id, device_id) AS ({listed})"
    join = "JOIN v ON d.user_id = v.user_id AND d.conversation_id = v.conversation_id"
    with transaction.atomic():
        found = debts.lock(
            "d.told_seq > d.cleared_seq",
            params,
            first=first,
            join=join,
            columns=", d.device_id = v.device_id",
        )
        _change([each for each, own in found if own], "cleared_seq = told_seq", [])
        _rouse([each for each, own in found if not own], "due_at IS NULL", now=now)


def recalled(recalls: Collection[tuple[int, int]], *, now: datetime) -> None:
    """Rouse devices that may show what was recalled: (conversation, lowest seq) of it."""
    if not recalls:
        return
    listed, params = rows.values(sorted(recalls))
    with transaction.atomic():
        found = debts.lock(
            "d.told_seq >= v.seq AND d.told_seq > d.cleared_seq AND d.due_at IS NULL",
            params,
            first=f"WITH v(conversation_id, seq) AS ({listed})",
            join="JOIN v ON d.conversation_id = v.conversation_id",
        )
        _rouse([each for (each,) in found], now=now)


_READ = f"""SELECT d.id FROM {TABLE} d JOIN conversations_membership m
  ON m.user_id = d.user_id AND m.conversation_id = d.conversation_id
 JOIN conversations_conversation c ON c.id = d.conversation_id
 WHERE d.told_seq > d.cleared_seq AND d.due_at IS NULL
  AND (m.read_seq >= d.told_seq OR c.floor_seq >= d.told_seq) LIMIT {_BATCH}"""


def unheard(*, now: datetime) -> int:
    """Rouse devices that show what was read elsewhere and nobody told, or what expired; return how many."""
    found = [row[0] for row in rows.fetch(_READ)]
    return _among("d.id", found, _SHOWN, now=now) if found else 0


def people(user_ids: Collection[int], *, now: datetime) -> None:
    """Rouse what waits for these users, as when their quiet hours change."""
    if user_ids:
        _among("d.user_id", list(user_ids), "due_at > %s", rows.moment(now), now=now)


_STRAYS = f"""SELECT id FROM {TABLE} WHERE due_at > %s AND (due_at > %s OR owed_since > %s)
 LIMIT {_BATCH}"""


def strays(*, now: datetime) -> int:
    """Rouse what waits for a time that only a wrong clock can have given; return how many.

    It was noted in a future that is none, or is to wait for longer than anything does: the clock of
    whoever noted it ran ahead, or all of them were set back since.
    """
    at = rows.moment(now)
    latest = [rows.moment(now + _LONGEST), rows.moment(now + _SKEW)]
    found = [row[0] for row in rows.fetch(_STRAYS, [at, *latest])]
    if not found:
        return 0
    these, params = rows.among("d.id", found)
    with transaction.atomic():
        ids = [each for (each,) in debts.lock(these, params)]
        return _change(ids, "due_at = %s, owed_since = %s", [at, at], "due_at IS NOT NULL")


def _among(column: str, ids: list[int], only: str, *more: object, now: datetime) -> int:
    these, params = rows.among(column, ids)
    with transaction.atomic():
        found = debts.lock(f"{these} AND {only}", [*params, *more])
        return _rouse([each for (each,) in found], now=now)


def _rouse(ids: list[int], only: str = "", *, now: datetime) -> int:
    return _change(ids, "due_at = %s", [rows.moment(now)], only)


def _change(ids: list[int], change: str, params: list[object], only: str = "") -> int:
    """Change debts that are locked; return how many."""
    count = 0
    for start in range(0, len(ids), _BATCH):
        these, keys = rows.among("id", ids[start : start + _BATCH])
        sql = f"UPDATE {TABLE} SET {change} WHERE {these}" + (f" AND {only}" if only else "")
        count += rows.execute(sql, [*params, *keys])
    return count
