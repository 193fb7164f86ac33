"""Flags: what content rules find is put before the moderators, as reports by nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from imsite.core import rows
from messages.models import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What a content rule found: the entry as it was stored (`wire`), and why, in 100 letters."""

    conversation_id: int
    seq: int
    sender_id: int
    wire: str
    reason: str


def file(flags: Sequence[Flag], *, now: datetime) -> None:
    """File what content rules found, as reports by nobody; once an entry, one statement for all.

    It belongs into the transaction that stores the entries.
    """
    rows.insert(
        Report._meta.db_table,
        ("conversation_id", "seq", "reporter_id", "reason", "note", "excerpt", "created_at"),
        [
            (each.conversation_id, each.seq, None, each.reason, "", each.wire, rows.moment(now))
            for each in flags
        ],
        skip=True,
    )
