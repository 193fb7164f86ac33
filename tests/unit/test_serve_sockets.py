"""Sockets of uvicorn as we run it: texts and frames that go past its events keep their order."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from websockets.frames import Frame, Opcode

from conversations.outgoing import Outgoing
from conversations.pacing import Pacer
from imsite import serve
from imsite.core import textframe
from imsite.core.textframe import TextFrame


class Site:
    """An application whose sockets say, and take, what the test has them, on uvicorn as we run it."""

    def __init__(self) -> None:
        self.outs: list[Outgoing] = []
        self.writes: list[bool] = []
        self.takes: Callable[[str], bool] | None = None
        # What came, by either way, and how many were taken.
        self.came: list[str | bytes] = []
        self.taken = 0

    def take(self, text: str) -> bool:
        if self.takes is None or not self.takes(text):
            return False
        self.taken += 1
        self.came.append(text)
        return True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        link = textframe.link(scope)
        write = link.write

        def noted(frame: bytes) -> bool:
            self.writes.append(write(frame))
            return self.writes[-1]

        out = Outgoing(send, noted, Pacer())
        self.outs.append(out)
        out.begin(TextFrame(b"hello"))
        link.listen(self.take)
        while (message := await receive())["type"] != "websocket.disconnect":
            self.came.append(message.get("text") or message.get("bytes"))
            await asyncio.sleep(0)
        self.writes.append(write(b"\x81\0"))
        out.stop()


@pytest.fixture
async def site():
    return Site()


@pytest.fixture
async def port(site):
    config = serve.config(port=0)
    config.app, config.lifespan = site, "off"
    config.configure_logging = lambda: None
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.force_exit = True
    await server.shutdown()


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_real_client_that_does_not_read_stops_us_and_then_gets_all(site, port):
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=link, limit=2**10)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(7) == TextFrame(b"hello").wire
    [out] = site.outs
    text, count = b"x" * 60_000, 0
    while not out.stuck_since:
        out.owe()
        out.answer(TextFrame(b"%04d" % count + text))
        count += 1
        await asyncio.sleep(0)
    assert count < 1000, "somebody buffers without bound"
    assert site.writes.count(False) == 1
    for n in range(count):
        frame = TextFrame(b"%04d" % n + text).wire
        assert await asyncio.wait_for(reader.readexactly(len(frame)), 5) == frame
    out.owe()
    out.answer(TextFrame(b"once more"))
    assert await reader.readexactly(11) == TextFrame(b"once more").wire
    writer.close()


async def test_nothing_is_written_to_a_socket_that_is_gone(site, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(7)
    writer.transport.abort()
    for _ in range(200):
        if len(site.writes) == 2:
            break
        await asyncio.sleep(0.01)
    assert site.writes == [True, False]


def _client_frame(payload: bytes, *, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


@pytest.mark.parametrize("every", [1, 2, 5, 1000])
async def test_what_is_taken_and_what_is_queued_come_in_the_order_in_which_it_was_said(
    site, port, every
):
    count = 0

    def takes(text: str) -> bool:
        nonlocal count
        count += 1
        return count % every != 0

    site.takes = takes
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(7)
    said: list[str | bytes] = []
    for n in range(300):
        if n % 17 == 0:
            said.append(b"%d" % n)
            writer.write(_client_frame(b"%d" % n, opcode=Opcode.BINARY))
        elif n % 23 == 0:
            said.append(f"é{n}")
            whole = f"é{n}".encode()
            # Cut within a letter.
            writer.write(_client_frame(whole[:1], fin=False))
            writer.write(_client_frame(whole[1:], opcode=Opcode.CONT))
        else:
            said.append(f"ü{n}")
            writer.write(_client_frame(f"ü{n}".encode()))
        if n % 29 == 0:
            await asyncio.sleep(0.01)
    for _ in range(300):
        if len(site.came) == len(said):
            break
        await asyncio.sleep(0.01)
    assert site.came == said
    assert (site.taken == 0) == (every == 1)
    # Not a letter: the library's refusal, whoever listens.
    writer.write(_client_frame(b"\xff"))
    assert (await reader.readexactly(4))[2:] == (1007).to_bytes(2, "big")
    writer.close()
