"""Clients that cost little: HTTP/1.1 and websockets by hand, for a load generator must not measure itself.

Both speak only what the server under test says: whole answers with a length, whole text frames.
"""

import asyncio
import os
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ETAG = re.compile(rb"\r\netag: *([^\r]+)", re.IGNORECASE)
_BODILESS = frozenset({204, 304})
T = TypeVar("T")


class Refused(Exception):
    """The server did not answer as the scenario needs it."""


@dataclass(slots=True)
class Reply:
    """An answer: its status, its head as it came, its body."""

    status: int
    head: bytes
    body: bytes

    @property
    def etag(self) -> str:
        """The ETag, quotes included."""
        found = _ETAG.search(self.head)
        return found[1].decode() if found else ""


def get(path: str, *, access: str = "", etag: str = "") -> bytes:
    """Return the bytes of a GET under /api/v1."""
    more = f"Authorization: Bearer {access}\r\n" if access else ""
    more += f"If-None-Match: {etag}\r\n" if etag else ""
    return f"GET /api/v1/{path} HTTP/1.1\r\nHost: bench\r\n{more}\r\n".encode()


def post_head(path: str, *, access: str) -> bytes:
    """Return the head of a POST under /api/v1 up to where the length belongs."""
    return (
        f"POST /api/v1/{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {access}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()


def with_body(head: bytes, body: bytes) -> bytes:
    """Return a whole POST."""
    return b"%s%d\r\n\r\n%s" % (head, len(body), body)


def size(data: bytes | bytearray) -> int:
    """Return how many bytes the answer has that begins here; 0 while its head is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    found = _LENGTH.search(data, 0, end + 2)
    bodiless = int(data[9:12]) in _BODILESS
    return end + 4 + (int(found[1]) if found and not bodiless else 0)


def read(data: bytes) -> Reply:
    """Return a whole answer."""
    end = data.find(b"\r\n\r\n")
    return Reply(int(data[9:12]), data[: end + 2], data[end + 4 :])


# Who waits for an answer gets it, or why there is none.
Hear = Callable[[Reply | Exception], None]


class Connection(asyncio.Protocol):
    """A keep-alive connection, one request at a time; its answer goes to who asked."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = 0
        self._hear: Hear | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Gather an answer and hand it over when it is whole."""
        # Nearly always it comes at once.
        if not self._buffer and size(data) == len(data):
            self._tell(read(data))
            return
        self._buffer += data
        self._need = self._need or size(self._buffer)
        if self._need and len(self._buffer) >= self._need:
            whole = bytes(self._buffer[: self._need])
            self._buffer.clear()
            self._need = 0
            self._tell(read(whole))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._tell(exc or Refused("the server closed the connection"))

    def _tell(self, answer: Reply | Exception) -> None:
        hear, self._hear = self._hear, None
        if hear:
            hear(answer)

    def send(self, request: bytes, hear: Hear) -> None:
        """Send a request; its answer, or the end of the connection, goes to `hear`."""
        if self._transport.is_closing():
            hear(Refused("the server closed the connection"))
            return
        self._hear = hear
        self._transport.write(request)

    async def ask(self, request: bytes) -> Reply:
        """Send a request and return its answer."""
        waits: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.send(request, partial(settle, waits))
        return await waits

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


def settle(waits: "asyncio.Future[T]", answer: T | Exception) -> None:
    """Give who waits what there is, if they still do."""
    if waits.done():
        return
    if isinstance(answer, Exception):
        waits.set_exception(answer)
    else:
        waits.set_result(answer)


async def connect(port: int) -> Connection:
    """Open a connection to the server under test."""
    _, link = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return link


def check(reply: Reply, *statuses: int) -> Reply:
    """Return the reply if its status is one of those expected."""
    if reply.status not in statuses:
        raise refusal(reply)
    return reply


def refusal(reply: Reply) -> Refused:
    """Return what to raise for an answer that was not expected."""
    return Refused(f"{reply.status}: {reply.body[:300].decode(errors='replace')}")


class Socket(asyncio.Protocol):
    """A websocket; each text frame goes to `on_frame`."""

    def __init__(self, on_frame: Callable[["Socket", bytes], None]) -> None:
        self.on_frame = on_frame
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.close_code: int | None = None
        self.lost: asyncio.Event = asyncio.Event()
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Finish the handshake, then hand frames over."""
        # Nearly always one short text that came alone.
        if not self._buffer and data[0] == 0x81 and len(data) == data[1] + 2 < 128:
            self.on_frame(self, data[2:])
            return
        self._buffer += data
        if not self.opened.done() and not self._shake_hands():
            return
        while frame := self._frame():
            opcode, payload = frame
            if opcode == 1:
                self.on_frame(self, payload)
            elif opcode == 8:
                self.close_code = int.from_bytes(payload[:2], "big")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over."""
        self.lost.set()
        if not self.opened.done():
            self.opened.set_exception(Refused("the server refused the socket"))

    def _shake_hands(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end]).split(b"\r\n")[0]
        del self._buffer[: end + 4]
        if b" 101 " not in line + b" ":
            self.opened.set_exception(Refused(f"no sockets here: {line.decode()}"))
            self.transport.close()
            return False
        self.opened.set_result(None)
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """Cut the next whole frame off the buffer."""
        have = self._buffer
        if len(have) < 2:
            return None
        size, start = have[1] & 127, 2
        if size > 125:
            start = 4 if size == 126 else 10
            if len(have) < start:
                return None
            size = int.from_bytes(have[2:start], "big")
        if len(have) < start + size:
            return None
        frame = have[0] & 15, bytes(have[start : start + size])
        del have[: start + size]
        return frame

    async def until(self, event: asyncio.Event, seconds: float = 30.0) -> None:
        """Wait for an event; Refused if the server closes the socket first, or nothing happens."""
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self.lost)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        if not event.is_set():
            how = f"closed {self.close_code}" if self.lost.is_set() else "silent"
            raise Refused(f"a socket was {how}")

    def send(self, text: bytes) -> None:
        """Send a text frame of less than 64 KiB (its mask is zero, which masks nothing)."""
        size = len(text)
        head = b"\x81%c" % (128 | size) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        self.transport.write(head + b"\0\0\0\0" + text)

    def close(self) -> None:
        """Leave without a word, as phones do."""
        self.transport.close()


async def open_socket(
    port: int, on_frame: Callable[[Socket, bytes], None], *, access: str = "", path: str = "/ws"
) -> Socket:
    """Open a websocket; Refused if the server does not."""
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(lambda: Socket(on_frame), "127.0.0.1", port)
    key = b64encode(os.urandom(16)).decode()
    bearer = f"Authorization: Bearer {access}\r\n" if access else ""
    link.transport.write(
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{bearer}\r\n".encode()
    )
    await link.opened
    return link
