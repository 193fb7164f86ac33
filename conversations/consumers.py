"""The socket: lets a device in, takes its frames, hands it the hub's pings (API §6)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from django.db import Error as DatabaseProblem

from accounts import callers, presence, tokens
from accounts.tokens import Caller
from conversations import credentials, frames, markers, pings
from conversations.hub import the_hub
from conversations.outgoing import Outgoing
from imsite.core import clock, metrics, strict, textframe
from imsite.core.envelope import as_app_error
from imsite.core.errors import AppError, NotFound
from imsite.core.mailbox import Mailbox
from imsite.core.pools import Pool
from imsite.core.shapes import MAX_ID

log = logging.getLogger("imsite.socket")
# Seconds without a frame after which the client is taken for gone.
SILENCE = 75.0
# Frames a second that one socket may go on sending (sends have a limit of their own), and in a burst.
_RATE = 100.0
_BURST = 300.0
_MAX_BAD = 20
_BAD_SPAN = 60.0
# Seconds that a frame may wait for the client to read.
_STUCK = 10.0
_CLOSING = 5.0

# It gives what became of the message, a receipt or an AppError, to the last argument.
Sender = Callable[[Caller, int, dict[str, Any], Callable[[Any], None]], None]
Message = dict[str, Any]

_doors = Pool("socket-door", 4, most=20_000)
_senders = Pool("socket-send", 2, most=5000)


class Socket(AsyncConsumer):  # type: ignore[misc]  # Channels has no types
    """One socket of one device; a Watcher of the hub once it is let in."""

    exact = True
    caller: Caller
    out: Outgoing

    def __init__(self, *, send: Sender) -> None:
        self._enqueue = send
        self._let_in = False
        self._closing = False
        self._dropped = False
        self._heard_at = 0.0
        self._allowance = _BURST
        self._bad_since = 0.0
        self._bad = 0

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one connection: without the channel and the two tasks that Channels gives to each."""
        self.scope = scope
        self.base_send = send
        self._task = asyncio.current_task()
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            return
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            self._leave()

    async def dispatch(self, message: Message) -> None:
        """Handle one message of the server; none of the handlers touches the database here."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_connect(self, message: Message) -> None:
        """Let the device in, or refuse before the handshake."""
        try:
            shown = credentials.read(self.scope)
            self.caller = await _doors.ask(credentials.admit, shown)
        except Exception as error:
            # There is one answer for all of them: 403.
            as_app_error(error)
            await self.base_send({"type": "websocket.close"})
            raise StopConsumer from None
        await self.base_send(
            {"type": "websocket.accept", "subprotocol": credentials.protocol(self.scope)}
        )
        self._hub = the_hub()
        self._heard_at = self._hub.loop.time()
        self.out = Outgoing(self.base_send, textframe.writing(self.scope), self._hub.pacer)
        self._mail = Mailbox.here()
        self._let_in = True
        presence.opened(self.caller.device_id)
        metrics.sockets.inc()
        try:
            await self._hub.join(self)
        except Exception as error:
            log.warning("a socket could not be served: %s", type(error).__name__)
            self.close(1013)
            return
        self.out.begin(frames.hello(self.caller.device_id))

    async def websocket_disconnect(self, message: Message) -> None:
        """The client is gone, or the server leaves."""
        raise StopConsumer

    def _leave(self) -> None:
        if self._let_in:
            metrics.sockets.dec()
            presence.closed(self.caller.device_id)
            self.out.stop()
            self._hub.leave(self)

    async def websocket_receive(self, message: Message) -> None:
        """Take a frame; the next is not read before this one is dealt with."""
        if self._closing:
            return
        text = message.get("text")
        if frames.is_too_long(text if text is not None else message.get("bytes") or b""):
            self.close(4400)
            return
        now = self._hub.loop.time()
        self._allowance = min(_BURST, self._allowance + (now - self._heard_at) * _RATE)
        self._heard_at = now
        try:
            frame = frames.parse(text)
        except frames.BadFrame:
            self._count_bad(now)
            return
        if isinstance(frame, frames.Send):
            await self._send(frame)
        elif self._allowance < 1:
            self.close(4429)
        else:
            self._allowance -= 1
            await self._do(frame)

    def _count_bad(self, now: float) -> None:
        if now - self._bad_since > _BAD_SPAN:
            self._bad_since, self._bad = now, 0
        self._bad += 1
        if self._bad > _MAX_BAD:
            self.close(4400)

    async def _do(self, frame: frames.Ping | frames.Typing) -> None:
        if isinstance(frame, frames.Ping):
            await self.out.room()
            self.out.owe()
            self.out.answer(frames.PONG)
        elif not pings.typed_lately(frame.conversation_id, self.caller.user_id):
            await self._type(frame.conversation_id)

    async def _type(self, conversation_id: int) -> None:
        if not 1 <= conversation_id <= MAX_ID:
            return
        try:
            await _doors.ask(markers.typing, self.caller.user_id, conversation_id)
        except (AppError, DatabaseProblem):
            # Nobody waits for an answer, and who may not type here learns nothing.
            return

    async def _send(self, frame: frames.Send) -> None:
        """Queue a message; its answer comes when its commit is durable."""
        await self.out.room()
        self.out.owe()
        try:
            await _senders.ask(self._submit, frame)
        except (tokens.TokenInvalid, tokens.Banned):
            self.close(4401)
        except Exception as error:
            # Like a view: the client hears of any failure, in the terms of the contract.
            self.out.answer(frames.err(frame.n, as_app_error(error)))

    def _submit(self, frame: frames.Send) -> None:
        if not 1 <= frame.conversation_id <= MAX_ID:
            raise NotFound
        strict.check_value(frame.message)
        callers.admit(self.caller, now=clock.now())
        answer = partial(self._mail.post, self._sent, frame.n)
        self._enqueue(self.caller, frame.conversation_id, frame.message, answer)

    def _sent(self, n: int, result: Any) -> None:
        if isinstance(result, AppError):
            self.out.answer(frames.err(n, result))
        else:
            self.out.answer(frames.ack(n, result.shape()))

    def moved(self, conversation_id: int, seq: int) -> None:
        """The head of a conversation moved."""
        self.out.moved(conversation_id, seq)

    def sync(self) -> None:
        """Something else in the user's sync changed."""
        self.out.sync()

    def read(self, conversation_id: int, user_id: int, seq: int) -> None:
        """A peer has read up to here."""
        self.out.read(conversation_id, user_id, seq)

    def typing(self, conversation_id: int, user_id: int) -> None:
        """Somebody else is typing."""
        self.out.typing(conversation_id, user_id)

    def forget(self, conversation_id: int) -> None:
        """The user may not read this conversation any more."""
        self.out.forget(conversation_id)

    def tick(self, now: float) -> None:
        """Close a socket whose client is silent, and drop one whose client does not read."""
        if self.out.stuck_since and now - self.out.stuck_since > _STUCK:
            self._drop()
        elif now - self._heard_at > SILENCE:
            self.close(4408)

    def close(self, code: int) -> None:
        """Close the socket for this reason, once."""
        if not self._closing:
            self._closing = True
            metrics.closes.labels(str(code)).inc()
            self.out.stop()
            self._hub.spawn(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(_CLOSING):
                await self.base_send({"type": "websocket.close", "code": code})
        except Exception:
            # The client does not read, or is gone already in whatever way this server says so.
            self._drop()

    def _drop(self) -> None:
        self._dropped = True
        metrics.closes.labels("dropped").inc()
        if self._task is not None:
            self._task.cancel()
