"""Runs synchronous calls on the event loop's own thread: each in a fiber, which steps aside while it waits.

A fiber is a greenlet. What it calls is plain code; only where that would sleep (a slow answer of PostgreSQL,
a commit that others share) the loop goes on with something else and comes back to it. So one thread runs
Python, instead of dozens that wake each other for the interpreter's lock.
"""

import asyncio
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from greenlet import getcurrent, greenlet

from imsite.core import metrics
from imsite.core.mailbox import Mailbox
from imsite.core.pools import Overloaded
from imsite.core.turns import Pressing, Turn, Watch, let_pass

T = TypeVar("T")
# Milliseconds for which the loop stands and waits for an answer: most come sooner, and to step aside
# costs more than they do.
STAND = 2
# Fibers that wait for another call, of those that a crowd needed.
_IDLE = 128

# Gets what a call returned, and what it raised; one of them is None.
Tell = Callable[[Any, Exception | None], None]


class Fiber(greenlet):  # type: ignore[misc]  # greenlet has no types
    """Calls, one after the other; the connection to the database is a call's own while it runs.

    It outlives its call, for to begin a greenlet costs ten microseconds: Python maps memory for its
    frames and, at its end, gives it back.
    """

    def __init__(self, fibers: "Fibers") -> None:
        super().__init__(self._live)
        self.fibers = fibers
        self.database: Any = None
        self._job: tuple[Tell, Callable[..., Any], tuple[Any, ...]] | None = None
        self._first: Callable[[], None] | None = None

    def take(self, tell: Tell, call: Callable[..., Any], *args: Any) -> None:
        """Make a call, and tell what came of it when it has come to its end."""
        self._job = (tell, call, args)
        self.go_on()

    def park(self, first: Callable[[], None] | None = None) -> None:
        """Let the loop do this first, and then go on, until somebody calls `go_on`."""
        assert self.parent is not None
        self._first = first
        self.parent.switch()

    def go_on(self) -> None:
        """Take up the call where it parked."""
        self.switch()
        first, self._first = self._first, None
        if first:
            first()

    def _live(self) -> None:
        while True:
            self._first = self._made()
            if not self.fibers.keep(self):
                return
            assert self.parent is not None
            self.parent.switch()

    def _made(self) -> Callable[[], None]:
        """Make the call, and return how to tell what came of it."""
        assert self._job is not None
        (tell, call, args), self._job = self._job, None
        try:
            # What it sets for itself is not there for the next.
            return partial(tell, Context().run(self.fibers.work, self, call, args), None)
        except Exception as error:
            return partial(tell, None, error)


def current() -> Fiber | None:
    """Return the fiber in which this is called; None in a thread of its own."""
    found = getcurrent()
    return found if isinstance(found, Fiber) else None


class Latch:
    """Opened once, by any thread; who made it may wait for it, in a fiber by stepping aside.

    A fiber that waits needs no database meanwhile: another has its connection.
    """

    __slots__ = ("_fiber", "_lock", "_post", "_turn")

    def __init__(self) -> None:
        self._fiber = current()
        if self._fiber:
            self._turn, self._post = Turn(self._fiber), Mailbox.here().post
        else:
            self._lock = threading.Lock()
            self._lock.acquire()

    def open(self) -> None:
        """Let who waits go on."""
        if self._fiber:
            self._post(self._end)
        else:
            self._lock.release()

    def _end(self) -> None:
        let_pass()
        self._turn.end()

    def wait(self, seconds: float) -> None:
        """Return when it is open, or after so long."""
        if self._fiber is None:
            self._lock.acquire(timeout=seconds)
            return
        fibers = self._fiber.fibers
        # Another call would be in this one's transaction.
        assert not self._fiber.database.in_atomic_block
        fibers.stand_up(self._fiber)
        try:
            self._turn.wait(seconds)
        finally:
            fibers.sit_down(self._fiber)


def poll(
    poller: select.poll,
    socket: int,
    seconds: float,
    *,
    writing: bool = False,
    holding: bool = True,
) -> bool:
    """Say whether something came of a socket within so long; `poller` is the one that knows it.

    In a fiber most of that time is the loop's. One that presses does so while it is `holding` locks.
    """
    fiber = current()
    if fiber is None:
        return bool(poller.poll(seconds * 1000))
    if poller.poll(fiber.fibers.stand):
        return True
    if fiber.fibers.presses and holding:
        Pressing(fiber, socket, poller=poller, writing=writing).wait(seconds)
    else:
        Watch(fiber, socket, writing=writing).wait(seconds)
    return bool(poller.poll(0))


# Threads for what cannot step aside: connecting, and valkey where it is slow.
_aside = ThreadPoolExecutor(16, thread_name_prefix="aside")


def aside(call: Callable[..., T], *args: Any) -> T:
    """Return what `call` returns; from a fiber it is made in a thread, since it cannot step aside itself."""
    fiber = current()
    if fiber is None:
        return call(*args)
    turn, post = Turn(fiber), Mailbox.here().post
    future = _aside.submit(call, *args)
    future.add_done_callback(lambda _: post(turn.end))
    turn.wait()
    return future.result()


class Fibers:
    """The fibers of an event loop, and the connections at which they take turns."""

    def __init__(
        self, name: str, seats: int, *, most: int = 1000, stand: int = STAND, presses: bool = False
    ) -> None:
        """Let `seats` calls have the database at once, and `most` more wait or be parked.

        Those that press go on before anything new begins: others wait for their locks.
        """
        self.stand = stand
        self.presses = presses
        # Django keeps its database from a thread with a running loop; here that is what is meant.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        self._seats = seats
        self._most = seats + most
        self._seated = 0
        self.taken = 0
        self._queue: deque[tuple[float, Tell, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._spare: list[Any] = []
        self._idle: list[Fiber] = []
        self._waits = metrics.pool_waits.labels(name)
        self._refusals = metrics.pool_refusals.labels(name)

    def start(self, tell: Tell, call: Callable[..., Any], *args: Any) -> None:
        """Make a call in a fiber and tell what came of it, perhaps before this returns.

        Raise Overloaded if too many are on their way.
        """
        if self.taken >= self._most:
            self._refusals.inc()
            raise Overloaded(retry_after=1.0)
        self.taken += 1
        if self._seated < self._seats and not self._queue:
            self._begin(tell, call, args)
        else:
            self._queue.append((time.monotonic(), tell, call, args))

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Return what `call` returns in a fiber; raise Overloaded if too many are on their way.

        A caller who gives up leaves the call running, and its place taken until it ends.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.start(partial(_settle, done), call, *args)
        return await done

    def _begin(self, tell: Tell, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        let_pass()
        fiber = self._idle.pop() if self._idle else Fiber(self)
        fiber.take(tell, call, *args)

    def _next(self) -> None:
        if self._queue and self._seated < self._seats:
            since, tell, call, args = self._queue.popleft()
            self._waits.observe(time.monotonic() - since)
            self._begin(tell, call, args)

    def work(self, fiber: Fiber, call: Callable[..., T], args: tuple[Any, ...]) -> T:
        """Return what `call` returns, made in this fiber with a connection."""
        try:
            self.sit_down(fiber)
            try:
                return call(*args)
            finally:
                self.stand_up(fiber)
        finally:
            self.taken -= 1

    def keep(self, fiber: Fiber) -> bool:
        """Say whether a fiber whose call has come to its end is to wait for another."""
        if len(self._idle) < _IDLE:
            self._idle.append(fiber)
            return True
        return False

    def sit_down(self, fiber: Fiber) -> None:
        """Give a fiber a connection; called in it, for Django keeps one for each context."""
        fiber.database = (
            self._spare.pop() if self._spare else connections.create_connection(DEFAULT_DB_ALIAS)
        )
        connections[DEFAULT_DB_ALIAS] = fiber.database
        fiber.database.close_if_unusable_or_obsolete()
        self._seated += 1

    def stand_up(self, fiber: Fiber) -> None:
        """Take it back, for the next: the one used last is the warmest."""
        self._seated -= 1
        database, fiber.database = fiber.database, None
        if len(self._spare) >= self._seats or database.in_atomic_block:
            database.close()
        elif database.connection is not None:
            # One that never asked would only stand in the way of those that did.
            self._spare.append(database)
        if self._queue:
            # Not at once: what is begun in a fiber would return to it.
            asyncio.get_running_loop().call_soon(self._next)

    def close(self) -> None:
        """Hang up on spare connections."""
        while self._spare:
            self._spare.pop().close()


def _settle(done: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
