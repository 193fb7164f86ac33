"""Which conversations are still to be looked at for pushes, who looks, and how far it went."""

from datetime import datetime, timedelta
from functools import cache

from django.db import transaction

from conversations import heads
from conversations.models import Conversation, Unlooked
from imsite.core import rows, stamps

# Seconds that a look may take before another looks too; both then find the same.
LEASE = 20
_MISSED = """INSERT INTO conversations_unlooked (conversation_id)
 SELECT id FROM conversations_conversation WHERE head_seq > push_seq ON CONFLICT DO NOTHING"""


@cache
def _claim_sql(vendor: str) -> str:
    # A lease far beyond any that this clock could give is of a process whose clock was wrong.
    skip = "" if stamps.is_sqlite() else " FOR UPDATE SKIP LOCKED"
    return f"""UPDATE conversations_unlooked SET leased_until = %s WHERE conversation_id IN (
 SELECT conversation_id FROM conversations_unlooked
 WHERE leased_until IS NULL OR leased_until < %s OR leased_until > %s LIMIT %s{skip})
 RETURNING conversation_id"""


def claim(limit: int, *, now: datetime) -> list[int]:
    """Take up to `limit` conversations to look at; whoever does not say `done` in time loses them."""
    until = now + timedelta(seconds=LEASE)
    params = [*map(rows.moment, (until, now, until + timedelta(seconds=LEASE))), limit]
    with transaction.atomic():
        return [row[0] for row in rows.fetch(_claim_sql(rows.vendor()), params)]


def done(conversation_id: int, *, to: int) -> None:
    """Say that everybody was looked at up to `to`; what came meanwhile is to be looked at at once.

    Under the head's lock: an append that this look did not see is either committed, and seen here,
    or still to come, and leaves a row of its own.
    """
    with transaction.atomic():
        head = heads.lock([conversation_id]).get(conversation_id)
        waiting = Unlooked.objects.filter(pk=conversation_id)
        to = min(to, head.head_seq) if head else 0
        if head is None or head.head_seq <= max(to, head.push_seq):
            waiting.delete()
        else:
            waiting.update(leased_until=None)
        if head is not None and to > head.push_seq:
            # Not a change that anybody sees: version and stamp stay, so that syncs stay quiet.
            Conversation.objects.filter(pk=conversation_id).update(push_seq=to)


def count() -> int:
    """Return how many conversations wait to be looked at."""
    return Unlooked.objects.count()


def find_missed() -> int:
    """Look through all conversations for some that wait unknown, as after a restored backup.

    Return how many there were. It reads the whole table, so it is for once an hour.
    """
    return rows.execute(_MISSED)
