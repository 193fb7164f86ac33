"""How gently long work goes: short turns, each followed by a rest, so that senders get by."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

# Seconds that a turn shall work: on SQLite every sender waits for it, and finds the lock free again
# after rests of its own that grow with the waiting.
_TURN = 0.008
# How long the rest is, in turns; a third of the time is the most that is taken from others.
_REST = 2.0
_LEAST, _MOST = 20, 2_000


class Pace:
    """The size of the next turn, fitted to how long the last ones took, and when it is enough."""

    def __init__(self, *, budget: float | None = None, rest: float = _REST) -> None:
        """`budget` is in seconds; None goes on to the end."""
        self.size = 100
        self._rest = rest
        self._until = None if budget is None else time.monotonic() + budget

    @property
    def is_over(self) -> bool:
        """Say whether the budget is used up: what is left is for the next time."""
        return self._until is not None and time.monotonic() >= self._until

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Yield how many rows to take on in the block, which is a transaction, and rest after it.

        What it waited for its lock is not its work: beside many senders it would shrink to nothing. Nor
        is the commit, which costs the same for few rows as for many; but others wait for both.
        """
        with transaction.atomic():
            began = time.monotonic()
            yield self.size
            worked = time.monotonic() - began
        held = time.monotonic() - began
        # Half of the way: one turn that met a busy disk says little.
        fit = self.size * _TURN / max(worked, _TURN / 4)
        self.size = round(min(max((self.size + fit) / 2, _LEAST), _MOST))
        time.sleep(held * self._rest)
