"""The web role on one port: sockets and long-polls here, every other path on the synchronous application."""

import os
from functools import partial
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
django.setup()

# Models can be imported only after setup.
from conversations import hub, longpoll  # noqa: E402
from conversations.consumers import Socket  # noqa: E402
from conversations.incoming import Way  # noqa: E402
from imsite.core import leaving  # noqa: E402
from imsite.core.bridge import Bridge, Receive, Send  # noqa: E402
from imsite.core.environ import Scope  # noqa: E402
from imsite.wsgi import application as wsgi  # noqa: E402
from messages import frames  # noqa: E402

SOCKETS = "/ws"
bridge = Bridge(wsgi)
sync = longpoll.LongPoll(bridge)
socket = Socket.as_asgi(
    way=Way(partial(frames.send, on_loop=bridge.fibers is not None), bridge.fibers)
)
leaving.register(hub.dismiss)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection, request or life of the server."""
    kind, path = scope["type"], scope.get("path")
    if kind == "http":
        waits = path == longpoll.PATH and scope["method"] == "GET"
        await (sync if waits else bridge)(scope, receive, send)
    elif kind == "websocket" and path == SOCKETS:
        await socket(scope, receive, send)
    elif kind == "websocket":
        await receive()
        await send({"type": "websocket.close"})
    elif kind == "lifespan":
        await _live(receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Follow the server's life; the hub starts by itself, with the first socket."""
    while True:
        message: Any = await receive()
        if message["type"] == "lifespan.shutdown":
            await hub.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "lifespan.startup.complete"})
