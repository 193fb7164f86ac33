"""How we call valkey, which may be away: without patience, and not again at once after it failed."""

import logging
import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def client(url: str, *, patience: float) -> Redis:
    """Return a client that waits at most `patience` seconds for a connection, and for each answer.

    It does not retry: the pool reconnects by itself when the server has closed a connection.
    """
    return Redis.from_url(
        url,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), 0),
    )


class Respite:
    """Whether to ask valkey, or to do `instead` what can be done without it, for `pause` seconds."""

    def __init__(self, log: logging.Logger, *, instead: str, pause: float) -> None:
        self._log = log
        self._instead = instead
        self._pause = pause
        self.closed_until = 0.0

    def open(self) -> bool:
        """Say whether to ask; after a pause one caller probes while the others do without."""
        now = time.monotonic()
        if now < self.closed_until:
            return False
        if self.closed_until:
            self.closed_until = now + self._pause
        return True

    def failed(self, error: Exception) -> None:
        """Leave valkey alone for a while."""
        self._log.warning("%s, valkey failed: %s", self._instead, type(error).__name__)
        self.closed_until = time.monotonic() + self._pause

    def answered(self) -> None:
        """Trust valkey again."""
        self.closed_until = 0.0
