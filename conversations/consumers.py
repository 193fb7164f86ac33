"""The socket: lets a device in, takes its frames, hands it the hub's pings (API §6)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer

from accounts import presence
from accounts.tokens import Caller
from conversations import credentials, frames
from conversations.hub import the_hub
from conversations.incoming import Incoming, Way, doors
from conversations.outgoing import Outgoing
from imsite.core import metrics, textframe
from imsite.core.envelope import as_app_error

log = logging.getLogger("imsite.socket")
# Seconds without a frame after which the client is taken for gone.
SILENCE = 75.0
# Seconds that a frame may wait for the client to read.
_STUCK = 10.0
_CLOSING = 5.0

Message = dict[str, Any]


class Socket(AsyncConsumer):  # type: ignore[misc]  # Channels has no types
    """One socket of one device; a Watcher of the hub once it is let in."""

    exact = True
    caller: Caller
    out: Outgoing
    incoming: Incoming

    def __init__(self, *, way: Way) -> None:
        """Hand messages on by `way`."""
        self._way = way
        self._let_in = False
        self._closing = False
        self._dropped = False

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
            self.caller = await doors.ask(credentials.admit, shown)
        except Exception as error:
            # There is one answer for all of them: 403.
            as_app_error(error)
            await self.base_send({"type": "websocket.close"})
            raise StopConsumer from None
        await self.base_send(
            {"type": "websocket.accept", "subprotocol": credentials.protocol(self.scope)}
        )
        self._hub = the_hub()
        link = textframe.link(self.scope)
        self.out = Outgoing(self.base_send, link.write, self._hub.pacer)
        self.incoming = Incoming(self.caller, self.out, self._way, self.close)
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
        if self._way.at_once:
            link.listen(self.incoming.take)

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
        text = message.get("text")
        await self.incoming.wait(text if text is not None else message.get("bytes") or b"")

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
        elif now - self.incoming.heard_at > SILENCE:
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
