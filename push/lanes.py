"""Threads that hand pushes over: a few for each provider, so that one which hangs delays no other."""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from push import transport
from push.providers.base import Push, PushFailed, Target

log = logging.getLogger("imsite.push")


# Pushes that a lane takes for each of its threads: what is looked up is looked up for many.
_WAITING = 8
# Seconds after which what was looked up may not hold: a push that waited longer for its turn is not sent.
FRESH = 1.0
# Seconds in which outcomes are gathered.
_GATHER = 0.003


@dataclass(slots=True)
class Handed:
    """What became of a push: taken (no error), refused, or not even tried (`late`)."""

    ticket: int
    provider: str
    error: PushFailed | None = None
    late: bool = False


class _Lane:
    """One provider's threads, and as many leaves to send: each is given back once it is written down."""

    def __init__(self, provider: str, threads: int) -> None:
        self.threads = ThreadPoolExecutor(threads, f"push-{provider}")
        self.leaves = threading.Semaphore(threads)
        self.taken = 0


class Lanes:
    """The threads of all providers, and what they have in hand.

    A thread that has sent may not send again until the outcome was written down: so no more pushes
    than there are threads can be sent and unknown, whenever this process is killed.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lanes: dict[str, _Lane] = {}
        self._handed: queue.SimpleQueue[Handed] = queue.SimpleQueue()
        self.places = threads * _WAITING

    def free(self, provider: str) -> int:
        """Return how many more pushes this lane takes."""
        lane = self._lanes.get(provider)
        return self.places - (lane.taken if lane else 0)

    @property
    def busy(self) -> int:
        """How many pushes are in hand."""
        return sum(lane.taken for lane in self._lanes.values())

    def send(
        self, ticket: int, target: Target, push: Push, *, now: datetime, looked_at: float
    ) -> None:
        """Hand a push over, on a thread; not at all if its turn comes too late.

        `looked_at` is when it began to be looked up, by the monotonic clock.
        """
        lane = self._lanes.get(target.provider)
        if lane is None:
            lane = self._lanes[target.provider] = _Lane(target.provider, self._threads)
        lane.taken += 1
        until = looked_at + FRESH
        lane.threads.submit(
            self._hand, lane, Handed(ticket, target.provider), target, push, now, until
        )

    def _hand(
        self, lane: _Lane, handed: Handed, target: Target, push: Push, now: datetime, until: float
    ) -> None:
        lane.leaves.acquire()
        if time.monotonic() > until:
            handed.late = True
        else:
            handed.error = _deliver(target, push, now=now)
        self._handed.put(handed)

    def fetch(self, patience: float) -> list[Handed]:
        """Return what was handed over, waiting so many seconds for the first if anything is in hand."""
        found: list[Handed] = []
        busy = self.busy
        try:
            while len(found) < min(busy, self._threads):
                found.append(self._handed.get(timeout=_GATHER if found else patience))
        except queue.Empty:
            pass
        return found

    def written(self, handed: Sequence[Handed]) -> None:
        """Let the threads go on whose outcomes were written down."""
        for each in handed:
            lane = self._lanes[each.provider]
            lane.taken -= 1
            lane.leaves.release()

    def close(self) -> None:
        """Let go of everything that waits, and wait for what is under way."""
        for lane in self._lanes.values():
            lane.threads.shutdown(wait=False, cancel_futures=True)
            # A thread that waits for leave gets it, and is late.
            lane.leaves.release(self.places)
        for lane in self._lanes.values():
            lane.threads.shutdown()


def _deliver(target: Target, push: Push, *, now: datetime) -> PushFailed | None:
    try:
        transport.deliver(target, push, now=now)
    except PushFailed as failed:
        return failed
    except Exception as bug:
        # Whatever it was: somebody waits for the outcome, and it may be tried again.
        log.exception("a push by %s broke", target.provider)
        return PushFailed(f"broke: {type(bug).__name__}")
    return None
