"""Brings results of other threads into an event loop, with one wake-up for all that come together."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger("imsite.mailbox")


class Mailbox:
    """Calls that wait for the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._rung = False

    @classmethod
    def here(cls) -> "Mailbox":
        """Return the mailbox of the running loop."""
        global _mailbox
        if _mailbox is None or _mailbox._loop is not asyncio.get_running_loop():
            _mailbox = cls()
        return _mailbox

    def post(self, call: Callable[..., None], *args: Any) -> None:
        """Have the loop make this call soon; from any thread."""
        self._calls.append((call, args))
        if not self._rung:
            self._rung = True
            # A loop that is closed has nobody left who waits for the call.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._open)

    def _open(self) -> None:
        # Before the box is emptied: what is posted from here on rings again.
        self._rung = False
        while self._calls:
            call, args = self._calls.popleft()
            try:
                call(*args)
            except Exception:
                # The others' results wait behind it.
                log.exception("a result could not be delivered")


_mailbox: Mailbox | None = None
