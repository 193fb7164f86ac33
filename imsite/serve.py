"""The web process: uvicorn with our limits, or daphne, on an address of its own or a socket handed over."""

import asyncio
import os
import secrets
import socket
import sys
from http import HTTPStatus
from importlib import import_module
from typing import Any

import django
import httptools
import orjson
import uvicorn
from django.conf import settings
from django.urls import get_resolver
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from imsite import processes
from imsite.core import leaving
from imsite.core.errors import Code
from imsite.serve_sockets import FramedSocket

# Bytes of request line and headers; browsers stay below 16 KiB.
MAX_HEAD = 65_536
# Seconds a connection may take to say what it wants.
HEAD_TIMEOUT = 20.0
# The contract refuses frames above 32 KiB with our own close code; this is for those far beyond.
MAX_FRAME = 65_536


# The application with sockets and all; its lifespan is followed, others have none.
SITE = "imsite.asgi:application"


class BoundedHttp(HttpToolsProtocol):
    """HTTP that gives up on heads without end: uvicorn itself would keep them all in memory."""

    _head = 0
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Count a new head."""
        self._in_head, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Leave the body to the application's own limit."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse, then count what still belongs to an unfinished head."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > MAX_HEAD:
            self.send_400_response("The request head is too large.")
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._late)

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser cannot read, in the envelope: it may have been meant for the API."""
        unknown = isinstance(sys.exc_info()[1], httptools.HttpParserInvalidMethodError)
        code = Code.METHOD_NOT_ALLOWED if unknown else Code.INVALID_REQUEST
        self.transport.write(_refusal(code, msg))
        self.transport.close()

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


def _refusal(code: Code, message: str) -> bytes:
    """Return a whole answer; the path is not known, so all methods of the API are named."""
    request_id = secrets.token_hex(8)
    said = {"code": code.value, "error": code.slug, "message": message, "data": None}
    body = orjson.dumps(said | {"request_id": request_id})
    head = [
        f"HTTP/1.1 {code.status} {HTTPStatus(code.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "cache-control: private, no-store",
        f"x-request-id: {request_id}",
        "connection: close",
    ]
    if code is Code.METHOD_NOT_ALLOWED:
        head.append("allow: GET, POST, HEAD, OPTIONS")
    return "\r\n".join([*head, "", ""]).encode() + body


class Server(uvicorn.Server):
    """A server that does not wait for requests which wait themselves."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Have them answered, then leave."""
        leaving.begin()
        await super().shutdown(sockets)


def config(application: str = SITE, **more: Any) -> uvicorn.Config:
    """Return how we run uvicorn."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http="imsite.straight:StraightHttp",
        ws=FramedSocket,
        ws_max_size=MAX_FRAME,
        # Our own heartbeat tells the client apart from its proxy; deflate costs 60 KiB a socket.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        # core.limits reads X-Forwarded-For itself and believes only IM_TRUSTED_PROXIES of them.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        # Its INFO lines quote socket addresses, tickets included.
        log_level="warning",
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        **more,
    )


def warm_up() -> None:
    """Import all that a request will need; nothing of it may touch the database yet."""
    django.setup()
    get_resolver().url_patterns  # noqa: B018 - reading it imports every door
    processes.settle()


def serve_uvicorn(listener: socket.socket | None, *, application: str = SITE) -> None:
    """Serve with uvicorn on a listening socket, else on IM_HOST and PORT, until SIGTERM."""
    if listener is None:
        Server(config(application, host=settings.IM_HOST, port=settings.PORT)).run()
    else:
        Server(config(application)).run(sockets=[listener])


def serve(listener: socket.socket | None = None) -> None:
    """Serve on a listening socket, else on IM_HOST and PORT, with the server of IM_ASGI_SERVER."""
    if settings.IM_ASGI_SERVER == "daphne":
        # Named, not imported: it brings Twisted, and an event loop of its own.
        import_module("imsite.serve_daphne").serve_daphne(listener)
    else:
        serve_uvicorn(listener)


def main() -> None:
    """Serve on the listening socket whose number is the first argument, else on IM_HOST and PORT.

    A second argument is the number of a pipe whose other end closes when the database is ready.
    """
    warm_up()
    numbers = [int(each) for each in sys.argv[1:]]
    if len(numbers) > 1:
        os.read(numbers[1], 1)
    serve(socket.socket(fileno=numbers[0]) if numbers else None)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
    main()
