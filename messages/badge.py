"""Why a badge says what it says: the very entries that a person's unread counts are made of."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import transaction

from accounts.authority import Warrant
from conversations import headview, sync
from imsite.core import rows
from messages import wire
from messages.kinds import KINDS
from messages.models import SEQ_BITS

PERMISSION = "desk.explain_badge"
# Conversations told of, and entries of each: a badge of thousands is explained by its newest part.
CONVERSATIONS, ENTRIES = 100, 200
_COUNTED = ", ".join(repr(kind.name) for kind in KINDS.values() if kind.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one conversation adds to the badge; `why_not` says why it adds nothing."""

    conversation_id: int
    unread: int
    read_seq: int
    why_not: str
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """The badge, and the conversations with unread entries, the newest activity first."""

    total: int
    parts: list[Part]


def explain(warrant: Warrant, user_id: int) -> Badge:
    """Return what a person's badge counts; on record, because it shows what others wrote to them."""
    warrant.require(PERMISSION)
    warrant.over(user_id)
    # One transaction, and on PostgreSQL several statements: a send between them may show in one only.
    with transaction.atomic():
        found = rows.fetch(_places(rows.vendor()), [user_id, CONVERSATIONS])
        badge = Badge(
            total=sync.unread_total(user_id), parts=[_part(user_id, *row) for row in found]
        )
        warrant.record("user.badge", f"user:{user_id}", after={"total": badge.total})
    return badge


@cache
def _places(vendor: str) -> str:
    return f"""SELECT * FROM (SELECT c.id, {headview.unread()} AS unread, {headview.low_seq()} AS low,
  c.head_seq, m.read_seq, m.notify, m.hidden, c.last_at
 FROM conversations_membership m JOIN conversations_conversation c ON c.id = m.conversation_id
 WHERE m.user_id = %s AND {headview.ACTIVE}) AS place
 WHERE unread > 0 ORDER BY last_at DESC, id DESC LIMIT %s"""


# Above the same line as the count, of the kinds that count, without the exceptions to it.
_ENTRIES = f"""SELECT e.wire FROM messagelog_entry e
 WHERE e.id > %s AND e.id <= %s AND e.kind IN ({_COUNTED}) AND NOT EXISTS
 (SELECT 1 FROM conversations_uncounted x WHERE x.conversation_id = %s
   AND x.user_id IN (0, %s) AND x.seq = e.id - %s)
 ORDER BY e.id DESC LIMIT %s"""


def _part(user_id: int, place: int, unread: int, low: int, head: int, *seat: Any) -> Part:
    read_seq, notify, hidden, _ = seat
    base = place << SEQ_BITS
    asked = [base | low, base | head, place, user_id, base, ENTRIES]
    return Part(
        conversation_id=place,
        unread=unread,
        read_seq=read_seq,
        why_not="hidden" if hidden else "muted by themselves" if notify == "none" else "",
        items=[wire.decode(row[0]) for row in rows.fetch(_ENTRIES, asked)],
    )
