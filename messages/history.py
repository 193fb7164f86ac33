"""Pages of a log: ranges of stored items that prove what they cover (design §5)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple

from imsite.core import rows
from imsite.core.errors import Unavailable
from messages import windows, wire
from messages.kinds import CHANGES
from messages.models import SEQ_BITS, packed
from messages.windows import Window, readable_many
from messages.windows import readable as readable

_SEQ = (1 << SEQ_BITS) - 1
_TABLE = "messagelog_entry"
_SHOWN = f"kind NOT IN ({', '.join(repr(name) for name in sorted(CHANGES))})"
# Pages of several logs: items read at once, and bytes after which the rest is left for the next time.
_AT_ONCE = 1_000
_ENOUGH = 8 * 2**20
_RANGE = f"SELECT wire FROM {_TABLE} WHERE id > %s AND id <= %s ORDER BY id"


# The floor beside what is shown: one snapshot tells whether rows were taken away from under a page.
_CHAT = f"""SELECT c.floor_seq, e.id, e.wire FROM conversations_conversation c LEFT JOIN
 (SELECT id, wire FROM {_TABLE} WHERE id > %s AND id <= %s AND {_SHOWN} ORDER BY id {{}} LIMIT %s) e
 ON 1 = 1 WHERE c.id = %s"""
# How often a floor may rise while one request is being answered.
_RISES = 8


class Risen(Exception):
    """The floor rose between the look at the window and the look at the entries."""


@cache
def _range_sql(vendor: str) -> str:
    """Return SQL for a range as one row: each row fetched costs a thread the interpreter's lock."""
    return rows.joined(_RANGE, "wire", count=True)


# A window and a range in it: low < seq <= high.
Span = tuple[Window, int, int]


class Page(NamedTuple):
    """Rendered JSON, and up to which seq of which conversations whoever gets it has pulled."""

    body: bytes
    reached: dict[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Which page: at most one of the positions; none means the newest."""

    limit: int
    chat: bool = False
    before: int | None = None
    after: int | None = None
    around: int | None = None


def page(user_id: int, conversation_id: int, ask: Ask) -> Page:
    """Return a page."""
    if ask.chat or ask.around is not None:
        return _steady(lambda: _page(readable(user_id, conversation_id), ask))
    forward = ask.after is not None
    place = ask.after if forward else ask.before
    window, items = windows.with_items(
        user_id,
        conversation_id,
        forward=forward,
        place=_SEQ if place is None else place,
        size=ask.limit,
    )
    return _one(window, [items], *_span(window, ask))


def _steady(look: Callable[[], Page]) -> Page:
    """Return what `look` finds, looked at anew when a floor rose in the middle of it."""
    for _ in range(_RISES):
        try:
            return look()
        except Risen:
            continue
    raise Unavailable(retry_after=1.0)


def page_at(user_id: int, conversation_id: int, *, moment: datetime, ask: Ask) -> Page:
    """Return the page around the first item at or after a time; none later: the newest page."""

    def look() -> Page:
        window = readable(user_id, conversation_id)
        seq = _first_at(window, moment)
        return _page(window, Ask(limit=ask.limit, chat=ask.chat, around=seq))

    return _steady(look)


def pages(user_id: int, places: dict[int, int], *, limit: int) -> Page:
    """Return `{"ID": page | null}` for several conversations at once, each after its seq.

    Once the answer is very large, the pages that are left are empty and say `has_after`.
    """
    return _steady(lambda: _pages(user_id, places, limit=limit))


def _pages(user_id: int, places: dict[int, int], *, limit: int) -> Page:
    windows = readable_many(user_id, list(places))
    spans = [(windows[c], *_after(windows[c], places[c], limit)) for c in places if c in windows]
    bodies = dict.fromkeys(places, b"null")
    reached = {}
    size = 0
    for portion in _portions(spans):
        full = size >= _ENOUGH
        found = {} if full else ranges([(w.conversation_id, a, b) for w, a, b in portion])
        for window, low, high in portion:
            wires = found.get(window.conversation_id, [])
            if len(wires) != high - low and not full:
                raise Risen
            end = low if full else high
            body = _render(window, wires, low, end)
            bodies[window.conversation_id] = body
            reached[window.conversation_id] = end
            size += len(body) if wires else 0
    return Page(b"{%s}" % b",".join(b'"%d":%s' % each for each in bodies.items()), reached)


def _portions(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Cut spans into lists of at most `_AT_ONCE` items, but for a single span that is longer."""
    portion: list[Span] = []
    count = 0
    for span in spans:
        count += span[2] - span[1]
        if portion and count > _AT_ONCE:
            yield portion
            portion, count = [], span[2] - span[1]
        portion.append(span)
    yield portion


def _page(window: Window, ask: Ask) -> Page:
    if ask.chat:
        return _chat_page(window, ask)
    low, high = _span(window, ask)
    span = [packed(window.conversation_id, low), packed(window.conversation_id, high)]
    sql = _range_sql(rows.vendor())
    [(joined, count)] = rows.fetch(sql, span) if high > low else [("", 0)]
    if count != high - low:
        raise Risen
    return _one(window, [joined], low, high)


def _one(window: Window, wires: Sequence[str], low: int, high: int) -> Page:
    return Page(_render(window, wires, low, high), {window.conversation_id: high})


def _span(window: Window, ask: Ask) -> tuple[int, int]:
    """Return (low, high) with low < seq <= high: dense seqs make it exact."""
    if ask.after is not None:
        return _after(window, ask.after, ask.limit)
    if ask.around is not None:
        middle = min(max(ask.around, window.floor_seq + 1), window.last_seq)
        high = min(window.last_seq, middle + (ask.limit - 1) // 2)
        low = max(window.floor_seq, high - ask.limit)
        return low, min(window.last_seq, low + ask.limit)
    top = window.last_seq if ask.before is None else min(window.last_seq, ask.before - 1)
    high = max(top, window.floor_seq)
    return max(window.floor_seq, high - ask.limit), high


def _after(window: Window, seq: int, limit: int) -> tuple[int, int]:
    low = min(max(seq, window.floor_seq), window.last_seq)
    return low, min(window.last_seq, low + limit)


def _render(window: Window, wires: Sequence[str], low: int, high: int) -> bytes:
    return wire.page(
        wires,
        from_seq=low + 1,
        to_seq=high,
        last_seq=window.last_seq,
        floor_seq=window.floor_seq,
        has_before=low > window.floor_seq,
        has_after=high < window.last_seq,
    )


def _chat_page(window: Window, ask: Ask) -> Page:
    """Skip items that only change another; the range they lie in is covered all the same."""
    if ask.around is not None:
        return _chat_around(window, ask)
    if ask.after is not None:
        low = min(max(ask.after, window.floor_seq), window.last_seq)
        shown, high = _shown_after(window, low, ask.limit)
    else:
        top = window.last_seq if ask.before is None else min(window.last_seq, ask.before - 1)
        high = max(top, window.floor_seq)
        shown, low = _shown_before(window, high, ask.limit)
    return _one(window, [text for _, text in shown], low, high)


def _chat_around(window: Window, ask: Ask) -> Page:
    middle = min(max(ask.around or 0, window.floor_seq + 1), window.last_seq)
    older, low = _shown_before(window, middle, ask.limit - (ask.limit - 1) // 2)
    newer, high = _shown_after(window, middle, ask.limit - len(older))
    if len(older) + len(newer) < ask.limit and low > window.floor_seq:
        older, low = _shown_before(window, middle, ask.limit - len(newer))
    return _one(window, [text for _, text in older + newer], low, high)


Shown = list[tuple[int, str]]


def _shown_after(window: Window, low: int, limit: int) -> tuple[Shown, int]:
    """Return up to `limit` shown items above `low`, and up to where the range is covered."""
    found = _shown(window, low, window.last_seq, limit + 1, order="ASC")
    high = (found[limit][0] & _SEQ) - 1 if len(found) > limit else window.last_seq
    return found[:limit], max(high, low)


def _shown_before(window: Window, high: int, limit: int) -> tuple[Shown, int]:
    """Return up to `limit` shown items up to `high`, and from where on the range is covered."""
    found = _shown(window, window.floor_seq, high, limit + 1, order="DESC")
    low = found[limit][0] & _SEQ if len(found) > limit else window.floor_seq
    return found[:limit][::-1], min(low, high)


def _shown(window: Window, low: int, high: int, count: int, *, order: str) -> Shown:
    cid = window.conversation_id
    found = rows.fetch(_CHAT.format(order), [packed(cid, low), packed(cid, high), count, cid])
    if found[0][0] > window.floor_seq:
        raise Risen
    return sorted(((r[1], r[2]) for r in found if r[1] is not None), reverse=order == "DESC")


def _first_at(window: Window, moment: datetime) -> int | None:
    """Return the first readable seq at or after a time: the day's mark, then a short scan."""
    cid = window.conversation_id
    marked = rows.fetch(
        "SELECT min(seq) FROM messagelog_daymark WHERE conversation_id = %s AND day >= %s",
        [cid, moment.toordinal()],
    )[0][0]
    if marked is None:
        return None
    low = max(int(marked) - 1, window.floor_seq)
    found = rows.fetch(
        f"SELECT id FROM {_TABLE} WHERE id > %s AND id <= %s AND created_at >= %s ORDER BY id LIMIT 1",
        [packed(cid, low), packed(cid, window.last_seq), rows.moment(moment)],
    )
    return found[0][0] & _SEQ if found else None


def ranges(wanted: Sequence[tuple[int, int, int]]) -> dict[int, list[str]]:
    """Return the items of several (conversation, low, high), low < seq <= high, in one query."""
    spans = [(packed(cid, low), packed(cid, high)) for cid, low, high in wanted if high > low]
    found: dict[int, list[str]] = {}
    if spans:
        listed, params = rows.values(spans)
        sql = f"""WITH want(low, high) AS ({listed}) SELECT e.id, e.wire
 FROM want {rows.keyed(_TABLE, "e.id > want.low AND e.id <= want.high")} ORDER BY e.id"""
        for key, text in rows.fetch(sql, params):
            found.setdefault(key >> SEQ_BITS, []).append(text)
    return found


def ordinal_at(conversation_id: int, seq: int) -> int | None:
    """Return how many countable entries there are up to `seq` (0: none), or None if it was purged."""
    if seq == 0:
        return 0
    found = rows.fetch(
        f"SELECT ordinal FROM {_TABLE} WHERE id = %s", [packed(conversation_id, seq)]
    )
    return int(found[0][0]) if found else None


def own_seqs(conversation_id: int, user_id: int, *, after: int, to: int | None = None) -> list[int]:
    """Return the seqs of a user's own countable entries above `after`, up to `to` (recalled too)."""
    low, high = packed(conversation_id, after), packed(conversation_id, _SEQ if to is None else to)
    found = rows.fetch(
        f"""SELECT id FROM {_TABLE} WHERE conversation_id = %s AND sender_id = %s
 AND client_id IS NOT NULL AND id > %s AND id <= %s""",
        [conversation_id, user_id, low, high],
    )
    return [row[0] & _SEQ for row in found]
