"""Flags: what content rules find is put before the moderators, as reports by nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from imsite.core import rows
from messages import seals
from messages.models import Report, packed

_COLUMNS = (
    "conversation_id",
    "seq",
    "reporter_id",
    "reason",
    "note",
    "excerpt",
    "original",
    "created_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What a content rule found: the entry as it was stored (`wire`), and why, in 100 letters.

    `original` is the item as it was sent, if a rule masked it too (JSON).
    """

    conversation_id: int
    seq: int
    sender_id: int
    wire: str
    reason: str
    original: bytes | None = None

    def sealed(self) -> bytes | None:
        """Return the original for the moderators' eyes."""
        key = packed(self.conversation_id, self.seq)
        return None if self.original is None else seals.shut(key, self.original)


def file(flags: Sequence[Flag], *, now: datetime) -> None:
    """File what content rules found, as reports by nobody; once an entry while it is open, one statement.

    It belongs into the transaction that stores the entries.
    """
    rows.insert(
        Report._meta.db_table,
        _COLUMNS,
        [
            (
                each.conversation_id,
                each.seq,
                None,
                each.reason,
                "",
                each.wire,
                each.sealed(),
                rows.moment(now),
            )
            for each in flags
        ],
        skip=True,
    )
