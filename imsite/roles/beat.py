"""The beat role: of any number of copies one rings, the others stand by to take its place."""

import logging
import secrets
import signal
import sys
import threading
import time
from types import FrameType

import redis
from django.conf import settings

from imsite import processes
from imsite.processes import Child

log = logging.getLogger("imsite.beat")
KEY = "im:beat"
# Seconds after which the lease of a copy that died ends, and between two looks at it.
LEASE = 30
EVERY = 5.0
# Seconds that beat has to end.
PATIENCE = 8.0
# Each takes the lease's key, the copy's name and, to keep it, milliseconds.
_KEEP = """
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_GIVE_UP = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"


class Lease:
    """The right to ring: of one copy at a time, by Redis."""

    def __init__(self, store: redis.Redis) -> None:
        self.name = secrets.token_hex(8)
        self._store = store

    def keep(self) -> bool | None:
        """Take or renew it; return whether it is ours, None if nobody can say."""
        try:
            return bool(self._store.eval(_KEEP, 1, KEY, self.name, str(LEASE * 1000)))
        except redis.RedisError as error:
            log.warning("the lease could not be asked for: %s", type(error).__name__)
            return None

    def give_up(self) -> None:
        """Let another take it at once."""
        try:
            self._store.eval(_GIVE_UP, 1, KEY, self.name)
        except redis.RedisError as error:
            log.warning("the lease could not be given up: %s", type(error).__name__)


def child() -> Child:
    """Return beat itself, not started."""
    celery = [sys.executable, "-m", "celery", "-A", "imsite.celery", "--quiet", "beat"]
    options = ["--pidfile", "", "--loglevel", "WARNING"]
    return Child("beat", [*celery, *options])


def ring(lease: Lease, leaving: threading.Event) -> None:
    """Run beat while the lease is ours, until it is time to leave."""
    beat, ours = child(), False
    while True:
        held = lease.keep()
        # Whoever cannot ask rings on: bells go through the same store, so two ring nothing twice.
        ours = ours if held is None else held
        if not ours:
            processes.end([beat], patience=PATIENCE)
        due = time.monotonic() + EVERY
        while time.monotonic() < due:
            if ours:
                beat.tend(now=time.monotonic())
            if leaving.wait(0.2):
                processes.end([beat], patience=PATIENCE)
                return


def main() -> int:
    """Stand by, ring when the lease is ours, and hand it on at SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    leaving = threading.Event()

    def leave(signum: int, frame: FrameType | None) -> None:
        leaving.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, leave)
    store = redis.Redis.from_url(
        settings.IM_REDIS_URL, socket_timeout=2.0, socket_connect_timeout=2.0
    )
    lease = Lease(store)
    try:
        ring(lease, leaving)
    finally:
        lease.give_up()
    return 0
