"""The api role with threads: the synchronous application on granian, processes × fixed threads."""

import os
import signal
import sys
from multiprocessing import parent_process
from typing import Any

from django.conf import settings
from django.urls import get_resolver
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from granian.server.common import AbstractServer

from imsite import processes
from imsite.core import handler
from imsite.roles.front import App, Front

# Seconds that requests in flight have to be answered after SIGTERM.
PATIENCE = 10
# Seconds after which an idle thread goes, and its database connection with it: the most there can be.
IDLE = 600
# Bytes of request line and headers; browsers stay below 16 KiB.
MAX_HEAD = 65_536
# Milliseconds that a connection may take to send them.
HEAD_TIMEOUT = 20_000


def load() -> App:
    """Return the application, in a process that ends with its parent and has imported every door."""
    # Until granian has its own handler, the parent's, which only takes notes, would swallow it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Workers that outlive a killed parent would go on serving, with old code and on the same port.
    processes.die_with_parent(signal.SIGTERM)
    if (parent := parent_process()) is None or parent.pid != os.getppid():
        sys.exit(1)
    application = handler.application()
    get_resolver().url_patterns  # noqa: B018 - reading it imports every door
    processes.settle()
    return Front(application)


def server() -> AbstractServer[Any]:
    """Return how we run granian."""
    return Server(
        "imsite.wsgi:application",
        address=settings.IM_HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=settings.IM_API_WORKERS,
        blocking_threads=settings.IM_API_THREADS,
        blocking_threads_idle_timeout=IDLE,
        # Granian counts connections here, idle ones too: as few as there are threads would let a few
        # clients who keep theirs shut out all others.
        backpressure=settings.IM_API_CONNECTIONS,
        backlog=2048,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEAD_TIMEOUT, max_buffer_size=MAX_HEAD, keep_alive=True
        ),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=PATIENCE,
        # Its warnings are of the number of threads, which are meant.
        log_level=LogLevels.error,
    )


def main() -> int:
    """Serve on IM_HOST and PORT until SIGTERM; then answer what is in flight and return."""
    server().serve(target_loader=load, wrap_loader=False)
    return 0
