"""Which entries moderators mean: by person, conversation, time, phrase or seq; found in bounded steps."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from imsite.core import rows, strict
from imsite.core.errors import InvalidRequest
from imsite.core.shapes import Id, QueryTime, Shape
from messages import search, wire
from messages.models import SEQ_BITS, packed

# An order this large is counted no further before it begins.
PREVIEW_MOST = 10_000
_SAMPLE = 20
_TOP = (1 << SEQ_BITS) - 1
_SENT_BY = """e.sender_id = %s AND e.conversation_id >= %s AND e.conversation_id IN
 (SELECT m.conversation_id FROM conversations_membership m WHERE m.user_id = %s)"""


class _Kept(Shape):
    """A selection as it is kept."""

    sender_id: Id | None = None
    conversation_id: Id | None = None
    seq: Id | None = None
    since: QueryTime | None = None
    until: QueryTime | None = None
    phrase: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What people sent that fits all of this; times are inclusive, None means any.

    `phrase` is words that stand side by side, compared as search compares them.
    """

    sender_id: int | None = None
    conversation_id: int | None = None
    seq: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    phrase: str | None = None

    def check(self) -> None:
        """Refuse what names nobody, nothing and no words: it would be the whole site."""
        if self.phrase is not None and search.containing(self.phrase) is None:
            raise InvalidRequest.field("phrase", "must hold a word")
        if self.sender_id is None and self.conversation_id is None and self.phrase is None:
            raise InvalidRequest.field("sender_id", "give a person, a conversation or a phrase")
        # Larger ones have no place in a packed id.
        if (self.conversation_id or 0) >> (63 - SEQ_BITS) or (self.seq or 0) >> SEQ_BITS:
            raise InvalidRequest.field("conversation_id", "there is no such place")

    def dump(self) -> str:
        """Return it as JSON, what is not asked for left out."""
        return orjson.dumps(self.told()).decode()

    def told(self) -> dict[str, Any]:
        """Return what is asked for."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def load(cls, text: str) -> "Selection":
        """Return what `dump` wrote, here or in a form that came back; InvalidRequest for anything else."""
        return cls(**dict(_Kept.read(strict.parse_object(text.encode()))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What an order would recall: how many of how many people where, and some of them."""

    count: int
    # There are more than were counted.
    more: bool
    people: int
    conversations: int
    sample: list[dict[str, Any]]


def find(
    selection: Selection, *, spared: Collection[int], after: int, most: int
) -> list[tuple[int, int]]:
    """Return (packed id, sender) of what is selected and not recalled, above `after`, lowest first.

    Those `spared` are left alone.
    """
    source, params = _source(selection)
    conditions = ["e.id > %s", "e.recalled_at IS NULL", "e.client_id IS NOT NULL"]
    params.append(after)
    for condition, values in _conditions(selection, after=after):
        conditions.append(condition)
        params += values
    if spared:
        conditions.append(f"e.sender_id NOT IN ({', '.join(['%s'] * len(spared))})")
        params += sorted(spared)
    sql = f"""SELECT e.id, e.sender_id FROM {source} WHERE {" AND ".join(conditions)}
 ORDER BY e.id LIMIT %s"""
    return [(row[0], row[1]) for row in rows.fetch(sql, [*params, most])]


def _source(selection: Selection) -> tuple[str, list[Any]]:
    found = None if selection.phrase is None else search.containing(selection.phrase)
    if found is None:
        return "messagelog_entry e", []
    return found[0], [found[1]]


def _conditions(selection: Selection, *, after: int) -> list[tuple[str, list[Any]]]:
    here, seq = selection.conversation_id, selection.seq
    found: list[tuple[str, list[Any]]] = []
    if here is not None:
        low, high = (0, _TOP) if seq is None else (seq - 1, seq)
        found.append(("e.id > %s AND e.id <= %s", [packed(here, low), packed(here, high)]))
    if selection.sender_id is not None:
        sender = selection.sender_id
        if here is None:
            found.append((_SENT_BY, [sender, after >> SEQ_BITS, sender]))
        else:
            found.append(("e.sender_id = %s", [sender]))
    if selection.since is not None:
        found.append(("e.created_at >= %s", [rows.moment(selection.since)]))
    if selection.until is not None:
        found.append(("e.created_at <= %s", [rows.moment(selection.until)]))
    return found


def preview(selection: Selection, *, spared: Collection[int]) -> Preview:
    """Return how many entries are selected, counted up to `PREVIEW_MOST`, and an even sample."""
    selection.check()
    found = find(selection, spared=spared, after=0, most=PREVIEW_MOST + 1)
    more, found = len(found) > PREVIEW_MOST, found[:PREVIEW_MOST]
    step = max(1, len(found) // _SAMPLE)
    return Preview(
        count=len(found),
        more=more,
        people=len({sender_id for _, sender_id in found}),
        conversations=len({entry_id >> SEQ_BITS for entry_id, _ in found}),
        sample=_items([entry_id for entry_id, _ in found[::step]][:_SAMPLE]),
    )


def _items(entry_ids: list[int]) -> list[dict[str, Any]]:
    if not entry_ids:
        return []
    these, params = rows.among("id", entry_ids)
    found = rows.fetch(f"SELECT id, wire FROM messagelog_entry WHERE {these} ORDER BY id", params)
    return [
        wire.decode(text) | {"conversation_id": entry_id >> SEQ_BITS} for entry_id, text in found
    ]
