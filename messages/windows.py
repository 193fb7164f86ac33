"""What somebody may read of a conversation; all else does not exist, or has expired."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from imsite.core import rows, stamps
from imsite.core.errors import AppError, Code, NotFound
from messages.models import SEQ_BITS, Entry

_WINDOW = """SELECT c.kind, c.head_seq, c.floor_seq, c.history, m.visible_from
 FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND m.conversation_id {test}
   AND m.state = 'active' AND c.dissolved_at IS NULL"""


class Expired(AppError):
    """This message has expired."""

    code = Code.EXPIRED


@dataclass(frozen=True, slots=True)
class Window:
    """What somebody may read of a conversation: floor_seq < seq <= last_seq."""

    conversation_id: int
    kind: str
    last_seq: int
    floor_seq: int
    # Up to here it is only that the member came later.
    closed_seq: int

    def holds(self, seq: int) -> bool:
        """Say whether this entry may be read."""
        return self.floor_seq < seq <= self.last_seq

    def require(self, seq: int) -> None:
        """Refuse an entry that may not be read, or no longer."""
        require(seq, closed=self.closed_seq, floor=self.floor_seq, last=self.last_seq)


def require(seq: int, *, closed: int, floor: int, last: int) -> None:
    """Raise NotFound for what this member may never read, Expired for what was purged."""
    if not closed < seq <= last:
        raise NotFound
    if seq <= floor:
        raise Expired


def _window(conversation_id: int, row: Sequence[object]) -> Window:
    kind, head, floor, shown, visible_from = row
    low = 0 if shown == "all" else int(visible_from) - 1  # type: ignore[call-overload]
    return Window(conversation_id, str(kind), int(head), max(int(floor), low), low)  # type: ignore[call-overload]


def readable(user_id: int, conversation_id: int) -> Window:
    """Return what this user may read here, or NotFound."""
    found = rows.fetch(_WINDOW.format(test="= %s"), [user_id, conversation_id])
    if not found:
        raise NotFound
    return _window(conversation_id, found[0])


def readable_many(user_id: int, conversation_ids: Sequence[int]) -> dict[int, Window]:
    """Return what this user may read of these conversations; those he may not are left out."""
    marks = ", ".join(["%s"] * len(conversation_ids))
    sql = _WINDOW.format(test=f"IN ({marks})").replace("SELECT ", "SELECT c.id, ", 1)
    return {
        row[0]: _window(row[0], row[1:]) for row in rows.fetch(sql, [user_id, *conversation_ids])
    }


def with_items(
    user_id: int, conversation_id: int, *, forward: bool, place: int, size: int
) -> tuple[Window, str]:
    """Return the window and the items of up to `size` seqs after or before `place`, joined; NotFound.

    One question, one snapshot: no floor rises between the look at the window and that at the items.
    """
    sql = _items_sql(rows.vendor(), forward)
    found = rows.fetch(sql, [user_id, conversation_id, place, size])
    if not found:
        raise NotFound
    return _window(conversation_id, found[0][:-1]), found[0][-1] or ""


@cache
def _items_sql(vendor: str, forward: bool) -> str:
    least, greatest = stamps.least, stamps.greatest
    if forward:
        low = least(greatest("a.place", "w.floor"), "w.head_seq")
        high = least("w.head_seq", f"{low} + a.size")
    else:
        high = greatest(least("w.head_seq", "a.place - 1"), "w.floor")
        low = greatest("w.floor", f"{high} - a.size")
    start = f"(w.id << {SEQ_BITS})"
    ranged = f"""SELECT e.wire FROM {Entry._meta.db_table} e
 WHERE e.id > {start} + {low} AND e.id <= {start} + {high} ORDER BY e.id"""
    window = _WINDOW.format(test="= %s").replace(
        "SELECT ", f"SELECT c.id, {floor_sql()} AS floor, ", 1
    )
    number = rows.cast("bigint")
    return f"""WITH w AS ({window}), a(place, size) AS (SELECT %s{number}, %s{number})
 SELECT w.kind, w.head_seq, w.floor_seq, w.history, w.visible_from,
  ({rows.joined(ranged, "wire")}) FROM w CROSS JOIN a"""


def floor_sql() -> str:
    """Return SQL for the seq up to which a member `m` of a conversation `c` reads nothing."""
    window = "CASE WHEN c.history = 'all' THEN 0 ELSE m.visible_from - 1 END"
    return stamps.greatest("c.floor_seq", window)
