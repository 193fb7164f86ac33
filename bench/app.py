"""The server under test: the site as it is served, and beside it sockets without anything to them.

`/bare/ws` keeps whoever connects; a GET of `/bare/fan` sends all of them one frame: the ceiling of
pings, on the same server and event loop.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

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


def main() -> None:
    """Serve on PORT, as `imsite.serve` does."""
    serve.warm_up()
    # Imported only now: it reads the settings.
    from django.conf import settings

    from imsite.asgi import application as site

    _site.append(site)
    config = serve.config(host="127.0.0.1", port=settings.PORT)
    config.app = application
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
