"""Debts: a push owed to a device for a conversation; merged, claimed, settled (roused: push/rousing)."""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Min

from imsite.core import clock, rows, stamps
from push.models import Debt

TABLE = Debt._meta.db_table
# Seconds between two attempts: at first, and at most when the provider itself is unwell (what is owed
# must be pushed within a minute of its healing), and when it is about this one device.
_FIRST, _MOST, _MOST_ALONE = 1.0, 20.0, 3600.0
# Attempts after which a device that alone is refused is given up.
ENOUGH = 12
_BATCH = 1_000


def lease() -> float:
    """Return the seconds for which a claim holds: to wait for a thread, for the provider, to settle."""
    return float(settings.IM_PUSH_TIMEOUT) * 3 + 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """That a device is to be told of entries from_seq..seq of a conversation, at `due_at`."""

    device_id: int
    user_id: int
    conversation_id: int
    provider: str
    from_seq: int
    seq: int
    due_at: datetime


_COLUMNS = (
    "device_id", "user_id", "conversation_id", "provider", "from_seq", "seq", "owed_since",
    "due_at", "failures", "told_seq", "cleared_seq",
)  # fmt: skip


@cache
def _clash(vendor: str) -> str:
    # A debt that waits keeps its turn; one that was settled begins anew; what was told is not owed.
    return f"""ON CONFLICT (device_id, conversation_id) DO UPDATE SET
 seq = {stamps.greatest(f"{TABLE}.seq", "excluded.seq")},
 from_seq = CASE WHEN {TABLE}.due_at IS NULL THEN excluded.from_seq ELSE {TABLE}.from_seq END,
 user_id = excluded.user_id, provider = excluded.provider,
 owed_since = coalesce({TABLE}.owed_since, excluded.owed_since),
 due_at = coalesce({TABLE}.due_at, excluded.due_at)
 WHERE {TABLE}.told_seq < excluded.seq"""


def owe(owed: Iterable[Owed], *, now: datetime) -> None:
    """Add to what devices are owed: one debt for each device and conversation, merged."""
    since = rows.moment(now)
    # In the order in which all lock (`lock`).
    found = [
        (o.device_id, o.user_id, o.conversation_id, o.provider, o.from_seq, o.seq, since,
         rows.moment(o.due_at), 0, 0, 0)
        for o in sorted(owed, key=lambda each: (each.device_id, each.conversation_id))
    ]  # fmt: skip
    rows.insert(TABLE, _COLUMNS, found, clash=_clash(rows.vendor()))


@dataclass(frozen=True, slots=True)
class Claim:
    """A debt that is ours until `until`."""

    until: datetime
    id: int
    device_id: int
    user_id: int
    conversation_id: int
    from_seq: int
    seq: int
    told_seq: int
    cleared_seq: int
    failures: int


@cache
def _claim_sql(vendor: str) -> str:
    # A lease far beyond any that this clock could give is of a process whose clock was wrong.
    skip = "" if stamps.is_sqlite() else " FOR UPDATE SKIP LOCKED"
    due = f"""SELECT id FROM {TABLE} WHERE provider = %s AND due_at <= %s
 AND (leased_until IS NULL OR leased_until < %s OR leased_until > %s)
 ORDER BY due_at LIMIT %s{skip}"""
    return f"""UPDATE {TABLE} SET leased_until = %s WHERE {rows.found_by("id", due)}
 RETURNING id, device_id, user_id, conversation_id, from_seq, seq, told_seq, cleared_seq, failures"""


def claim(provider: str, limit: int, *, now: datetime) -> list[Claim]:
    """Take up to `limit` due debts to devices of a provider, the longest due first."""
    until = now + timedelta(seconds=lease())
    times = [rows.moment(each) for each in (until, now, now, until + timedelta(seconds=lease()))]
    params = [times[0], provider, *times[1:], limit]
    with transaction.atomic():
        return [Claim(until, *row) for row in rows.fetch(_claim_sql(rows.vendor()), params)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What became of a claim: told up to `told_seq`, cleared up to `cleared_seq` (0: neither).

    `again_at`: to be tried again then, in vain so far (`failed`) or for now. Without it nothing is
    owed any more but what was merged since.
    """

    claim: Claim
    told_seq: int = 0
    cleared_seq: int = 0
    failed: bool = False
    again_at: datetime | None = None


def settle(settled: Collection[Settled], *, now: datetime) -> None:
    """Write what became of claims, in one transaction.

    What a provider took counts, whoever holds the claim by now. All else is for the holder to say,
    and what was merged since the claim stays owed: nobody looked at it.
    """
    at = rows.moment(now)
    ended = [
        (s.claim.id, rows.moment(s.claim.until), max(s.claim.seq, s.told_seq), s.told_seq,
         s.cleared_seq)
        for s in settled
        if s.again_at is None
    ]  # fmt: skip
    again = [
        (s.claim.id, rows.moment(s.claim.until), rows.moment(s.again_at), int(s.failed))
        for s in settled
        if s.again_at is not None
    ]
    with transaction.atomic():
        # Whatever the statements' own order is.
        lock(*rows.among("d.id", [each.claim.id for each in settled]))
        _change("id, mine, reached, told, cleared", ended, _ended_sql(rows.vendor()), [at, at])
        _change("id, mine, again, failed", again, _AGAIN, [])


def _if_holder(then: str, column: str) -> str:
    return f"CASE WHEN leased_until = v.mine THEN {then} ELSE {column} END"


@cache
def _ended_sql(vendor: str) -> str:
    sets = {
        "told_seq": stamps.greatest("told_seq", "v.told"),
        "cleared_seq": stamps.greatest("cleared_seq", "v.cleared"),
        "told_at": "CASE WHEN v.told + v.cleared > 0 THEN %s ELSE told_at END",
        "leased_until": _if_holder("NULL", "leased_until"),
        "failures": _if_holder("0", "failures"),
        "from_seq": _if_holder("v.reached + 1", "from_seq"),
        "due_at": _if_holder("CASE WHEN seq > v.reached THEN %s END", "due_at"),
        "owed_since": _if_holder("CASE WHEN seq > v.reached THEN owed_since END", "owed_since"),
    }
    return ", ".join(f"{name} = {sql}" for name, sql in sets.items()) + " FROM v WHERE"


_AGAIN = f"""leased_until = NULL, failures = failures + v.failed, due_at = v.again
 FROM v WHERE {TABLE}.leased_until = v.mine AND"""


def _change(names: str, found: list[tuple[Any, ...]], change: str, params: list[Any]) -> None:
    if found:
        listed, values = rows.values(found)
        # Looked up by key, whatever the planner thinks of a table that has just grown.
        these, ids = rows.among(f"{TABLE}.id", [row[0] for row in found])
        sql = f"WITH v({names}) AS ({listed}) UPDATE {TABLE} SET {change} {TABLE}.id = v.id"
        rows.execute(f"{sql} AND {these}", [*values, *params, *ids])


def lock(
    condition: str,
    params: Sequence[Any],
    *,
    first: str = "",
    join: str = "",
    columns: str = "",
) -> list[tuple[Any, ...]]:
    """Lock these debts, `d`, until the end of the transaction; return their ids, and `columns`.

    In one order everywhere, of device and conversation, so that two who change many never wait for
    each other. `first` is a CTE, `join` what is joined.
    """
    return rows.fetch(
        f"""{first} SELECT d.id {columns} FROM {TABLE} d {join} WHERE {condition}
 ORDER BY d.device_id, d.conversation_id{stamps.lock_sql("d")}""",
        params,
    )


def pause(failures: int, *, alone: bool) -> float:
    """Return the seconds to the next attempt after so many in vain; `alone`: only this device fails.

    With some chance in it, so that what failed together does not come back together.
    """
    most = _MOST_ALONE if alone else _MOST
    seconds: float = min(most, _FIRST * 2.0 ** min(failures, 20))
    return seconds * (0.5 + random.random() / 2)


def exported(user_id: int) -> list[dict[str, Any]]:
    """Return what the devices of a user are owed and were told, JSON-ready."""
    found = Debt.objects.filter(user_id=user_id).order_by("pk")
    return [
        {
            "device_id": row.device_id,
            "conversation_id": row.conversation_id,
            "seq": row.seq,
            "due_at": clock.wire_or_none(row.due_at),
            "told_seq": row.told_seq,
            "cleared_seq": row.cleared_seq,
            "told_at": clock.wire_or_none(row.told_at),
        }
        for row in found
    ]


def forget_all(user_id: int) -> None:
    """Delete what the devices of a user are owed and were told."""
    with transaction.atomic():
        lock("d.user_id = %s", [user_id])
        Debt.objects.filter(user_id=user_id).delete()


def waiting(*, now: datetime) -> tuple[int, float]:
    """Return how many debts wait, and for how many seconds the oldest that is due has waited."""
    found = Debt.objects.filter(due_at__isnull=False).aggregate(count=Count("id"))
    oldest = Debt.objects.filter(due_at__lte=now).aggregate(oldest=Min("owed_since"))["oldest"]
    return found["count"], max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
