"""An item as clients get it: encoded once, kept as text, joined into pages untouched (API §4)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from messages.drafts import Draft, Edit

Item = dict[str, Any]
Halves = tuple[str, str]
_WHEN_FULL = (
    "client_id",
    "text",
    "body",
    "reply_to",
    "mentions",
    "event",
    "edited_at",
    "recalled_at",
    "recalled_by",
    "reactions",
    "pinned",
)
# What is left of an item that was recalled, or has expired.
_STUB = ("seq", "ordinal", "kind", "sender_id", "sent_at", "client_id")
NAMED_REACTIONS = 100
MAX_EMOJIS = 50


def encode(item: Mapping[str, Any]) -> str:
    """Return the item as JSON: keys in the order of the contract, what is empty left out."""
    return placed(halves(item), item["seq"], item["ordinal"], item["sent_at"])


def halves(item: Mapping[str, Any]) -> Halves:
    """Return the JSON of an item but for its place: what stands before the time, and what after it."""
    who = orjson.dumps({key: item[key] for key in ("kind", "sender_id")}).decode()
    rest = {key: value for key in _WHEN_FULL if (value := item.get(key))}
    return who[1:-1], "," + orjson.dumps(rest).decode()[1:] if rest else "}"


def placed(halves: Halves, seq: int, ordinal: int, sent_at: str) -> str:
    """Return the JSON of an item at its place: all that is left to be done under the lock of a head."""
    before, after = halves
    return f'{{"seq":{seq},"ordinal":{ordinal},{before},"sent_at":"{sent_at}"{after}'


def decode(wire: str | bytes) -> Item:
    """Return the item that was encoded."""
    item: Item = orjson.loads(wire)
    return item


def sent(draft: Draft) -> Item:
    """Return what a draft says, as an item that has no place yet (seq, ordinal, sent_at)."""
    return {
        "kind": draft.kind,
        "sender_id": draft.sender_id,
        "client_id": draft.client_id,
        "text": draft.text,
        "body": draft.body,
        "reply_to": draft.reply_to,
        "mentions": draft.mentions,
    }


def recalled(item: Item, *, at: str, by: int) -> Item:
    """Return what is left of an item that was taken back: its place, no content."""
    stub = {key: item[key] for key in _STUB if key in item}
    return {**stub, "recalled_at": at, "recalled_by": by}


def hollow(text: str) -> str:
    """Return what may be left of an entry that has expired: its place, no content."""
    item = decode(text)
    return encode({key: item[key] for key in _STUB if key in item})


def edited(item: Item, edit: Edit, *, at: str) -> Item:
    """Return the item with what the edit gives; the rest stays."""
    given = {"text": edit.text, "body": edit.body, "mentions": edit.mentions}
    return {
        **item,
        **{key: value for key, value in given.items() if value is not None},
        "edited_at": at,
    }


def with_reactions(item: Item, reactions: Mapping[str, Sequence[int] | int]) -> Item:
    """Return the item with these reactions: by emoji who, or how many; a crowd is only counted."""
    return {**item, "reactions": {emoji: _crowd(who) for emoji, who in reactions.items() if who}}


def with_pin(item: Item, pinned: bool) -> Item:
    """Return the item pinned or not."""
    return {**item, "pinned": pinned}


def page(wires: Iterable[str], **numbers: int) -> bytes:
    """Return a page as JSON: the items as they were stored, and the numbers that prove it."""
    return b'{"items":[%s],%s' % (",".join(wires).encode(), orjson.dumps(numbers)[1:])


def _crowd(who: Sequence[int] | int) -> Sequence[int] | dict[str, int]:
    count = who if isinstance(who, int) else len(who)
    if isinstance(who, int) or count > NAMED_REACTIONS:
        return {"count": count}
    return who
