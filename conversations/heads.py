"""Heads: lock, advance, save; the only writer of the columns that a send changes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conversations.models import Unlooked
from imsite.core import rows, stamps

TABLE = "conversations_conversation"


@dataclass(slots=True)
class Head:
    """A locked conversation: what an append or an act looks at, and what it leaves to be saved."""

    id: int
    kind: str
    low_id: int | None
    high_id: int | None
    title: str | None
    announcement: str
    mute_all: bool
    join: str
    history: str
    retention_days: int | None
    dissolved_at: Any
    frozen_at: Any
    member_count: int
    head_seq: int
    head_ordinal: int
    preview_seq: int
    floor_seq: int
    floor_ordinal: int
    backlog_seq: int
    parted_seq: int
    uncounted_seq: int
    marked_day: int
    push_seq: int
    version: int
    # Set by whoever moves the head; None leaves what is stored.
    last_at: datetime | None = None
    preview: str | None = None
    # There is a row of Unlooked already.
    is_unlooked: bool = False

    @property
    def pair(self) -> tuple[int, int] | None:
        """The two people of a direct conversation, the lower id first."""
        if self.low_id is None or self.high_id is None:
            return None
        return (self.low_id, self.high_id)

    def floor_for(self, visible_from: int) -> int:
        """Return the seq up to which a member with this window reads nothing."""
        return max(self.floor_seq, self.closed_for(visible_from))

    def closed_for(self, visible_from: int) -> int:
        """Return the seq up to which a member with this window never read anything."""
        return 0 if self.history == "all" else visible_from - 1


_IN_MEMORY = ("last_at", "preview", "is_unlooked")
_COLUMNS = [name for name in Head.__slots__ if name not in _IN_MEMORY]
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)
_SELECT = f"SELECT {_QUOTED} FROM {TABLE} WHERE {{}} ORDER BY id"

_SAVED = {
    "head_seq": "{v}",
    "head_ordinal": "{v}",
    "preview_seq": "{v}",
    "preview": "coalesce({v}, preview)",
    "last_at": "coalesce({v}, last_at)",
    "parted_seq": "{v}",
    "uncounted_seq": "{v}",
    "member_count": "{v}",
    "marked_day": "{v}",
    "version": "{v}",
    "stamp": "{v}",
}

_SEEN = {"version": "{v}", "stamp": "coalesce({v}, stamp)"}
_FLOOR = {
    "shown_floor_seq": "coalesce(shown_floor_seq, {v})",
    "floor_seq": "{v}",
    "floor_ordinal": "{v}",
    "preview_seq": "{v}",
    "preview": "coalesce({v}, preview)",
    **_SEEN,
}
_BACKLOG = {"backlog_seq": "{v}", **_SEEN}


def lock(ids: Collection[int]) -> dict[int, Head]:
    """Lock these conversations in the order of their ids and return those that exist."""
    return locked(rows.fetch(*locking(ids)))


def locking(ids: Collection[int]) -> rows.Question:
    """Return what locks these conversations, to be asked together with other questions."""
    sql, params = looking(ids)
    return sql + stamps.lock_sql(), params


def looking(ids: Collection[int]) -> rows.Question:
    """Return what reads these conversations without a lock."""
    these, params = rows.among("id", sorted(set(ids)))
    return _SELECT.format(these), params


def locked(found: Iterable[tuple[Any, ...]]) -> dict[int, Head]:
    """Return the heads in the answer to `locking`."""
    return {row[0]: _head(row) for row in found}


def look(ids: Collection[int]) -> dict[int, Head]:
    """Return these conversations as they stand, for those who only want to tell."""
    return locked(rows.fetch(*looking(ids)))


def _head(row: tuple[Any, ...]) -> Head:
    head = Head(*row)
    head.mute_all = bool(head.mute_all)
    head.is_unlooked = head.push_seq < head.head_seq
    return head


def save(heads: Iterable[Head], *, stamp: int) -> None:
    """Write what was changed in memory; each version grows by one."""
    table_rows, unlooked = [], []
    for head in sorted(heads, key=lambda each: each.id):
        head.version += 1
        table_rows.append(_row(head, stamp))
        head.last_at = head.preview = None
        if head.push_seq < head.head_seq and not head.is_unlooked:
            unlooked.append((head.id,))
            head.is_unlooked = True
    rows.update(TABLE, _SAVED, table_rows)
    rows.insert(Unlooked._meta.db_table, ("conversation_id",), unlooked, skip=True)


def raise_floors(raised: Iterable[tuple[Head, int, int]], *, stamp: int) -> None:
    """Write the new floors (head, seq, ordinal) of locked heads; a preview from below is forgotten.

    Whoever was in a dissolved one goes on seeing it as it ended: its version stays.
    """
    table_rows = []
    for head, seq, ordinal in sorted(raised, key=lambda each: each[0].id):
        bare = head.preview_seq <= seq
        shown = head.floor_seq if head.dissolved_at else None
        preview = (0, "null") if bare else (head.preview_seq, None)
        head.floor_seq, head.floor_ordinal, head.preview_seq = seq, ordinal, preview[0]
        table_rows.append((shown, seq, ordinal, *preview, *_next(head, stamp), head.id))
    rows.update(TABLE, _FLOOR, table_rows)


def raise_backlogs(raised: Iterable[tuple[Head, int]], *, stamp: int) -> None:
    """Write up to which seq the logs of locked heads are older than the offline window."""
    ordered = sorted(raised, key=lambda each: each[0].id)
    rows.update(TABLE, _BACKLOG, [(seq, *_next(head, stamp), head.id) for head, seq in ordered])


def _next(head: Head, stamp: int) -> tuple[int, int | None]:
    """Return version and stamp of a head that reads differently, unless nobody reads it any more."""
    if head.dissolved_at:
        return head.version, None
    head.version += 1
    return head.version, stamp


def _row(head: Head, stamp: int) -> list[Any]:
    return [
        head.head_seq,
        head.head_ordinal,
        head.preview_seq,
        head.preview,
        rows.moment(head.last_at) if head.last_at else None,
        head.parted_seq,
        head.uncounted_seq,
        head.member_count,
        head.marked_day,
        head.version,
        stamp,
        head.id,
    ]
