"""Which conversations are still to be looked at for pushes, who looks, and how far it went."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
    free = f"""SELECT conversation_id FROM conversations_unlooked
 WHERE leased_until IS NULL OR leased_until < %s OR leased_until > %s LIMIT %s{skip}"""
    return f"""UPDATE conversations_unlooked SET leased_until = %s
 WHERE {rows.found_by("conversation_id", free)} RETURNING conversation_id"""


def any_waits() -> bool:
    """Say whether any conversation waits; to ask costs less than to claim."""
    return Unlooked.objects.exists()


def claim(limit: int, *, now: datetime) -> list[int]:
    """Take up to `limit` conversations to look at; whoever does not say `done` in time loses them."""
    until = now + timedelta(seconds=LEASE)
    params = [*map(rows.moment, (until, now, until + timedelta(seconds=LEASE))), limit]
    with transaction.atomic():
        return [row[0] for row in rows.fetch(_claim_sql(rows.vendor()), params)]


@dataclass(frozen=True, slots=True)
class Range:
    """Entries of a conversation that are to be looked at: low < seq <= high."""

    conversation_id: int
    kind: str
    pair: tuple[int, int] | None
    member_count: int
    low: int
    high: int


def ranges(conversation_ids: Collection[int]) -> list[Range]:
    """Return what is to be looked at in these conversations; of dissolved ones nothing is."""
    found = Conversation.objects.filter(pk__in=conversation_ids).values_list(
        "id", "kind", "low_id", "high_id", "member_count", "push_seq", "head_seq", "dissolved_at"
    )
    return [
        Range(cid, kind, (a, b) if a and b else None, count, high if dissolved else low, high)
        for cid, kind, a, b, count, low, high, dissolved in found
    ]


def done(looked: Mapping[int, int]) -> None:
    """Say up to where everybody was looked at: {conversation: seq}; what came meanwhile waits on.

    Under the heads' locks: an append that a look did not see is either committed, and seen here, or
    still to come, and leaves a row of its own.
    """
    with transaction.atomic():
        found = heads.lock(looked.keys())
        reached = {
            cid: min(seq, found[cid].head_seq) for cid, seq in looked.items() if cid in found
        }
        late = [
            cid
            for cid, seq in reached.items()
            if max(seq, found[cid].push_seq) < found[cid].head_seq
        ]
        Unlooked.objects.filter(pk__in=looked.keys() - set(late)).delete()
        Unlooked.objects.filter(pk__in=late).update(leased_until=None)
        # Not a change that anybody sees: version and stamp stay, so that syncs stay quiet.
        forward = [(seq, cid) for cid, seq in sorted(reached.items()) if seq > found[cid].push_seq]
        rows.update(heads.TABLE, {"push_seq": "{v}"}, forward)


def count() -> int:
    """Return how many conversations wait to be looked at."""
    return Unlooked.objects.count()


def find_missed() -> int:
    """Look through all conversations for some that wait unknown, as after a restored backup.

    Return how many there were. It reads the whole table, so it is for once an hour.
    """
    return rows.execute(_MISSED)
