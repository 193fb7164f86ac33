"""Takes away what lies below the floors, a few rows a turn, and all that hangs on it.

No reader comes here: the floor rose first. What is owed is a row (Purge), so whoever is stopped at
any point leaves the rest to whoever comes next, and two at once do nothing twice.

Content goes at once. The bare entry of a message younger than the offline window stays for as long,
so that a send which is tried again is still recognised by its client_id.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from conversations import heads
from imsite.core import rows, stamps
from imsite.core.chores import Done
from imsite.core.pace import Pace
from messages import search, wire
from messages.models import Entry, Purge, Report, Spared, packed
from messages.retention import floors

OWED = """SELECT p.conversation_id FROM messagelog_purge p
 WHERE p.conversation_id > %s ORDER BY p.conversation_id LIMIT 100"""
# The floor in a query of its own: the lock is for the purge alone, no sender waits for it.
_TAKE = """SELECT p.hollow_seq, p.gone_seq,
 (SELECT c.floor_seq FROM conversations_conversation c WHERE c.id = p.conversation_id)
 FROM messagelog_purge p WHERE p.conversation_id = %s"""
_DONE = """DELETE FROM messagelog_purge WHERE conversation_id = %s AND gone_seq >=
 (SELECT c.floor_seq FROM conversations_conversation c WHERE c.id = conversation_id)"""
# Tables that are found by the member first: their rows are looked for without any lock.
COUNTED = {"mentions": "conversations_mention", "uncounted": "conversations_uncounted"}
_FOUND = 2_000


@dataclass(slots=True)
class Owed:
    """How far the purge of a conversation has come, its row locked, and how far it is to go."""

    conversation_id: int
    hollow_seq: int
    gone_seq: int
    floor_seq: int

    def span(self, low: int, high: int) -> list[int]:
        """Return the ids of the entries in low < seq <= high as bounds."""
        return [packed(self.conversation_id, low), packed(self.conversation_id, high)]


def purge(done: Done, *, now: datetime, pace: Pace) -> None:
    """Pay what is owed; `left` says that the budget ended first."""
    keep = now.toordinal() - settings.IM_OFFLINE_DAYS
    last = 0
    while ids := [row[0] for row in rows.fetch(OWED, [last])]:
        for conversation_id in ids:
            _clear(conversation_id, keep, done, pace)
        last = ids[-1]
        if pace.is_over:
            break
    _let_go(done, pace)
    done.left = done.left or pace.is_over


def _clear(conversation_id: int, keep: int, done: Done, pace: Pace) -> None:
    """Take away all below the floor of a conversation but the bare entries of days from `keep` on."""
    found = heads.look([conversation_id])
    old = floors.ends_before(found, {conversation_id: keep})[conversation_id][0]
    while not pace.is_over and _turn(conversation_id, old, done, pace):
        pass
    floor = found[conversation_id].floor_seq
    for kind, table in COUNTED.items():
        _uncount(table, conversation_id, floor, kind, done, pace)
    if not pace.is_over:
        with transaction.atomic():
            _settle(conversation_id)


def _take(conversation_id: int) -> Owed | None:
    """Lock what is owed here and return it, if it still is."""
    found = rows.fetch(_TAKE + stamps.lock_sql(), [conversation_id])
    return Owed(conversation_id, *found[0]) if found else None


def _turn(conversation_id: int, old: int, done: Done, pace: Pace) -> bool:
    """Do the next part, if there is one: rows of old entries first, then what the newer ones say."""
    with pace.turn() as size:
        owed = _take(conversation_id)
        if owed is None:
            return False
        last = min(old, owed.floor_seq)
        if owed.gone_seq < last:
            _delete(owed, min(owed.gone_seq + size, last), done)
            return True
        if owed.hollow_seq < owed.floor_seq:
            _hollow(owed, min(owed.hollow_seq + size, owed.floor_seq), done)
            return True
    return False


def _delete(owed: Owed, high: int, done: Done) -> None:
    low = owed.gone_seq
    held = _held(owed, low, high)
    spared, params = "", owed.span(low, high)
    if held:
        these, ids = rows.among("id", [packed(owed.conversation_id, seq) for seq in held])
        spared, params = f" AND NOT ({these})", [*params, *ids]
    sql = f"DELETE FROM messagelog_entry WHERE id > %s AND id <= %s{spared}"
    done.count("entries", rows.execute(sql, params))
    _strip(owed, low, high, done)
    Purge.objects.filter(pk=owed.conversation_id).update(
        gone_seq=high, hollow_seq=max(high, owed.hollow_seq)
    )


def _hollow(owed: Owed, high: int, done: Done) -> None:
    low = owed.hollow_seq
    held = _held(owed, low, high)
    sql = "SELECT id, wire FROM messagelog_entry WHERE id > %s AND id <= %s"
    kept = {packed(owed.conversation_id, seq) for seq in held}
    found = [row for row in rows.fetch(sql, owed.span(low, high)) if row[0] not in kept]
    _empty(found)
    done.count("emptied", len(found))
    _strip(owed, low, high, done)
    Purge.objects.filter(pk=owed.conversation_id).update(hollow_seq=high)


def _empty(found: list[tuple[int, str]]) -> None:
    """Leave of these (id, wire) only what a retry of the send is recognised by."""
    emptied = [(wire.hollow(text), key) for key, text in found]
    rows.update(Entry._meta.db_table, {"wire": "{v}"}, emptied)


def _strip(owed: Owed, low: int, high: int, done: Done) -> None:
    """Take away what hangs on entries: their words and reactions."""
    search.forget_span(*owed.span(low, high))
    sql = "DELETE FROM messagelog_reaction WHERE conversation_id = %s AND seq > %s AND seq <= %s"
    done.count("reactions", rows.execute(sql, [owed.conversation_id, low, high]))


def _held(owed: Owed, low: int, high: int) -> list[int]:
    """Return the seqs here of which a report is open, and note that they stay."""
    reports = Report.objects.filter(
        conversation_id=owed.conversation_id, seq__gt=low, seq__lte=high, closed_at=None
    )
    held = sorted(set(reports.values_list("seq", flat=True)))
    columns, place = ("conversation_id", "seq"), owed.conversation_id
    rows.insert(Spared._meta.db_table, columns, [(place, seq) for seq in held], skip=True)
    return held


def _uncount(
    table: str, conversation_id: int, floor: int, kind: str, done: Done, pace: Pace
) -> None:
    """Take away rows at or below the floor, which count for nobody any more."""
    sql = f"SELECT id FROM {table} WHERE conversation_id = %s AND seq <= %s LIMIT {_FOUND}"
    while ids := [row[0] for row in rows.fetch(sql, [conversation_id, floor])]:
        while ids:
            if pace.is_over:
                return
            with pace.turn() as size:
                these, params = rows.among("id", ids[:size])
                done.count(kind, rows.execute(f"DELETE FROM {table} WHERE {these}", params))
            ids = ids[size:]


def _settle(conversation_id: int) -> None:
    """Forget the days that are gone, and the debt if all of it is paid."""
    owed = _take(conversation_id)
    if owed is not None:
        sql = "DELETE FROM messagelog_daymark WHERE conversation_id = %s AND seq <= %s"
        rows.execute(sql, [conversation_id, owed.gone_seq])
        rows.execute(_DONE, [conversation_id])


def _let_go(done: Done, pace: Pace) -> None:
    """Take away entries that were held and whose reports are all closed now."""
    sql = """SELECT h.id, h.conversation_id, h.seq FROM messagelog_spared h WHERE NOT EXISTS
 (SELECT 1 FROM messagelog_report r WHERE r.conversation_id = h.conversation_id AND r.seq = h.seq
  AND r.closed_at IS NULL) LIMIT 100"""
    while not pace.is_over and (found := rows.fetch(sql)):
        with pace.turn():
            for held_id, conversation_id, seq in found:
                _release(conversation_id, seq, done)
                Spared.objects.filter(pk=held_id).delete()


def _release(conversation_id: int, seq: int, done: Done) -> None:
    entry = Entry.objects.filter(pk=packed(conversation_id, seq))
    if Purge.objects.filter(pk=conversation_id, gone_seq__lt=seq).exists():
        # Younger than the offline window: its row goes when that has passed.
        _empty(list(entry.values_list("pk", "wire")))
    else:
        done.count("entries", entry.delete()[0])
