"""A provider's own loop and thread, so that calls have a hard end and no provider waits for another."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from push.providers.base import PushFailed

T = TypeVar("T")

# Seconds beyond the end of a call after which its loop itself is taken for stuck.
_GRACE = 2.0
_GOODBYE = 0.5


class Line:
    """Runs what many threads ask for on one loop; begun at its first call, and so after forks."""

    def __init__(self, name: str, *, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the call returns; raise PushFailed when it takes longer than `seconds`."""
        future = asyncio.run_coroutine_threadsafe(self._bounded(call), self._started())
        try:
            return future.result(self._seconds + _GRACE)
        except (TimeoutError, concurrent.futures.CancelledError):
            future.cancel()
            raise PushFailed("no answer in time", unwell=True) from None

    def close(self, ending: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Give up what is under way, run what ends the connections, and stop."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            future = asyncio.run_coroutine_threadsafe(_end(ending), loop)
            concurrent.futures.wait([future], timeout=_GRACE)
            # Sockets under TLS say goodbye first.
            loop.call_soon_threadsafe(loop.call_later, _GOODBYE, loop.stop)

    async def _bounded(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        # The libraries' own limits are for one read; one that drips a byte a second meets them all.
        async with asyncio.timeout(self._seconds):
            return await call()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = uvloop.new_event_loop()
                threading.Thread(
                    target=_serve, args=(self._loop,), name=f"push-{self._name}", daemon=True
                ).start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _end(ending: Callable[[], Coroutine[Any, Any, None]]) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await ending()
