"""Fixed threads that async code hands its blocking calls to, and a bound on how many may wait."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

from imsite.core import metrics
from imsite.core.errors import Unavailable

T = TypeVar("T")


class Overloaded(Unavailable):
    """Too many wait here already; try again soon."""


class Pool:
    """A number of threads; calls beyond `most` waiting or running are refused at once."""

    def __init__(self, name: str, threads: int, *, most: int = 1000) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._most = threads + most
        self.taken = 0
        self._waits = metrics.pool_waits.labels(name)
        self._refusals = metrics.pool_refusals.labels(name)

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Return what `call` returns in a thread; raise Overloaded if too many wait.

        A caller who gives up leaves the call running, and its place taken until it ends.
        """
        if self.taken >= self._most:
            self._refusals.inc()
            raise Overloaded(retry_after=1.0)
        if self.taken >= self._threads:
            call, args = self._waited, (time.monotonic(), call, args)
        future = asyncio.get_running_loop().run_in_executor(self._executor, call, *args)
        self.taken += 1
        future.add_done_callback(self._free)
        return await asyncio.shield(future)

    async def ask(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return what `call` returns in a thread, where it may use the database."""
        return await self.run(_with_database, call, args, kwargs)

    def _waited(self, since: float, call: Callable[..., T], args: tuple[Any, ...]) -> T:
        self._waits.observe(time.monotonic() - since)
        return call(*args)

    def _free(self, future: "asyncio.Future[Any]") -> None:
        self.taken -= 1


def _with_database(call: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    # As Django does around a request: a connection that broke is not used again.
    close_old_connections()
    try:
        return call(*args, **kwargs)
    finally:
        close_old_connections()
