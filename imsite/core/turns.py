"""The waits of a fiber: each ends once, by whatever comes first, and some before all else."""

import asyncio
import select
import threading
from collections.abc import Callable
from typing import Protocol


class Parks(Protocol):
    """A fiber: a call that steps aside and is taken up again."""

    def park(self, first: Callable[[], None] | None = None) -> None:
        """Let the loop do this first, and then go on, until somebody calls `go_on`."""

    def go_on(self) -> None:
        """Take up the call where it parked."""


class Turn:
    """One wait of a fiber: it ends once, by whatever comes first."""

    __slots__ = ("_fiber", "_over", "_parked")

    def __init__(self, fiber: Parks) -> None:
        self._fiber = fiber
        self._over = self._parked = False

    def begin(self) -> None:
        """Do what belongs to the wait, before the loop goes on."""

    def leave(self) -> None:
        """Do what belongs to its end, before the fiber goes on."""

    def end(self) -> None:
        """End it; on the loop's thread."""
        if not self._over:
            self._over = True
            if self._parked:
                self.leave()
                self._fiber.go_on()

    def wait(self, seconds: float | None = None) -> None:
        """Step aside until it ends, or for so long."""
        if self._over:
            return
        timer = None
        if seconds is not None:
            timer = asyncio.get_running_loop().call_later(seconds, self.end)
        self._parked = True
        self._fiber.park(self.begin)
        if timer:
            timer.cancel()


class Watch(Turn):
    """A wait for a socket.

    The loop is told of it outside of the fiber: libuv keeps pointers into its own stack while it calls
    back, and what lies there is moved away while a fiber runs.
    """

    __slots__ = ("_socket", "_writing")

    def __init__(self, fiber: Parks, socket: int, *, writing: bool) -> None:
        super().__init__(fiber)
        self._socket = socket
        self._writing = writing

    def begin(self) -> None:
        """Have the loop look at the socket."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self.end)
        if self._writing:
            loop.add_writer(self._socket, self.end)

    def leave(self) -> None:
        """Have it look no more."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        if self._writing:
            loop.remove_writer(self._socket)


class Pressing(Watch):
    """A wait for a socket by who holds up others: it ends before anything new begins.

    A loop calls all that is ready before it looks at its sockets again; with the lock of a head in hand
    that were ten milliseconds, in which every other process waits for it.
    """

    __slots__ = ("_poller",)

    def __init__(self, fiber: Parks, socket: int, *, poller: select.poll, writing: bool) -> None:
        super().__init__(fiber, socket, writing=writing)
        self._poller = poller

    def begin(self) -> None:
        """Have everybody look at the socket."""
        _here.pressing = self
        super().begin()

    def leave(self) -> None:
        """Have nobody look any more."""
        if _here.pressing is self:
            _here.pressing = None
        super().leave()

    def is_ready(self) -> bool:
        """Say whether something came."""
        return bool(self._poller.poll(0))


class _Here(threading.local):
    """What presses in the loop of this thread."""

    pressing: Pressing | None = None


_here = _Here()


def let_pass() -> None:
    """Let who holds up others go on, if it can: before something begins, on the loop's own stack."""
    pressing = _here.pressing
    if pressing and pressing.is_ready():
        pressing.end()
