"""Answers HTTP on an ASGI server with the synchronous application: one hop to a fixed thread a request.

Django's own ASGI handler costs ten times as much and opens a thread, and with it a database
connection, for every request (design §10).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.urls import Resolver404

from imsite.core import envelope, handler, middleware
from imsite.core.environ import Body, Scope, environ_of
from imsite.core.errors import AppError, InvalidRequest
from imsite.core.fibers import Fibers
from imsite.core.pools import Overloaded, Pool

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
        # SQLite does its work in the process, and could not step aside.
        steps_aside = connection.vendor == "postgresql"
        self.fibers = Fibers("fiber", settings.IM_FIBERS) if steps_aside else None

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
            return await self._way(scope).run(self._call, environ_of(scope, body))
        except Overloaded as error:
            return refusal(scope, error)
        except Exception as error:
            return _broken(scope, error)

    def takes(self, scope: Scope) -> bool:
        """Say whether a request is one that `start` answers."""
        return self._way(scope) is self.fibers

    def start(self, scope: Scope, body: bytes | bytearray, tell: Callable[[Answer], None]) -> None:
        """Answer a short request whose whole body is there; `tell` gets the answer, perhaps at once."""
        assert self.fibers is not None

        def finish(answer: Answer | None, error: Exception | None) -> None:
            tell(answer or _broken(scope, error))

        most = settings.IM_MAX_BODY + 1
        try:
            environ = environ_of(scope, Body(bytes(body[:most]), len(body)))
            self.fibers.start(finish, self._call, environ)
        except Overloaded as error:
            tell(refusal(scope, error))

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

    def _way(self, scope: Scope) -> Pool | Fibers:
        """Say where a request is answered: what is short needs no thread."""
        if self.fibers and _is_short(scope):
            return self.fibers
        return self._pool(scope)

    def _pool(self, scope: Scope) -> Pool:
        return self.readers if scope["method"] in _READS else self.writers

    def _call(self, environ: dict[str, Any]) -> Answer:
        said: list[Any] = []
        written: list[bytes] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            said[:] = [status, headers]
            return written.append

        result = self.app(environ, start_response)
        if not getattr(result, "streaming", True):
            try:
                return _answer(said[0], said[1], result.content, None)
            finally:
                result.close()
        chunks = iter(result)
        rest = Rest(result, chunks)
        more = False
        try:
            body, more = _first(written, chunks)
        finally:
            if not more:
                rest.close()
        return _answer(said[0], said[1], body, rest if more else None)


def _is_short(scope: Scope) -> bool:
    """Say whether a door calls this request short."""
    try:
        view = handler.route(scope["path"]).func
    except Resolver404:
        return False
    return scope["method"] in getattr(getattr(view, "cls", view), "short", ())


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


def _broken(scope: Scope, error: Exception | None) -> Answer:
    """Return the answer to a defect of the frame around Django, which answers for its own errors."""
    log.error("the application broke", exc_info=error)
    return refusal(scope, envelope.as_app_error(error or RuntimeError()))


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
