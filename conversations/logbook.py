"""The log as far as conversations know it: a port that the messages app fills at start-up.

Every change of members, roles, title or announcement is an entry of the log, and a marker needs the
ordinal at its seq; yet messages stand above conversations. See docs/decisions for the choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from conversations.heads import Head


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """An entry that the server appends: its kind, who caused it, and its body."""

    kind: str
    sender_id: int
    body: dict[str, Any]


class Log(Protocol):
    """What conversations ask of the log."""

    def append_notices(self, head: Head, notices: Sequence[Notice], *, now: datetime) -> None:
        """Append to the log of a locked head and advance it in memory; heads.save keeps it."""

    def ordinal_at(self, conversation_id: int, seq: int) -> int | None:
        """Return how many countable entries there are up to `seq`; None if it was purged."""

    def own_seqs(
        self, conversation_id: int, user_id: int, *, after: int, to: int | None = None
    ) -> list[int]:
        """Return the seqs of a user's own countable entries above `after`, up to `to`."""

    def newest(
        self, windows: Sequence[tuple[int, int, int]], *, count: int
    ) -> dict[int, list[orjson.Fragment]]:
        """Return the newest `count` items in each (conversation, floor, last seq), rendered."""


_log: list[Log] = []


def register(log: Log) -> None:
    """Make `log` the one that is asked."""
    _log[:] = [log]


def the_log() -> Log:
    """Return the log."""
    return _log[0]
