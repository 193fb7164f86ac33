"""A small, fast HTTP/1.1 server for stand-ins: a function answers, or hangs, closes, drips."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import httptools


@dataclass
class Request:
    """What was asked; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query, the last of each name."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class Reply:
    """What to answer, and how (`Order.how`)."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "answer"

    def raw(self) -> bytes:
        """Return it as it goes over the line."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


Handler = Callable[[Request], Reply]


class _Exchange(asyncio.Protocol):
    def __init__(self, handler: Handler, opened: Callable[[], None]) -> None:
        self._handler, self._opened = handler, opened
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._opened()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", {}, []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        asked = Request(method, self._target.decode(), self._headers, b"".join(self._body))
        reply = self._handler(asked)
        if reply.how == "answer":
            self._transport.write(reply.raw())
        elif reply.how in ("close", "leave"):
            self._transport.close()
        elif reply.how == "drip":
            self._drip(reply.raw())

    def _drip(self, left: bytes) -> None:
        if left and not self._transport.is_closing():
            self._transport.write(left[:1])
            asyncio.get_running_loop().call_later(0.1, self._drip, left[1:])


async def listen(
    handler: Handler,
    *,
    tls: ssl.SSLContext | None = None,
    opened: Callable[[], None] = lambda: None,
) -> int:
    """Serve on a free port of this machine; return the port."""
    server = await asyncio.get_running_loop().create_server(
        lambda: _Exchange(handler, opened), "127.0.0.1", 0, ssl=tls, backlog=512
    )
    return int(server.sockets[0].getsockname()[1])
