"""Taking back: recall many entries of locked logs at once in the herald's name, and put them back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction

from accounts import herald
from conversations import heads, pings
from conversations.logbook import Notice
from imsite.core import clock, rows, stamps
from messages import corrections, seals, wire
from messages.batch import Batch
from messages.ledger import append_event
from messages.models import SEQ_BITS, Reaction, packed

_REACTIONS = Reaction._meta.db_table
_REACTION = ("conversation_id", "seq", "emoji", "user_id")


class _Turn:
    """One transaction on these entries, the heads of their conversations locked."""

    def __init__(self, entry_ids: Sequence[int], *, now: datetime) -> None:
        self.now = now
        self.by = herald.user_id(now=now)
        self.heads = heads.lock({each >> SEQ_BITS for each in entry_ids})
        self.items = _items(entry_ids)
        self.batch = Batch()
        self.moved: list[heads.Head] = []

    def of(self, head: heads.Head) -> list[wire.Item]:
        """Return the items of this conversation that are still there."""
        found = self.items.get(head.id, [])
        return [item for item in found if item["seq"] > head.floor_seq]

    def tell(self, head: heads.Head, kind: str, items: Sequence[wire.Item]) -> None:
        """Append a notice for each item, unless the log is closed for good."""
        if head.dissolved_at:
            return
        for item in items:
            notice = Notice(kind=kind, sender_id=self.by, body={"target": item["seq"]})
            append_event(self.batch, head, notice, now=self.now)
        self.moved.append(head)

    def write(self) -> None:
        """Store the notices and the heads, and ping after the commit."""
        if self.moved:
            self.batch.flush()
            heads.save(self.moved, stamp=stamps.take())
            moves = [(head.id, head.head_seq, head.parted_seq) for head in self.moved]
            transaction.on_commit(lambda: pings.heads_moved(moves))


def take(entry_ids: Sequence[int], *, order_id: int, until: datetime, now: datetime) -> int:
    """Recall these entries, seal what they said until then, and return how many it was.

    What was recalled or purged meanwhile, and what the server appended, is left alone.
    """
    if not entry_ids:
        return 0
    turn, count = _Turn(entry_ids, now=now), 0
    at = clock.wire(now)
    for head in turn.heads.values():
        items = [item for item in turn.of(head) if _has_content(item)]
        if not items:
            continue
        _seal(head, items, order_id=order_id, until=until)
        stubs = [wire.recalled(item, at=at, by=turn.by) for item in items]
        corrections.store(head, stubs)
        corrections.forget(head, stubs, now=now)
        turn.tell(head, "recall", stubs)
        count += len(items)
    turn.write()
    return count


def _has_content(item: wire.Item) -> bool:
    return "recalled_at" not in item and not item.get("event")


def _seal(head: heads.Head, items: Sequence[wire.Item], *, order_id: int, until: datetime) -> None:
    """Keep what the items said and who reacted to them."""
    reactions: dict[int, list[tuple[str, int]]] = {}
    given = Reaction.objects.filter(conversation_id=head.id, seq__in=[i["seq"] for i in items])
    for seq, emoji, user_id in given.order_by("id").values_list("seq", "emoji", "user_id"):
        reactions.setdefault(seq, []).append((emoji, user_id))
    contents = [
        (packed(head.id, item["seq"]), orjson.dumps([item, reactions.get(item["seq"], [])]))
        for item in items
    ]
    seals.keep(order_id, contents, until=until)


def give_back(entry_ids: Sequence[int], *, now: datetime) -> int:
    """Put back what is sealed of these entries and return of how many; none can be put back again."""
    if not entry_ids:
        return 0
    turn, count = _Turn(entry_ids, now=now), 0
    # Read under the locks: a sender may have taken his own away for good meanwhile.
    sealed = {key: orjson.loads(raw) for key, raw in seals.contents(entry_ids).items()}
    for head in turn.heads.values():
        kept = [
            sealed[key] for each in turn.of(head) if (key := packed(head.id, each["seq"])) in sealed
        ]
        items = [item for item, _ in kept]
        if not items:
            continue
        corrections.store(head, items)
        corrections.remember(head, items)
        _react_again(head, kept)
        turn.tell(head, "edit", items)
        count += len(items)
    seals.drop(entry_ids)
    turn.write()
    return count


def _react_again(head: heads.Head, kept: Sequence[Any]) -> None:
    given = [
        (head.id, item["seq"], emoji, user_id)
        for item, reactions in kept
        for emoji, user_id in reactions
    ]
    rows.insert(_REACTIONS, _REACTION, given)


def _items(entry_ids: Sequence[int]) -> dict[int, list[wire.Item]]:
    """Return these entries as they stand, by conversation, in their order."""
    these, params = rows.among("id", entry_ids)
    found = rows.fetch(f"SELECT id, wire FROM messagelog_entry WHERE {these} ORDER BY id", params)
    items: dict[int, list[wire.Item]] = {}
    for entry_id, text in found:
        items.setdefault(entry_id >> SEQ_BITS, []).append(wire.decode(text))
    return items
