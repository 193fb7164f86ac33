"""What moderation owes without anybody asking: cases for flags, letters, ends of seals, stalled orders."""

from collections.abc import Collection
from datetime import datetime

from messages import seals
from messages.moderation import cases, letters, orders

# Letters sent in one run at most: the next one comes within a minute.
_LETTERS = 1_000


def tend(*, now: datetime) -> Collection[int]:
    """Do what is due, and return the orders that wait for somebody to take them up.

    Running it twice, or in two places, does no harm.
    """
    while cases.adopt(now=now):
        pass
    sent = 0
    while sent < _LETTERS and (count := letters.deliver(now=now)):
        sent += count
    seals.sweep(now=now)
    return orders.stalled(now=now)
