"""The one-command start: valkey, web, worker and beat, kept alive, stopped in order.

The supervisor holds the listening socket, so that clients who come while the web process is started
again wait for a moment instead of being refused.
"""

import fcntl
import logging
import logging.config
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import IO

from django.conf import settings

from imsite import embedded, greeting
from imsite.probe import Probe
from imsite.processes import Child, die_with_parent, spawn

log = logging.getLogger("imsite.supervise")

TICK = 0.05
# Seconds from the first signal to the moment when whatever still runs is killed.
PATIENCE = 12.0
# Worker and beat cost seconds of CPU to start; clients wait for the web process, nobody for these.
LET_WEB_GO_FIRST = 10.0
# There are no other workers to talk with.
_ALONE = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class CannotStart(Exception):
    """Something that only the caller can change is in the way."""


def hold(folder: Path) -> IO[str]:
    """Return a lock on the data folder, held while it is open; raise CannotStart if another holds it."""
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotStart(
            f"another imsite runs on {folder}: stop it, or set IM_DATA_DIR to another folder"
        ) from None
    return lock


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raise CannotStart if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Children of a supervisor that was killed need a moment to go.
        listener = _retried(lambda: socket.create_server((host, port), family=family, backlog=2048))
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}); set PORT to another"
        ) from None
    return listener


def _retried(bind: Callable[[], socket.socket]) -> socket.socket:
    deadline = time.monotonic() + 1.0
    while True:
        try:
            return bind()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(TICK)


def python(*args: str) -> list[str]:
    """Return the command that runs a module of ours."""
    return [sys.executable, "-m", *args]


def celery(*args: str) -> list[str]:
    """Return the command that runs a part of Celery."""
    return python("celery", "-A", "imsite.celery", "--quiet", *args, "--loglevel", "WARNING")


class Supervisor:
    """Starts the parts in order, tends them, and stops them in reverse."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        # The first asks all to finish, the second kills them.
        self._signals = 0
        self._running: list[Child] = []
        # Web imports while the database is made ready, and begins to serve when the pipe closes.
        gate, self._gate = os.pipe()
        passed = [listener.fileno(), gate]
        self.valkey = Child(
            "valkey",
            embedded.command(path=settings.VALKEY_SOCKET, folder=settings.DATA_DIR / "valkey"),
        )
        self.web = Child("web", python("imsite.serve", *map(str, passed)), pass_fds=passed)
        self.worker = Child(
            "worker",
            celery("worker", "--concurrency", str(settings.IM_WORKERS), *_ALONE),
        )
        self.beat = Child("beat", celery("beat", "--pidfile", ""))

    def run(self) -> int:
        """Run until a signal comes; return the exit code."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._on_signal)
        try:
            if settings.IM_REDIS_URL.removeprefix("unix://") == str(settings.VALKEY_SOCKET):
                embedded.clear_leftover(settings.VALKEY_SOCKET)
                self._running.append(self.valkey)
            self._running.append(self.web)
            if not self._prepare():
                return 0 if self._signals else 1
            os.close(self._gate)
            self._serve()
            return 0
        finally:
            self.stop()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _tick(self) -> None:
        now = time.monotonic()
        for child in self._running:
            child.tend(now=now)
        time.sleep(TICK)

    def _prepare(self) -> bool:
        """Bring the database up to date while valkey and web start; say whether that went well."""
        process = spawn(python("imsite.prepare"))
        while process.poll() is None and not self._signals:
            self._tick()
        if self._signals:
            process.kill()
        return process.wait() == 0

    def _serve(self) -> None:
        """Tend all until a signal comes; greet once the web process says that it is ready."""
        probe: Probe | None = Probe(self._listener)
        patience = time.monotonic() + LET_WEB_GO_FIRST
        while not self._signals:
            self._tick()
            if probe and probe.ready():
                greeting.show(port=self._listener.getsockname()[1])
                probe = None
            late = time.monotonic() > patience
            if probe and late:
                log.warning("not ready yet: %s", probe.last)
                patience = time.monotonic() + LET_WEB_GO_FIRST
            if self.worker not in self._running and (late or not probe):
                self._running += [self.worker, self.beat]

    def stop(self) -> None:
        """Close sockets first, finish tasks, then the store they use; kill what does not go."""
        self._listener.close()
        deadline = time.monotonic() + PATIENCE
        for phase in ([self.web], [self.worker, self.beat], [self.valkey]):
            for child in phase:
                child.terminate()
            self._wait_for(phase, deadline)
        for child in (self.web, self.worker, self.beat, self.valkey):
            child.kill()

    def _wait_for(self, children: Iterable[Child], deadline: float) -> None:
        while not all(child.gone() for child in children):
            if time.monotonic() > deadline or self._signals > 1:
                return
            time.sleep(TICK)


def run_by_make() -> bool:
    """Say whether our parent is make itself; where that cannot be known, no."""
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip() in ("make", "gmake")
    except OSError:
        return False


def main() -> int:
    """Start everything on the configured address and folder; return the exit code."""
    logging.config.dictConfig(settings.LOGGING)
    if run_by_make():
        # `make run` is one thing to whoever kills it.
        die_with_parent(signal.SIGTERM)
    try:
        lock = hold(settings.DATA_DIR)
        listener = listen(settings.IM_HOST, settings.PORT)
    except CannotStart as error:
        print(f"imsite: {error}", file=sys.stderr)
        return 1
    with lock:
        return Supervisor(listener).run()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
    sys.exit(main())
