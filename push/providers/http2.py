"""POST over HTTP/2, as Apple wants it: one connection that many calls share.

On h2 itself. With httpx a call costs several times as much, and one that was given up stays open at
the other side, until a hundred of those block the connection.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
from django.conf import settings

from push.providers.base import PushFailed
from push.providers.http import LONGEST_ANSWER, Answer, trusted, unreachable

Head = list[tuple[str, str]]

# Seconds after which a connection that said nothing is taken for dead: firewalls forget it.
_IDLE = 240.0
# Calls at once, if the other side allows as many.
_STREAMS = 500


class Http2:
    """The connection of one provider, made anew when it ends; to be used on one loop."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()
        self._context = trusted()
        self._context.set_alpn_protocols(["h2"])

    async def post(self, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Return what is answered, whatever its status; raise PushFailed if nothing is."""
        parts = urlsplit(url)
        connection = await self._opened(parts.hostname or "", parts.port or 443)
        pseudo = {"method": "POST", "scheme": "https", "authority": parts.netloc}
        head = [(f":{name}", value) for name, value in pseudo.items()]
        head += [(":path", parts.path), *headers.items(), ("content-length", str(len(body)))]
        return await connection.ask(head, body)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.end("closed")

    async def _opened(self, host: str, port: int) -> "Connection":
        async with self._opening:
            if self._connection is None or not self._connection.usable:
                if self._connection is not None:
                    self._connection.retire()
                self._connection = await self._open(host, port)
            return self._connection

    async def _open(self, host: str, port: int) -> "Connection":
        try:
            async with asyncio.timeout(settings.IM_PUSH_TIMEOUT / 2):
                _, found = await asyncio.get_running_loop().create_connection(
                    Connection, host, port, ssl=self._context
                )
            return found
        except (OSError, TimeoutError) as error:
            raise unreachable(error) from None


@dataclass(eq=False, slots=True)
class _Call:
    head: Head
    body: bytes
    answer: "asyncio.Future[Answer]"
    stream: int = 0
    sent_at: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    said: bytearray = field(default_factory=bytearray)


class Connection(asyncio.Protocol):
    """One connection; calls wait in turn where the other side allows no more at once."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._waiting: deque[_Call] = deque()
        self._calls: dict[int, _Call] = {}
        self._heard_at = time.monotonic()
        # Until the other side has said how many calls it allows at once, none is made.
        self._allowed = 0
        self._ended = self._retired = False

    @property
    def usable(self) -> bool:
        """Whether calls can be made on it."""
        fresh = bool(self._calls) or time.monotonic() - self._heard_at < _IDLE
        return fresh and not self._ended

    async def ask(self, head: Head, body: bytes) -> Answer:
        """Return what is answered; raise PushFailed if the connection ends before."""
        if self._ended:
            raise PushFailed("no answer: the connection ended", unwell=True)
        call = _Call(head, body, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        self._pump()
        try:
            return await call.answer
        except asyncio.CancelledError:
            self._give_up(call)
            raise

    def retire(self) -> None:
        """Take no more calls, and end when those under way have."""
        self._retired = True
        if not self._calls and not self._waiting:
            self.end("retired")

    def end(self, why: str) -> None:
        """Close it; what has no answer gets none."""
        if not self._ended:
            self._ended = True
            self._transport.close()
        for call in [*self._calls.values(), *self._waiting]:
            if not call.answer.done():
                call.answer.set_exception(PushFailed(f"no answer: {why}", unwell=True))
        self._calls.clear()
        self._waiting.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        self.end("the connection ended")

    def data_received(self, data: bytes) -> None:
        """Take what the other side says."""
        self._heard_at = time.monotonic()
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
            self._pump()
        except h2.exceptions.ProtocolError:
            self.end("HTTP/2 was broken")
        if self._retired and not self._calls:
            self.end("retired")

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._allowed = min(self._h2.remote_settings.max_concurrent_streams, _STREAMS)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.end("the server leaves")
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._hear(event)
        elif isinstance(event, h2.events.ResponseReceived):
            if call := self._calls.get(event.stream_id):
                call.headers = {str(name): str(value) for name, value in event.headers}
                call.status = int(call.headers.pop(":status"))
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            self._finish(event)

    def _hear(self, event: h2.events.DataReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.said += event.data[: LONGEST_ANSWER - len(call.said)]

    def _finish(self, event: h2.events.StreamEnded | h2.events.StreamReset) -> None:
        call = self._calls.pop(event.stream_id, None)
        if call is None or call.answer.done():
            return
        if isinstance(event, h2.events.StreamReset):
            call.answer.set_exception(PushFailed("no answer: refused", unwell=True))
        else:
            call.answer.set_result(Answer(call.status, call.headers, bytes(call.said)))

    def _give_up(self, call: _Call) -> None:
        """Forget a call; the whole connection if nothing was heard since it was made."""
        if call in self._waiting:
            self._waiting.remove(call)
        if self._calls.pop(call.stream, None) and not self._ended:
            if self._heard_at < call.sent_at:
                self.end("the connection fell silent")
                return
            self._h2.reset_stream(call.stream, h2.errors.ErrorCodes.CANCEL)
            self._pump()

    def _pump(self) -> None:
        """Send what waits, as much as is allowed."""
        while self._waiting and not self._ended and self._has_room(len(self._waiting[0].body)):
            call = self._waiting.popleft()
            call.stream, call.sent_at = self._h2.get_next_available_stream_id(), time.monotonic()
            self._calls[call.stream] = call
            self._h2.send_headers(call.stream, call.head)
            self._h2.send_data(call.stream, call.body, end_stream=True)
        self._flush()

    def _has_room(self, size: int) -> bool:
        window = min(
            self._h2.outbound_flow_control_window, self._h2.remote_settings.initial_window_size
        )
        return len(self._calls) < self._allowed and size <= window

    def _flush(self) -> None:
        if said := self._h2.data_to_send():
            self._transport.write(said)
