"""Wakes a worker that has gone deaf; ends it if that does not help, so that whoever keeps it starts another.

After its broker died and came back, a Celery worker on Redis can be left connected and idle for ever,
while the queue grows: where an acknowledgement is the first to find the connection dead, Celery writes
that down and waits on it for tasks. It was seen after one in two kills of valkey.
"""

import logging
import os
import signal
import threading
import time
from typing import Any

import redis
from celery.signals import task_received, worker_ready
from celery.worker import state
from django.conf import settings

log = logging.getLogger("imsite.worker")
QUEUE = "im:celery:celery"
# Seconds between two looks, and for which tasks may wait while an idle worker takes none.
EVERY = 2.0
PATIENCE = 12.0


class Hearing:
    """Since when tasks wait that this worker, though idle, does not take."""

    def __init__(self) -> None:
        self._well_at = 0.0
        self._called = False

    def well(self, *, at: float) -> None:
        """Note that all is well: it has taken a task, it works, nothing waits, or nobody can ask."""
        self._well_at = at
        self._called = False

    def must_be_called(self, *, at: float) -> bool:
        """Say, once, whether it is to be called."""
        due = not self._called and at - self._well_at > PATIENCE
        self._called = self._called or due
        return due

    def is_deaf(self, *, at: float) -> bool:
        """Say whether it must be deaf, and calling did not help."""
        return at - self._well_at > 2 * PATIENCE


def watch(hearing: Hearing, consumer: Any) -> None:
    """Look again and again; call this worker if it is deaf, and end it with its processes at last."""
    store = redis.Redis.from_url(settings.IM_REDIS_URL, socket_timeout=2.0)
    while True:
        now = time.monotonic()
        if state.active_requests or not _waiting(store):
            hearing.well(at=now)
        elif hearing.must_be_called(at=now):
            log.error("tasks wait and this worker takes none: it connects anew")
            call(consumer)
        elif hearing.is_deaf(at=now):
            log.error("tasks wait and this worker takes none: it ends, to be started again")
            end()
        time.sleep(EVERY)


def call(consumer: Any) -> None:
    """Have a worker's loop believe, from any thread, that it lost its broker: it connects anew."""
    consumer.hub.call_soon(_lose)


def _lose() -> None:
    raise redis.ConnectionError("the connection was found dead")


class Listener(logging.Handler):
    """Hears Celery say that it could not acknowledge, and calls the worker at once."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(logging.CRITICAL)
        self._consumer = consumer

    def emit(self, record: logging.LogRecord) -> None:
        """Call, if that is what it says."""
        if str(record.msg).startswith("Couldn't "):
            call(self._consumer)


def _waiting(store: Any) -> int:
    try:
        return int(store.llen(QUEUE))
    except (redis.RedisError, OSError):
        return 0


def end() -> None:
    """End at once, with all that this process has started if it leads them."""
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def begin(sender: Any, **_: object) -> None:
    """Begin to watch; in the worker's own process, not in those that run its tasks.

    Rung at each connection, of which the first begins.
    """
    if _begun:
        return
    hearing = Hearing()
    _begun.append(hearing)
    hearing.well(at=time.monotonic())
    task_received.connect(lambda **_: hearing.well(at=time.monotonic()), weak=False)
    logging.getLogger("celery.worker.request").addHandler(Listener(sender))
    threading.Thread(target=watch, args=[hearing, sender], name="deafness", daemon=True).start()


_begun: list[Hearing] = []
worker_ready.connect(begin)
