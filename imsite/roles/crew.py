"""The processes of a role: they share one port, are started again when they end, and leave together."""

import logging.config
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

from django.conf import settings

from imsite import processes, supervise
from imsite.processes import Child

# Seconds that a process has to answer what is in flight after SIGTERM; it takes ten itself.
PATIENCE = 12.0


class Crew:
    """The processes of a role, one for each listening socket."""

    def __init__(self, name: str, module: str, listeners: Sequence[socket.socket]) -> None:
        self._leaving = False
        self._listeners = listeners
        self._workers = []
        for n, listener in enumerate(listeners, 1):
            number = listener.fileno()
            command = supervise.python(module, str(number))
            self._workers.append(Child(f"{name}-{n}", command, pass_fds=[number]))

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


def run(name: str, module: str, count: int) -> int:
    """Serve on IM_HOST and PORT until SIGTERM with so many processes; return the exit code.

    Each is `python -m MODULE NUMBER`, the number being that of the socket on which it listens.
    """
    logging.config.dictConfig(settings.LOGGING)
    try:
        listeners = listen(count)
    except supervise.CannotStart as error:
        print(f"imsite: {error}", file=sys.stderr)
        return 1
    Crew(name, module, listeners).run()
    return 0
