"""Holds `GET /sync?wait=N` until something changes for its user: it waits here, and costs no thread."""

import asyncio
import contextlib
import logging

from django.db import Error as DatabaseProblem

from accounts import tokens
from accounts.tokens import Caller
from conversations.hub import Hub, the_hub
from imsite.core import clock, strict
from imsite.core.bridge import Answer, Bridge, Receive, Send
from imsite.core.environ import Body, Scope
from imsite.core.errors import AppError, InvalidRequest
from imsite.core.pools import Pool

log = logging.getLogger("imsite.longpoll")
PATH = "/api/v1/sync"
_MOST = 55
# How the door marks an answer that shows nothing new.
_QUIET = b"im-quiet"

_doors = Pool("poll-door", 2)


class Poll:
    """A request that waits; a Watcher of the hub."""

    exact = False

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.woken = asyncio.Event()
        self.ended = False

    def sync(self) -> None:
        """Something in the user's sync changed."""
        self.woken.set()

    def moved(self, conversation_id: int, seq: int) -> None:
        """The head of a conversation moved."""
        self.woken.set()

    def read(self, conversation_id: int, user_id: int, seq: int) -> None:
        """A peer has read: the head says how far."""
        self.woken.set()

    def typing(self, conversation_id: int, user_id: int) -> None:
        """Typing is in no sync."""

    def forget(self, conversation_id: int) -> None:
        """Nothing was kept."""

    def tick(self, now: float) -> None:
        """It ends by itself."""

    def close(self, code: int) -> None:
        """Answer now, whatever there is."""
        self.ended = True
        self.woken.set()


class LongPoll:
    """Stands in front of the bridge for the one path that may wait."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a sync, at once or when there is something new."""
        # Asks the door for its mark; other servers would pass that on to the client.
        scope["imsite.waits"] = True
        answer = await self._answer(scope, receive)
        if answer is not None:
            answer.take(_QUIET)
            await self._bridge.deliver(scope, answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        seconds = _wait_of(scope)
        caller = await _caller(scope) if seconds else None
        if caller is None:
            return await self._bridge.ask(scope, Body())
        poll, hub = Poll(caller), the_hub()
        try:
            if not await _joined(hub, poll):
                return await self._bridge.ask(scope, Body())
            return await self._hold(scope, receive, poll, seconds)
        finally:
            hub.leave(poll)

    async def _hold(
        self, scope: Scope, receive: Receive, poll: Poll, seconds: float
    ) -> Answer | None:
        """Ask, wait, and ask again; return None if the client left."""
        deadline = asyncio.get_running_loop().time() + seconds
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while True:
                poll.woken.clear()
                answer = await self._bridge.ask(scope, Body())
                left = deadline - asyncio.get_running_loop().time()
                is_quiet = any(name == _QUIET for name, _ in answer.headers)
                if not is_quiet or left <= 0 or poll.ended:
                    return answer
                woken = asyncio.ensure_future(poll.woken.wait())
                await asyncio.wait((woken, gone), timeout=left, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if gone.done():
                    return None
        finally:
            gone.cancel()


async def _joined(hub: Hub, poll: Poll) -> bool:
    try:
        await hub.join(poll)
    except Exception as error:
        # Waiting is a favour: without the hub the request is answered at once.
        log.warning("a poll could not wait: %s", type(error).__name__)
        return False
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _wait_of(scope: Scope) -> int:
    """Return how long to wait, in seconds; 0 for whatever the door will refuse."""
    try:
        given = strict.parse_query(scope["query_string"].decode("latin-1")).get("wait", "0")
    except InvalidRequest:
        return 0
    is_number = given.isascii() and given.isdigit() and len(given) <= 16
    return min(int(given), _MOST) if is_number else 0


async def _caller(scope: Scope) -> Caller | None:
    """Return who asks, or None if the door is to refuse it."""
    given = [
        value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
    ]
    scheme, _, access = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        return None
    with contextlib.suppress(AppError, DatabaseProblem):
        return await _doors.ask(tokens.verify, access.strip(), now=clock.now())
    return None
