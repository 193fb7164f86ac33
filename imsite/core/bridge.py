"""Answers HTTP on an ASGI server with the synchronous application: one hop to a fixed thread a request.

Django's own ASGI handler costs ten times as much and opens a thread, and with it a database
connection, for every request (design §10).
"""

import asyncio
import io
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.http import HttpResponse

from imsite.core import envelope, middleware
from imsite.core.errors import AppError, InvalidRequest
from imsite.core.pools import Overloaded, Pool

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("imsite.bridge")
API = "/api/"
# Bytes of a body that are read to their end, so that a client hears the refusal of what is too large.
_MOST_READ = 8 * 2**20
# Seconds that a body may take to come.
_BODY_TIMEOUT = 60.0
# Bytes of an answer that are joined before any of it is sent.
_PART = 2**20
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_BODILESS = frozenset({204, 304})


class Gone(Exception):
    """The client left before it had said everything."""


class Slow(InvalidRequest):
    """The body did not come in time."""


@dataclass(slots=True)
class Body:
    """What was read of a request's body, and how long all of it is."""

    kept: bytes = b""
    length: int = 0


@dataclass(slots=True)
class Answer:
    """A response: headers as ASGI wants them, and what follows when the body is long."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: "Rest | None" = None

    def take(self, name: bytes) -> bytes | None:
        """Remove a header and return its value."""
        for header in self.headers:
            if header[0] == name:
                self.headers.remove(header)
                return header[1]
        return None


class Rest:
    """The chunks of a long body that are not sent yet."""

    def __init__(self, result: Any, chunks: Iterator[bytes]) -> None:
        self._result = result
        self._chunks = chunks

    def part(self) -> bytes:
        """Return the next chunks; nothing at the end."""
        found = bytearray()
        for chunk in self._chunks:
            found += chunk
            if len(found) >= _PART:
                break
        return bytes(found)

    def close(self) -> None:
        """Let the application go."""
        if hasattr(self._result, "close"):
            self._result.close()


class Bridge:
    """A WSGI application as an ASGI one; reads and writes have threads of their own."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.readers = Pool("read", settings.IM_READ_THREADS)
        self.writers = Pool("write", settings.IM_WRITE_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = Body() if scope["method"] in _READS else await _read(scope, receive)
        except Gone:
            return
        except Slow as error:
            await self.deliver(scope, refusal(scope, error), send)
            return
        await self.deliver(scope, await self.ask(scope, body), send)

    async def ask(self, scope: Scope, body: Body) -> Answer:
        """Return what the application answers; a refusal in the envelope if too many wait."""
        try:
            return await self._pool(scope).run(self._call, environ_of(scope, body))
        except Overloaded as error:
            return refusal(scope, error)
        except Exception as error:
            # Django answers for its own errors; what comes out here is a defect of the frame around it.
            log.exception("the application broke")
            return refusal(scope, envelope.as_app_error(error))

    async def deliver(self, scope: Scope, answer: Answer, send: Send) -> None:
        """Send an answer; a long one goes part by part."""
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.headers,
            }
        )
        bare = scope["method"] == "HEAD" or answer.status in _BODILESS
        body = b"" if bare else answer.body
        if answer.rest is None:
            await send({"type": "http.response.body", "body": body})
            return
        try:
            while body:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                body = await self._pool(scope).run(answer.rest.part)
            await send({"type": "http.response.body", "body": b""})
        finally:
            answer.rest.close()

    def _pool(self, scope: Scope) -> Pool:
        return self.readers if scope["method"] in _READS else self.writers

    def _call(self, environ: dict[str, Any]) -> Answer:
        said: list[Any] = []
        written: list[bytes] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            said[:] = [status, headers]
            return written.append

        result = self.app(environ, start_response)
        chunks = iter(result)
        rest = Rest(result, chunks)
        more = False
        try:
            body, more = _first(written, chunks)
        finally:
            if not more:
                rest.close()
        return _answer(said[0], said[1], body, rest if more else None)


def _first(parts: list[bytes], chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return the beginning of a body, and whether there may be more."""
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= _PART:
            return b"".join(parts), True
    return b"".join(parts), False


def _answer(status: str, headers: Any, body: bytes, rest: Rest | None) -> Answer:
    found = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    code = int(status[:3])
    has_length = any(name == b"content-length" for name, _ in found)
    if rest is None and code not in _BODILESS and not has_length:
        found.append((b"content-length", b"%d" % len(body)))
    return Answer(code, found, body, rest)


def refusal(scope: Scope, error: AppError) -> Answer:
    """Return an error as the application would have answered it."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    request_id = middleware.request_id(given.decode("latin-1"))
    found: HttpResponse = envelope.failure(SimpleNamespace(request_id=request_id), error)
    found.headers["X-Request-Id"] = request_id
    return _answer(str(found.status_code), found.items(), found.content, None)


async def _read(scope: Scope, receive: Receive) -> Body:
    """Return the body, kept only as far as its size does not already refuse it."""
    most = settings.IM_MAX_BODY + 1 if scope["path"].startswith(API) else _MOST_READ
    claimed = _claimed(scope)
    if claimed > _MOST_READ:
        return Body(length=claimed)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            return await _collect(receive, most)
    except TimeoutError:
        raise Slow from None


async def _collect(receive: Receive, most: int) -> Body:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole = bytes(message.get("body", b""))
        return Body(whole[:most], len(whole))
    kept = bytearray()
    length = 0
    while True:
        if message["type"] != "http.request":
            raise Gone
        chunk = message.get("body", b"")
        length += len(chunk)
        kept += chunk[: most - len(kept)]
        if not message.get("more_body") or length > _MOST_READ:
            return Body(bytes(kept), length)
        message = await receive()


def _claimed(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def environ_of(scope: Scope, body: Body) -> dict[str, Any]:
    """Return the WSGI environment of a request."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    root: str = scope.get("root_path", "")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _unquoted(root.encode()),
        "PATH_INFO": _unquoted(raw_path.removeprefix(root.encode())),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "CONTENT_LENGTH": str(body.length),
        "SERVER_NAME": server[0] or "localhost",
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body.kept),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        # Told by who stands in front of us, never by a client: names of headers begin with HTTP_.
        "imsite.waits": scope.get("imsite.waits", False),
    }
    _add_headers(environ, scope["headers"])
    return environ


def _unquoted(raw_path: bytes) -> str:
    return (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")


def _add_headers(environ: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        name = _name(raw_name)
        if name is None:
            continue
        value = raw_value.decode("latin-1")
        if name in environ:
            value = environ[name] + (";" if name == "HTTP_COOKIE" else ",") + value
        environ[name] = value


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str | None:
    """Return a header's name in WSGI, or None for one that must not pass.

    The length is stated by who read the body; a name with an underscore could pose as another.
    """
    if b"_" in raw or raw.lower() in (b"content-length", b"transfer-encoding"):
        return None
    name = raw.decode("latin-1").upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else "HTTP_" + name
