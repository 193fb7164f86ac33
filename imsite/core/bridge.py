"""From ASGI to the synchronous application: one hop to a fixed thread, no more (design §10).

Django's own ASGI handler opens a thread, and with it a database connection, for every request. Here
a request is read whole, answered by a thread of a fixed pool, and sent: pulls and sends have a pool
each, since a send sleeps until its commit.
"""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Wsgi = Callable[..., Iterable[bytes]]

# What is read and thrown away of a body that is too large, so that its sender reads our answer.
_DRAIN = 8 * 2**20
# Requests that may wait for a thread; beyond, waiting would only make every answer late.
_QUEUE = 1000


class Gone(Exception):
    """The client went before its request was read."""


@dataclass(slots=True)
class Answer:
    """What the application answered."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes:
        """Return the first value of a header, named in lower case; empty if it is not there."""
        return next((value for key, value in self.headers if key.lower() == name), b"")


class Pool:
    """Threads, and how many requests are in or before them."""

    def __init__(self, name: str, threads: int) -> None:
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.busy = 0

    async def run(self, call: Callable[..., Answer], *args: Any) -> Answer | None:
        """Run in a thread; None at once if too many wait."""
        if self.busy >= _QUEUE:
            return None
        self.busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.executor, call, *args)
        finally:
            self.busy -= 1


class Bridge:
    """An ASGI application for HTTP that hands each request to a WSGI application."""

    def __init__(self, wsgi: Wsgi, *, readers: int, writers: int, body_limit: int) -> None:
        self.wsgi = wsgi
        self.body_limit = body_limit
        self.readers = Pool("read", readers)
        self.writers = Pool("write", writers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body, length = await self.read(receive)
        except Gone:
            return
        await reply(send, await self.answer(scope, body, length))

    async def answer(self, scope: Scope, body: bytes = b"", length: int = 0) -> Answer:
        """Return the application's answer to a request whose body was read."""
        pool = self.readers if scope["method"] in ("GET", "HEAD", "OPTIONS") else self.writers
        found = await pool.run(self.call, environ(scope, body, length))
        return found or overloaded()

    async def read(self, receive: Receive) -> tuple[bytes, int]:
        """Return the body, cut behind the limit, and how long it really was."""
        parts: list[bytes] = []
        length = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise Gone
            part = event.get("body", b"")
            if length <= self.body_limit:
                parts.append(part)
            length += len(part)
            if not event.get("more_body", False) or length > _DRAIN:
                return b"".join(parts)[: self.body_limit + 1], length

    def call(self, variables: dict[str, Any]) -> Answer:
        """Run the application in this thread."""
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            told[:] = [status, headers]

        result = self.wsgi(variables, start)
        try:
            body = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        status, headers = told
        pairs = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers]
        return Answer(int(status[:3]), pairs, body)


def environ(scope: Scope, body: bytes, length: int) -> dict[str, Any]:
    """Return the WSGI environment of an ASGI request."""
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    raw_path = scope.get("raw_path") or scope["path"].encode()
    variables = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": unquote_to_bytes(raw_path.partition(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        _add_header(variables, name.decode("latin-1"), value.decode("latin-1"))
    variables["CONTENT_LENGTH"] = str(length)
    return variables


def _add_header(variables: dict[str, Any], name: str, value: str) -> None:
    if "_" in name:
        # X_Request_Id would stand for X-Request-Id: what no proxy checks must not pass as it.
        return
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    joint = "; " if key == "HTTP_COOKIE" else ","
    variables[key] = f"{variables[key]}{joint}{value}" if key in variables else value


def overloaded() -> Answer:
    """Return the refusal for when no thread will be free soon: made without one."""
    body = orjson.dumps(
        {
            "code": 50300,
            "error": "unavailable",
            "message": "The server is overloaded; try again soon.",
            "data": {"retry_after_ms": 1000},
            "request_id": "",
        }
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"private, no-store"),
        (b"retry-after", b"1"),
    ]
    return Answer(503, headers, body)


async def reply(send: Send, answer: Answer) -> None:
    """Send an answer."""
    start = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
