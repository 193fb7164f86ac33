"""Keeps calls from a provider that fails: it rests, is tried with one call, and rests longer.

Moments are seconds of a clock that nobody sets (`time.monotonic`).
"""

import random
import threading
from collections.abc import Callable

# Failures in a row after which a provider rests.
PATIENCE = 5
# Seconds of the first rest, and of the longest: what is owed must be pushed within a minute of healing.
FIRST, LONGEST = 1.0, 20.0
# Seconds that a provider may ask us to wait; one that asks for more is tried after that all the same.
LONGEST_ASKED = 60.0
# Seconds after which those come again who came while one call was trying.
_AGAIN = 0.5


class Breaker:
    """One provider's health, as its calls showed it; may be used from many threads."""

    def __init__(
        self, *, patience: int = PATIENCE, draw: Callable[[], float] = random.random
    ) -> None:
        self._patience = patience
        self._draw = draw
        self._lock = threading.Lock()
        self._failures = 0
        self._rests = 0
        self._until: float | None = None
        self._probe_ends: float | None = None
        # Grows with each rest and each trial, so that calls begun before count for nothing after.
        self._era = 0

    def left(self, at: float) -> float:
        """Return for how many seconds it rests yet."""
        with self._lock:
            return self._left(at)

    def enter(self, at: float, *, longest: float) -> int | None:
        """Return what to tell of the outcome with, or None: it rests. A call takes `longest` at most."""
        with self._lock:
            if self._left(at) > 0:
                return None
            if self._until is not None:
                self._era += 1
                self._probe_ends = at + longest
            return self._era

    def passed(self, era: int) -> None:
        """Note that the provider answered as it should."""
        with self._lock:
            if era == self._era:
                self._failures, self._rests = 0, 0
                self._until = self._probe_ends = None

    def failed(self, era: int, at: float, *, retry_after: float | None = None) -> float:
        """Note a failure; return for how long it rests from now on, 0 if it does not."""
        with self._lock:
            if era != self._era:
                return 0.0
            self._failures += 1
            if retry_after is None and self._failures < self._patience and self._until is None:
                return 0.0
            return self._rest(at, retry_after)

    def _rest(self, at: float, asked: float | None) -> float:
        backoff: float = min(LONGEST, FIRST * 2.0 ** min(self._rests, 10))
        # Jitter, so that the processes of an installation do not all try at once.
        seconds = max(min(asked or 0.0, LONGEST_ASKED), backoff * (0.5 + self._draw() / 2))
        self._rests += 1
        self._era += 1
        self._until, self._probe_ends = at + seconds, None
        return seconds

    def _left(self, at: float) -> float:
        if self._until is None:
            return 0.0
        if self._probe_ends is not None:
            return _AGAIN if at < self._probe_ends else 0.0
        return max(0.0, self._until - at)
