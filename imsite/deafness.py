"""Ends a worker that has gone deaf, so that whoever keeps it starts another.

After its broker died and came back, a Celery worker on Redis can be left connected and idle for ever,
while the queue grows. It was seen after one in five kills of valkey.
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

    def well(self, *, at: float) -> None:
        """Note that all is well: it has taken a task, it works, nothing waits, or nobody can ask."""
        self._well_at = at

    def is_deaf(self, *, at: float) -> bool:
        """Say whether it must be deaf."""
        return at - self._well_at > PATIENCE


def watch(hearing: Hearing) -> None:
    """Look again and again; end this worker and its processes if it is deaf."""
    store = redis.Redis.from_url(settings.IM_REDIS_URL, socket_timeout=2.0)
    while True:
        if state.active_requests or not _waiting(store):
            hearing.well(at=time.monotonic())
        elif hearing.is_deaf(at=time.monotonic()):
            log.error("tasks wait and this worker takes none: it ends, to be started again")
            end()
        time.sleep(EVERY)


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


def begin(**_: object) -> None:
    """Begin to watch; in the worker's own process, not in those that run its tasks."""
    hearing = Hearing()
    hearing.well(at=time.monotonic())
    task_received.connect(lambda **_: hearing.well(at=time.monotonic()), weak=False)
    threading.Thread(target=watch, args=[hearing], name="deafness", daemon=True).start()


worker_ready.connect(begin)
