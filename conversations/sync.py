"""Heads changed since a cursor: nothing committed before the request is ever missed (design §6).

A cursor says from which stamp on changes may be unseen (`since`). It never passes the horizon, the
lowest stamp that could still appear when its rows were read; what lies between was shown and may
come again, so the cursor also carries the (conversation, version) pairs shown there. A pass over
many changes goes page by page in the order of stamps and, at its end, continues from the horizon of
its start. The first pass goes by newest activity instead, and ends at the horizon of its start too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson

from conversations import headview, logbook, site
from imsite.core import cursor, rows, stamps

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

    def seal(self, user_id: int) -> str:
        """Return the cursor."""
        flat = [number for pair in self.shown for number in pair]
        place = [self.epoch, self.since, self.start, self.at, int(self.first), flat]
        return cursor.seal("sync", user_id, place)

    @classmethod
    def unseal(cls, user_id: int, text: str) -> "Position":
        """Return what a cursor holds, or raise InvalidCursor."""
        epoch, since, start, at, first, flat = cursor.unseal("sync", user_id, text)
        pairs = tuple(zip(flat[::2], flat[1::2], strict=True))
        return cls(epoch, since, start, at and tuple(at), bool(first), pairs)


@dataclass(frozen=True, slots=True)
class Changes:
    """An answer: heads, whether there are more at once, and the cursor that goes on."""

    cursor: str
    items: list[dict[str, Any]]
    more: bool
    reset: bool
    # Names what is shown, for the ETag.
    mark: str
    # `unread_total`, if it was asked for along with the heads.
    total: int | None = None

    @property
    def quiet(self) -> bool:
        """Say whether there was nothing new."""
        return not self.items and not self.more and not self.reset


@cache
def _sql(vendor: str, first: bool, after: bool) -> str:
    if first:
        keys, sign = ["c.last_at", "m.conversation_id"], "<"
        order, where = "k1 DESC, k2 DESC", headview.ACTIVE
    else:
        keys, sign = [headview.STAMP, "m.conversation_id"], ">"
        order, where = "k1, k2", f"{headview.STAMP} >= %s"
    if after:
        where += f" AND ({', '.join(keys)}) {sign} (%s, %s)"
    site = f"s.epoch, {stamps.horizon_sql()}, {stamps.ceiling_sql()}"
    return headview.select(where=where, keys=keys, order=order, site=site)


def changes(
    user_id: int, *, cursor_text: str | None, limit: int, totalled: bool = False
) -> Changes:
    """Return the heads that changed since the cursor; without one, all active heads in pages.

    With `totalled`, what goes on from a cursor asks for the total of unread in the same round trip.
    """
    if cursor_text is None:
        return _first(user_id, None, limit, reset=False)
    place = Position.unseal(user_id, cursor_text)
    if place.first:
        return _first(user_id, place, limit, reset=False)
    return _since(user_id, place, cursor_text, limit, totalled=totalled)


def _first(user_id: int, place: Position | None, limit: int, *, reset: bool) -> Changes:
    """Go through all active heads, the newest activity first."""
    at = place.at if place else None
    found = rows.fetch(_sql(rows.vendor(), True, at is not None), [user_id, *(at or ()), limit + 1])
    epoch, horizon, ceiling = found[0][:_SITE]
    if not site.is_sound(epoch, ceiling) or (place and _is_foreign(place, epoch, ceiling)):
        return _first(user_id, None, limit, reset=reset or place is not None)
    page, more = _cut(found, limit)
    start = horizon if place is None or place.start is None else place.start
    if more:
        last = page[-1][-2:]
        then = Position(epoch, start, start, (str(last[0]), last[1]), first=True)
    else:
        then = Position(epoch, start)
        more = place is not None and _left_behind(user_id, then)
    return _answer(user_id, page, then, more=more, reset=reset)


def _since(user_id: int, place: Position, text: str, limit: int, *, totalled: bool) -> Changes:
    """Go through the heads changed since, in the order of their stamps."""
    at = place.at or ()
    params = [user_id, place.since, *at, limit + len(place.shown) + 1]
    questions: list[rows.Question] = [(_sql(rows.vendor(), False, bool(at)), params)]
    if totalled:
        questions.append((_total_sql(rows.vendor()), [user_id]))
    found, *totals = rows.fetch_each(questions)
    epoch, horizon, ceiling = found[0][:_SITE]
    if not site.is_sound(epoch, ceiling) or _is_foreign(place, epoch, ceiling):
        return _first(user_id, None, limit, reset=True)
    total = int(totals[0][0][0]) if totals else None
    shown = set(place.shown)
    page, more = _cut([row for row in found if _pair(row) not in shown], limit)
    if not page and not at:
        # The same cursor for as long as nothing happens: it stays right at any age.
        return Changes(text, [], False, False, _digest([text]), total)
    start = horizon if place.start is None else place.start
    then = _next(place, page, start, epoch, more=more)
    more = more or (bool(at) and _left_behind(user_id, then))
    return replace(_answer(user_id, page, then, more=more, reset=False), total=total)


def _left_behind(user_id: int, then: Position) -> bool:
    """Say whether heads changed where a pass of several pages had already been."""
    params = [user_id, then.since, len(then.shown) + 1]
    found = rows.fetch(_sql(rows.vendor(), False, False), params)
    page, _ = _cut(found, len(found))
    return any(_pair(row) not in then.shown for row in page)


def _next(
    place: Position, page: list[tuple[Any, ...]], start: int, epoch: str, *, more: bool
) -> Position:
    """Return where to go on: within this pass, or from the horizon at which it began."""
    seen = [*place.shown, *(_pair(row) for row in page if row[-2] >= start)]
    shown = tuple(dict(seen[-_SHOWN_TOP:]).items())
    if more:
        last = page[-1][-2:]
        return replace(place, start=start, at=(last[0], last[1]), shown=shown)
    return Position(epoch, start, shown=shown)


def _is_foreign(place: Position, epoch: str, ceiling: int) -> bool:
    """Say whether the cursor is of another database, or of this one's lost future."""
    return place.epoch != epoch or max(place.since, place.start or 0) > ceiling


def _cut(found: Sequence[tuple[Any, ...]], limit: int) -> tuple[list[tuple[Any, ...]], bool]:
    """Drop the site's row that stands alone when there are no heads; say whether more follow."""
    page = [row for row in found if row[_SITE] is not None]
    return page[:limit], len(page) > limit


_STATE, _BASE, _OWN = (
    _SITE + headview.NAMES.index(name) for name in ("state", "version", "own_version")
)


def _pair(row: tuple[Any, ...]) -> tuple[int, int]:
    """Return (conversation, version of the head) as the cursor remembers what it showed."""
    if row[_SITE] is None:
        return (0, 0)
    return (row[_SITE], row[_OWN] + (row[_BASE] if row[_STATE] == "active" else 0))


def _answer(
    user_id: int, page: list[tuple[Any, ...]], then: Position, *, more: bool, reset: bool
) -> Changes:
    items = [headview.shape(row[_SITE:]) for row in page]
    mark = _digest([[(each["id"], each["version"]) for each in items], more, reset])
    return Changes(then.seal(user_id), items, more, reset, mark)


def _digest(value: Any) -> str:
    return blake2b(orjson.dumps(value), digest_size=12).hexdigest()


def with_items(user_id: int, found: Changes, count: int) -> None:
    """Give each active head its newest `count` items, as `GET …/messages?limit=` would."""
    missing = _give_items(found.items, count)
    for _ in range(_RISES):
        if not missing:
            break
        # Their floors rose since the heads were looked at.
        fresh = [headview.one(user_id, head["id"]) or head for head in missing]
        for head, new in zip(missing, fresh, strict=True):
            head.clear()
            head.update(new)
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


@cache
def _total_sql(vendor: str) -> str:
    return f"""SELECT coalesce(sum({headview.unread()}), 0)
 FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND {_TOTALLED}"""


_TOTALLED = f"{headview.ACTIVE} AND m.notify <> 'none' AND NOT m.hidden"


def unread_total(user_id: int) -> int:
    """Return the sum of unread over the active conversations neither muted nor hidden."""
    return int(rows.fetch(_total_sql(rows.vendor()), [user_id])[0][0])


def unread_totals(user_ids: Collection[int]) -> dict[int, int]:
    """Return `unread_total` of each of these users, those without conversations left out."""
    if not user_ids:
        return {}
    listed, params = rows.values([(user_id,) for user_id in sorted(set(user_ids))])
    found = rows.fetch(
        f"""WITH want(user_id) AS ({listed}) SELECT m.user_id, sum({headview.unread()})
 FROM want JOIN conversations_membership m ON m.user_id = want.user_id
 JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE {_TOTALLED} GROUP BY m.user_id""",
        params,
    )
    return {user_id: int(total) for user_id, total in found}
