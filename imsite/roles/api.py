"""The api role: processes that share one port, each answering on its event loop.

`IM_API_SERVER=granian` serves the same application with threads instead (roles/threaded.py).
"""

import logging
import logging.config
import os
import signal
import socket
import sys
import time
from importlib import import_module
from types import FrameType

from django.conf import settings

from imsite import processes, serve, supervise
from imsite.processes import Child

# Seconds that a process has to answer what is in flight after SIGTERM; it takes ten itself.
PATIENCE = 12.0


class Crew:
    """The processes of the role."""

    def __init__(self, listeners: list[socket.socket]) -> None:
        self._leaving = False
        self._listeners = listeners
        self._workers = []
        for n, listener in enumerate(listeners, 1):
            number = listener.fileno()
            command = [sys.executable, "-m", "imsite.roles.api", str(number)]
            self._workers.append(Child(f"api-{n}", command, pass_fds=[number]))

    def run(self) -> None:
        """Keep all running until SIGTERM; then let them end what they do, and return."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._leave)
        while not self._leaving:
            for worker in self._workers:
                worker.tend(now=time.monotonic())
            time.sleep(supervise.TICK)
        # Who connects from now on is refused, and goes elsewhere.
        for listener in self._listeners:
            listener.close()
        processes.end(self._workers, patience=PATIENCE)

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        self._leaving = True


def listen(count: int) -> list[socket.socket]:
    """Return a socket for each process; the kernel deals connections out to them evenly.

    From a single one whoever wakes first takes most: of 64 connections 16 and 48. They are ours, not the
    processes': while one is started again who connected to it waits.
    """
    first = supervise.listen(settings.IM_HOST, settings.PORT)
    if sys.platform != "linux":
        return [first] * count
    # It said that nobody else is there; shared ports would not.
    first.close()
    address = (settings.IM_HOST, settings.PORT)
    return [
        socket.create_server(address, family=first.family, backlog=2048, reuse_port=True)
        for _ in range(count)
    ]


def main() -> int:
    """Serve on IM_HOST and PORT until SIGTERM; then answer what is in flight and return."""
    if settings.IM_API_SERVER == "granian":
        code: int = import_module("imsite.roles.threaded").main()
        return code
    logging.config.dictConfig(settings.LOGGING)
    try:
        listeners = listen(settings.IM_API_WORKERS)
    except supervise.CannotStart as error:
        print(f"imsite: {error}", file=sys.stderr)
        return 1
    Crew(listeners).run()
    return 0


def work(listener: socket.socket) -> None:
    """Answer what comes in on a listening socket until SIGTERM."""
    serve.warm_up()
    serve.serve_uvicorn(listener, application="imsite.roles.queries:application")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
    work(socket.socket(fileno=int(sys.argv[1])))
