"""Real clients that stay in sync while a browser works: each in one thread with a loop of its own."""

import asyncio
import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.cast import PASSWORD, Person
from tests.conftest import ROOT

_spec = importlib.util.spec_from_file_location("imclient", ROOT / "clients/python/imclient.py")
imclient = sys.modules.get("imclient") or importlib.util.module_from_spec(_spec)
if "imclient" not in sys.modules:
    sys.modules["imclient"] = imclient
    _spec.loader.exec_module(imclient)


class Follower:
    """A signed-in client that follows its log by pings and sync, as a program with a screen would."""

    def __init__(self, server: str, who: Person) -> None:
        self.who = who
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._begin(server))

    async def _begin(self, server: str) -> None:
        self._client: Any = imclient.Client(server)
        await self._client.login(self.who.user["username"], PASSWORD)
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for _ in self._client.watch():
            pass

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def items(self, conversation_id: int) -> list[dict[str, Any]]:
        """Return what this client has of a log."""

        async def read() -> list[dict[str, Any]]:
            return list(self._client.store.items(conversation_id))

        return self._run(read())

    async def _end(self) -> None:
        await self._client.aclose()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def close(self) -> None:
        """Stop following."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def until(check: Callable[[], bool], seconds: float = 10) -> float:
    """Wait for a state to come about; return how long that took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, "it does not come about"
        time.sleep(0.05)
    return time.monotonic() - began
