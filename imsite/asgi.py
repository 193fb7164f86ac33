"""The web role on one port: sockets and long-polls here, every other path on the synchronous application."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
django.setup()

# Models can be imported only after setup.
from imsite.core.bridge import Bridge, Receive, Scope, Send  # noqa: E402
from imsite.wsgi import application as wsgi  # noqa: E402

bridge = Bridge(wsgi)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection, request or life of the server."""
    if scope["type"] == "http":
        await bridge(scope, receive, send)
