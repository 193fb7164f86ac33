"""Heads changed since a cursor: nothing committed before the request is ever missed (design §6).

A cursor says from which stamp on changes may be unseen (`since`). It never passes the horizon, the
lowest stamp that could still appear when its rows were read; what lies between was shown and may
come again, so the cursor also carries the (conversation, version) pairs shown there. A pass over
many changes goes page by page in the order of stamps and, at its end, continues from the horizon of
its start. The first pass goes by newest activity instead, and ends at the horizon of its start too.

What moved is asked first, with the horizon, in one snapshot; the heads after it, in a later one. So a
head may be newer than what was seen of it, and then comes again: its stamp is not below the horizon.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from conversations import headview, logbook, moved, site
from imsite.core import cursor, rows

# Pairs a cursor may carry; more only means that a head comes twice.
_SHOWN_TOP = 200
_SITE = 3
# How often a floor may rise while one request is being answered.
_RISES = 8


@dataclass(frozen=True, slots=True)
class Position:
    """What a sync cursor holds."""

    epoch: str
    since: int
    # The horizon at the start of the pass that is under way, and where it stands; else None.
    start: int | None = None
    at: tuple[Any, int] | None = None
    first: bool = False
    shown: tuple[tuple[int, int], ...] = ()
    # `unread_total` as it was told with this cursor: while nothing changes, it stays. None: not told.
    total: int | None = None

    def seal(self, user_id: int) -> str:
        """Return the cursor."""
        flat = [number for pair in self.shown for number in pair]
        place = [self.epoch, self.since, self.start, self.at, int(self.first), flat, self.total]
        return cursor.seal("sync", user_id, place)

    @classmethod
    def unseal(cls, user_id: int, text: str) -> "Position":
        """Return what a cursor holds, or raise InvalidCursor."""
        epoch, since, start, at, first, flat, *told = cursor.unseal("sync", user_id, text)
        pairs = tuple(zip(flat[::2], flat[1::2], strict=True))
        # Cursors of any age work: the first ones told no total.
        return cls(epoch, since, start, at and tuple(at), bool(first), pairs, *told)


@dataclass(frozen=True, slots=True)
class Changes:
    """An answer: heads, whether there are more at once, and the cursor that goes on."""

    cursor: str
    items: list[dict[str, Any]]
    more: bool
    reset: bool
    # Names what is shown, for the ETag.
    mark: str
    # `unread_total`; None if nothing is new and the cursor does not tell.
    total: int | None

    @property
    def quiet(self) -> bool:
        """Say whether there was nothing new."""
        return not self.items and not self.more and not self.reset


class _Moved(NamedTuple):
    """A head that moved: its version, and where it stands in the order of its pass."""

    id: int
    version: int
    at: Any


def changes(user_id: int, *, cursor_text: str | None, limit: int) -> Changes:
    """Return the heads that changed since the cursor; without one, all active heads in pages."""
    if cursor_text is None:
        return _first(user_id, None, limit, reset=False)
    place = Position.unseal(user_id, cursor_text)
    if place.first:
        return _first(user_id, place, limit, reset=False)
    return _since(user_id, place, cursor_text, limit)


def _first(user_id: int, place: Position | None, limit: int, *, reset: bool) -> Changes:
    """Go through all active heads, the newest activity first."""
    at = (place.at if place else None) or ()
    found = rows.fetch(*moved.first(user_id, at, limit + 1))
    epoch, horizon, ceiling = found[0][:_SITE]
    if not site.is_sound(epoch, ceiling) or (place and _is_foreign(place, epoch, ceiling)):
        return _first(user_id, None, limit, reset=reset or place is not None)
    page, more = _cut(found, limit)
    start = horizon if place is None or place.start is None else place.start
    if more:
        then = Position(epoch, start, start, (str(page[-1].at), page[-1].id), first=True)
    else:
        then = Position(epoch, start)
        more = place is not None and _left_behind(user_id, then)
    heads, total = _look(user_id, page)
    # One that ended since it was picked is told of by what follows.
    active = [head for head in heads if head["membership"]]
    return _answer(user_id, active, replace(then, total=total), more=more, reset=reset)


def _since(user_id: int, place: Position, text: str, limit: int) -> Changes:
    """Go through the heads changed since, in the order of their stamps."""
    at = place.at or ()
    top = limit + len(place.shown) + 1
    found = rows.fetch(*moved.since(user_id, place.since, at, top))
    epoch, horizon, ceiling = found[0][:_SITE]
    if not site.is_sound(epoch, ceiling) or _is_foreign(place, epoch, ceiling):
        return _first(user_id, None, limit, reset=True)
    page, more = _cut(found, limit, shown=place.shown)
    if not page and not at:
        # The same cursor for as long as nothing happens: it stays right at any age.
        return Changes(text, [], False, False, _digest([text]), place.total)
    heads, total = _look(user_id, page)
    start = horizon if place.start is None else place.start
    then = _next(place, page, heads, start, epoch, more=more)
    more = more or (bool(at) and _left_behind(user_id, then))
    return _answer(user_id, heads, replace(then, total=total), more=more, reset=False)


def _left_behind(user_id: int, then: Position) -> bool:
    """Say whether heads changed where a pass of several pages had already been."""
    found = rows.fetch(*moved.since(user_id, then.since, (), len(then.shown) + 1))
    return bool(_cut(found, len(found), shown=then.shown)[0])


def _next(
    place: Position,
    page: Sequence[_Moved],
    heads: Sequence[dict[str, Any]],
    start: int,
    epoch: str,
    *,
    more: bool,
) -> Position:
    """Return where to go on: within this pass, or from the horizon at which it began."""
    above = {each.id for each in page if each.at >= start}
    seen = [*place.shown, *((head["id"], head["version"]) for head in heads if head["id"] in above)]
    shown = tuple(dict(seen[-_SHOWN_TOP:]).items())
    if more:
        return replace(place, start=start, at=(page[-1].at, page[-1].id), shown=shown)
    return Position(epoch, start, shown=shown)


def _is_foreign(place: Position, epoch: str, ceiling: int) -> bool:
    """Say whether the cursor is of another database, or of this one's lost future."""
    return place.epoch != epoch or max(place.since, place.start or 0) > ceiling


def _cut(
    found: Sequence[tuple[Any, ...]], limit: int, *, shown: Collection[tuple[int, int]] = ()
) -> tuple[list[_Moved], bool]:
    """Drop what was shown, and the site's row if it stands alone; say whether more follow."""
    known = {(None, None), *shown}
    page = [_Moved(*row[_SITE:]) for row in found if row[_SITE : _SITE + 2] not in known]
    return page[:limit], len(page) > limit


def _look(user_id: int, page: Sequence[_Moved]) -> tuple[list[dict[str, Any]], int]:
    """Return the heads of a page, and the total of unread, in one round trip."""
    ids = [each.id for each in page]
    if not ids:
        return [], unread_total(user_id)
    found, [(total,)] = rows.fetch_each([headview.asking(user_id, ids), moved.total(user_id)])
    heads = headview.shapes(found)
    return [heads[each] for each in ids if each in heads], int(total)


def _answer(
    user_id: int, items: list[dict[str, Any]], then: Position, *, more: bool, reset: bool
) -> Changes:
    mark = _digest([[(each["id"], each["version"]) for each in items], more, reset])
    return Changes(then.seal(user_id), items, more, reset, mark, then.total)


def _digest(value: Any) -> str:
    return blake2b(orjson.dumps(value), digest_size=12).hexdigest()


def with_items(user_id: int, found: Changes, count: int) -> None:
    """Give each active head its newest `count` items, as `GET …/messages?limit=` would."""
    missing = _give_items(found.items, count)
    for _ in range(_RISES):
        if not missing:
            break
        # Their floors rose since the heads were looked at.
        fresh = headview.many(user_id, [head["id"] for head in missing])
        for head in missing:
            head |= fresh.get(head["id"], head)
        missing = _give_items(missing, count)


def _give_items(heads: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Give these heads their items, and return those of which some are gone."""
    active = [head for head in heads if head["state"] == "active"]
    windows = [(head["id"], head["floor_seq"], head["last_seq"]) for head in active]
    newest = logbook.the_log().newest(windows, count=count)
    for head in heads:
        head["items"] = newest.get(head["id"], [])
    return [
        head
        for head in active
        if len(head["items"]) < min(count, head["last_seq"] - head["floor_seq"])
    ]


def unread_total(user_id: int) -> int:
    """Return the sum of unread over the active conversations neither muted nor hidden."""
    return int(rows.fetch(*moved.total(user_id))[0][0])


def unread_totals(user_ids: Collection[int]) -> dict[int, int]:
    """Return `unread_total` of each of these users, those without conversations left out."""
    if not user_ids:
        return {}
    found = rows.fetch(*moved.totals(sorted(set(user_ids))))
    return {user_id: int(total) for user_id, total in found}
