"""The api role: processes that share one port, each answering on its event loop.

`IM_API_SERVER=granian` serves the same application with threads instead (roles/threaded.py).
"""

import os
import socket
import sys
from importlib import import_module

from django.conf import settings

from imsite import serve
from imsite.roles import crew


def main() -> int:
    """Serve on IM_HOST and PORT until SIGTERM; then answer what is in flight and return."""
    if settings.IM_API_SERVER == "granian":
        code: int = import_module("imsite.roles.threaded").main()
        return code
    return crew.run("api", "imsite.roles.api", settings.IM_API_WORKERS)


def work(listener: socket.socket) -> None:
    """Answer what comes in on a listening socket until SIGTERM."""
    serve.warm_up()
    serve.serve_uvicorn(listener, application="imsite.roles.queries:application")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
    work(socket.socket(fileno=int(sys.argv[1])))
