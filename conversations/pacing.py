"""When the sockets of a process are pinged: in turns, not oftener than the loop can bear."""

import asyncio
from collections import deque
from typing import Protocol

# Seconds between two pings to one socket; more when the process is behind. Above a tenth, so that a
# client to whom they come unevenly counts no eleventh in a second either.
EVERY = 0.11
_MOST_EVERY = 2.0
_TICK = 0.02
# Sockets told in one turn of the event loop.
AT_ONCE = 64


class Paced(Protocol):
    """Who is told when to ping."""

    # Loop time before which it is not to ping.
    due_at: float

    def ping(self, now: float) -> None:
        """Ping if it is time, else ask again; `now` is the loop's time."""


class Pacer:
    """When sockets are pinged: in turn now, and again after a while by one timer for all."""

    def __init__(self) -> None:
        self.interval = EVERY
        self.loop = asyncio.get_running_loop()
        self._ready: deque[Paced] = deque()
        # How many of them are still to be told until all are that waited at this time.
        self._left = 0
        self._since = 0.0
        self._late: set[Paced] = set()
        self._due_at = 0.0
        self._turn_lag = self._tick_lag = 0.0

    def soon(self, socket: Paced) -> None:
        """Let this one ping when it is its turn."""
        if not self._ready:
            self._since, self._left = self.loop.time(), 1
            self.loop.call_soon(self._turn)
        self._ready.append(socket)

    def _turn(self) -> None:
        # What is written goes to the network between two turns: clients are told while others wait.
        now, ready = self.loop.time(), self._ready
        count = min(AT_ONCE, len(ready))
        try:
            for _ in range(count):
                ready.popleft().ping(now)
        finally:
            if ready:
                self.loop.call_soon(self._turn)
        self._left -= count
        if self._left <= 0:
            self._turn_lag = now - self._since
            self._pace()
            self._since, self._left = now, len(ready)

    def _pace(self) -> None:
        # A late timer, or a long wait for one's turn, means that the loop has more to do than it can:
        # then everybody hears less.
        lag = max(self._tick_lag, self._turn_lag)
        self.interval = min(_MOST_EVERY, max(EVERY, 4 * lag))

    def later(self, socket: Paced) -> None:
        """Let this one ping when its time has come."""
        if not self._late:
            self._wind()
        self._late.add(socket)

    def _wind(self) -> None:
        self._due_at = self.loop.time() + _TICK
        self.loop.call_at(self._due_at, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        self._tick_lag = now - self._due_at
        self._pace()
        due = [each for each in self._late if each.due_at <= now]
        self._late.difference_update(due)
        for each in due:
            self.soon(each)
        if self._late:
            self._wind()
