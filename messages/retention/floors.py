"""Where a log is too old to be backlog, and where to be kept: raises both, a few conversations a turn.

The day marks tell it without a look at the entries: all that lies before the first entry of a day
still wanted is older. The days are those of UTC, so an entry stays a day longer at most.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from conversations import heads, pings
from imsite.core import rows, stamps
from imsite.core.chores import Done
from imsite.core.pace import Pace

Place = tuple[int, int]
# Conversations looked at in one query, to find those that keep their history for a time of their own.
_AT_ONCE = 1_000
_PAST = """SELECT DISTINCT conversation_id FROM (SELECT conversation_id FROM messagelog_daymark
 WHERE in_backlog AND day < %s ORDER BY day LIMIT %s) AS past"""
# A day that lies below the floor already only waits for its rows to go.
_OLD = """SELECT d.day, d.conversation_id FROM messagelog_daymark d
 JOIN conversations_conversation c ON c.id = d.conversation_id
 WHERE d.day < %s AND (d.day, d.conversation_id) > (%s, %s) AND d.seq > c.floor_seq
 ORDER BY d.day, d.conversation_id LIMIT %s"""
_OWN = """SELECT c.id, EXISTS (SELECT 1 FROM messagelog_daymark d WHERE d.conversation_id = c.id
  AND d.day < %s - c.retention_days AND d.seq > c.floor_seq)
 FROM conversations_conversation c WHERE c.retention_days IS NOT NULL AND c.id > %s
 ORDER BY c.id LIMIT %s"""
# Whoever is about to take an owed purge for done holds its row: the update waits for them.
_OWE = """INSERT INTO messagelog_purge (conversation_id, hollow_seq, gone_seq) VALUES (%s, %s, %s)
 ON CONFLICT (conversation_id) DO UPDATE SET gone_seq = messagelog_purge.gone_seq"""


def move_backlogs(done: Done, *, now: datetime, pace: Pace) -> None:
    """Make history of what is older than the offline window; heads that read differently say so."""
    limit = now.toordinal() - settings.IM_OFFLINE_DAYS
    while ids := past_days(limit, pace.size):
        if pace.is_over:
            done.left = True
            return
        with pace.turn():
            done.count("backlogs", _move_backlogs(ids, limit))


def past_days(limit: int, count: int) -> list[int]:
    """Return conversations with days before `limit` that were not looked at since they are past."""
    return [row[0] for row in rows.fetch(_PAST, [limit, count])]


def _move_backlogs(ids: list[int], limit: int) -> int:
    raised = moving(heads.lock(ids), limit)
    if raised:
        heads.raise_backlogs(raised, stamp=stamps.take())
    these, params = rows.among("conversation_id", ids)
    rows.execute(
        f"UPDATE messagelog_daymark SET in_backlog = false WHERE {these} AND in_backlog AND day < %s",
        [*params, limit],
    )
    return len(raised)


def moving(found: Mapping[int, heads.Head], limit: int) -> list[tuple[heads.Head, int]]:
    """Return (head, seq) of those of these heads whose backlog is to move, and to where."""
    ends = ends_before(found, dict.fromkeys(found, limit))
    return [
        (head, ends[head.id][0])
        for head in found.values()
        if ends[head.id][0] > max(head.backlog_seq, head.floor_seq) and not head.dissolved_at
    ]


def raise_all(done: Done, *, now: datetime, pace: Pace) -> None:
    """Raise every floor below which lies only what is to be kept no longer, and owe its purge."""
    for ids in due(now.toordinal(), pace.size):
        if pace.is_over:
            done.left = True
            return
        with pace.turn():
            done.count("floors", _raise(ids, now.toordinal()))


def _raise(ids: list[int], today: int) -> int:
    found = heads.lock(ids)
    raised = rising(found, today)
    if raised:
        _owe([(head.id, head.floor_seq, head.floor_seq) for head, _, _ in raised])
        heads.raise_floors(raised, stamp=stamps.take())
        # Once dissolved, nobody sees a difference.
        told = [head.id for head, _, _ in raised if not head.dissolved_at]
        transaction.on_commit(lambda: _tell(told))
    return len(raised)


def rising(found: Mapping[int, heads.Head], today: int) -> list[tuple[heads.Head, int, int]]:
    """Return (head, seq, ordinal) of those of these heads whose floor is to rise, and to where."""
    kept = {head.id: kept_days(head.retention_days) for head in found.values()}
    limits = {conversation_id: today - days for conversation_id, days in kept.items() if days}
    ends = ends_before(found, limits)
    return [(found[each], *end) for each, end in ends.items() if end[0] > found[each].floor_seq]


def _owe(purges: list[tuple[int, int, int]]) -> None:
    with connection.cursor() as statement:
        statement.executemany(_OWE, sorted(purges))


def _tell(ids: Iterable[int]) -> None:
    for conversation_id in ids:
        pings.head_changed(conversation_id)


def kept_days(own: int | None) -> int | None:
    """Return for how many days a conversation keeps its log, None for ever: the shorter term counts."""
    return min(filter(None, (own, settings.IM_HISTORY_DAYS)), default=None)


def due(today: int, count: int) -> Iterator[list[int]]:
    """Yield the conversations with days that are to be kept no longer, some at a time."""
    if settings.IM_HISTORY_DAYS:
        yield from _due_anywhere(today - settings.IM_HISTORY_DAYS, count)
    yield from _due_by_own_term(today, count)


def _due_anywhere(limit: int, count: int) -> Iterator[list[int]]:
    day, conversation_id = 0, 0
    while found := rows.fetch(_OLD, [limit, day, conversation_id, count]):
        yield [row[1] for row in found]
        day, conversation_id = found[-1]


def _due_by_own_term(today: int, count: int) -> Iterator[list[int]]:
    last = 0
    while found := rows.fetch(_OWN, [today, last, _AT_ONCE]):
        ids = [row[0] for row in found if row[1]]
        for n in range(0, len(ids), count):
            yield ids[n : n + count]
        last = found[-1][0]


def ends_before(
    found: Mapping[int, heads.Head], limits: Mapping[int, int]
) -> dict[int, tuple[int, int]]:
    """Return by conversation the (seq, ordinal) up to which all lies before the day given for it."""
    if not limits:
        return {}
    listed, params = rows.values(sorted(limits.items()))
    begun = {
        row[0]: (row[1] - 1, row[2])
        for row in rows.fetch(
            f"""WITH want(conversation_id, day) AS ({listed})
 SELECT want.conversation_id, min(d.seq), min(d.ordinal) FROM want
 JOIN messagelog_daymark d ON d.conversation_id = want.conversation_id AND d.day >= want.day
 GROUP BY want.conversation_id""",
            params,
        )
    }
    return {
        each: begun.get(each, (found[each].head_seq, found[each].head_ordinal)) for each in limits
    }
