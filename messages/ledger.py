"""The log as conversations ask for it: fills the port conversations.logbook."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from django.db import transaction

from conversations import heads, logbook, pings
from messages import flags, history, wire
from messages.batch import Batch
from messages.policy import titles
from messages.ready import ready


class Ledger:
    """The log behind the port."""

    def append_notices(
        self, head: heads.Head, notices: Sequence[logbook.Notice], *, now: datetime
    ) -> None:
        """Append notices to the log of a locked head and ping after the commit."""
        batch = Batch()
        placed = [append_event(batch, head, notice, now=now) for notice in notices]
        batch.flush()
        if found := [each for each in (titles.flag(head, item) for item in placed) if each]:
            flags.file(found, now=now)
        # Asked at the commit: by then the head in memory stands where the act left it.
        transaction.on_commit(
            lambda: pings.heads_moved([(head.id, head.head_seq, head.parted_seq)])
        )

    def ordinal_at(self, conversation_id: int, seq: int) -> int | None:
        """Return how many countable entries there are up to `seq`; None if it was purged."""
        return history.ordinal_at(conversation_id, seq)

    def own_seqs(
        self, conversation_id: int, user_id: int, *, after: int, to: int | None = None
    ) -> list[int]:
        """Return the seqs of a user's own countable entries above `after`, up to `to`."""
        return history.own_seqs(conversation_id, user_id, after=after, to=to)

    def newest(
        self, windows: Sequence[tuple[int, int, int]], *, count: int
    ) -> dict[int, list[orjson.Fragment]]:
        """Return the newest `count` items in each (conversation, floor, last seq)."""
        ranges = [(cid, max(floor, last - count), last) for cid, floor, last in windows]
        found = history.ranges(ranges)
        return {cid: [orjson.Fragment(each) for each in wires] for cid, wires in found.items()}


def append_event(
    batch: Batch, head: heads.Head, notice: logbook.Notice, *, now: datetime
) -> wire.Item:
    """Add an entry that the server appends, and return it as it stands."""
    item = {
        "kind": notice.kind,
        "sender_id": notice.sender_id,
        "body": notice.body,
        "event": True,
    }
    return batch.add(head, ready(item), now=now)
