"""The application of the api role: HTTP alone, all of it over the bridge."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
django.setup()

# Models can be imported only after setup.
from imsite.core.bridge import Bridge, Receive, Send  # noqa: E402
from imsite.core.environ import Scope  # noqa: E402
from imsite.wsgi import application as wsgi  # noqa: E402

bridge = Bridge(wsgi)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request that is not answered straight; sockets are for the ws role."""
    if scope["type"] == "http":
        await bridge(scope, receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})


# What is short is answered without this function (imsite/straight.py).
application.bridge = bridge  # type: ignore[attr-defined]
