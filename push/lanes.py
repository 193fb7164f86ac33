"""Threads that hand pushes over: a few for each provider, so that one which hangs delays no other."""

import logging
import queue
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from push import transport
from push.providers.base import Push, PushFailed, Target

log = logging.getLogger("imsite.push")


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a push: taken (no error), refused, or not even tried (`late`)."""

    ticket: int
    provider: str
    error: PushFailed | None = None
    late: bool = False


class Lanes:
    """The threads of all providers, and what they have in hand.

    A place in a lane is free again only when its outcome was fetched: so no more pushes than there
    are places can be sent and not yet written down, whenever this process is killed.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._taken: Counter[str] = Counter()
        self._handed: queue.SimpleQueue[Handed] = queue.SimpleQueue()

    def free(self, provider: str) -> int:
        """Return how many more pushes this lane takes."""
        return self._places - self._taken[provider]

    @property
    def busy(self) -> int:
        """How many pushes are in hand."""
        return self._taken.total()

    def send(self, ticket: int, target: Target, push: Push, *, now: datetime, until: float) -> None:
        """Hand a push over, on a thread; not at all if that cannot begin before `until` (monotonic)."""
        self._taken[target.provider] += 1
        threads = self._threads.get(target.provider)
        if threads is None:
            threads = ThreadPoolExecutor(self._places, f"push-{target.provider}")
            self._threads[target.provider] = threads
        threads.submit(self._hand, ticket, target, push, now, until)

    def _hand(self, ticket: int, target: Target, push: Push, now: datetime, until: float) -> None:
        if time.monotonic() > until:
            self._handed.put(Handed(ticket, target.provider, late=True))
            return
        error = None
        try:
            transport.deliver(target, push, now=now)
        except PushFailed as failed:
            error = failed
        except Exception as bug:
            # Whatever it was: somebody waits for the outcome, and it may be tried again.
            log.exception("a push by %s broke", target.provider)
            error = PushFailed(f"broke: {type(bug).__name__}")
        self._handed.put(Handed(ticket, target.provider, error))

    def fetch(self, patience: float) -> list[Handed]:
        """Return what was handed over, waiting so many seconds for the first if anything is in hand."""
        found: list[Handed] = []
        try:
            while self._taken:
                found.append(self._handed.get(timeout=0 if found else patience))
                self._taken[found[-1].provider] -= 1
                self._taken += Counter()
        except queue.Empty:
            pass
        return found

    def close(self) -> None:
        """Wait until the threads have ended."""
        for threads in self._threads.values():
            threads.shutdown()
