"""The server under test: the site as it is served, and beside it sockets without anything to them.

`/bare/ws` keeps whoever connects; a GET of `/bare/fan` sends one frame to all that connected to the same
process: the ceiling of pings, on the same server and event loop.
"""

import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from imsite import serve

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_FRAME = {"type": "websocket.send", "text": '{"t":"seq","c":[[1000,100000]]}'}
_connected: set[Send] = set()
_site: list[Any] = []


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer bare paths at once and hand everything else to the site."""
    match scope.get("path"):
        case "/bare/ws":
            await _keep(receive, send)
        case "/bare/fan":
            await _fan(send)
        case _:
            await _site[0](scope, receive, send)


async def _keep(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    _connected.add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        _connected.discard(send)


async def _fan(send: Send) -> None:
    for each in list(_connected):
        await each(_FRAME)
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def main() -> int:
    """Serve on PORT, as the ws role does, with as many processes."""
    # Imported only now: they read the settings.
    from django.conf import settings

    from imsite.roles import crew

    return crew.run("ws", "bench.app", settings.IM_WS_WORKERS)


def work(listener: socket.socket) -> None:
    """Serve on a listening socket until SIGTERM."""
    serve.warm_up()
    from imsite.asgi import application as site

    _site.append(site)
    config = serve.config()
    config.app = application
    serve.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(socket.socket(fileno=int(sys.argv[1])))
    else:
        sys.exit(main())
