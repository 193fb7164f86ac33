"""By when things may be deleted: the earliest of the clocks at hand, and a jump is doubted for a day.

One clock that runs ahead would delete what is still wanted. So a second one is asked, of another
process: the database server's, or with SQLite valkey's. Should both have jumped (the machine's own
clock was set), the kernel tells how long it has been since the last time; what that does not explain
is believed only after it has stood for a day. Late is harmless here, early is not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

from imsite.core import clock, rows, stamps, valkey

# How far a clock may be from what is explained and still be believed: it is set, not wrong.
SLACK = timedelta(hours=2)
# How long a jump must stand; and, where the kernel cannot tell, how long ago the last time may be.
TRIAL = timedelta(days=1)
_UPTIME, _BOOT = Path("/proc/uptime"), Path("/proc/sys/kernel/random/boot_id")
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """A time, and how long the machine had been up, in which of its lives ("": nobody can tell)."""

    at: datetime
    boot: str = ""
    uptime: float = 0.0

    def since(self, earlier: "Reading") -> timedelta | None:
        """Return how long ago the other was as the kernel counts, or None."""
        if not self.boot or self.boot != earlier.boot or self.uptime < earlier.uptime:
            return None
        return timedelta(seconds=self.uptime - earlier.uptime)

    def shape(self) -> list[Any]:
        """Return it ready to be kept as JSON."""
        return [clock.wire(self.at), self.boot, self.uptime]

    @classmethod
    def of(cls, kept: Any) -> "Reading | None":
        """Return what was kept, if it was."""
        return kept and cls(datetime.fromisoformat(kept[0]), str(kept[1]), float(kept[2]))


def read() -> Reading:
    """Return the earliest of the clocks at hand, beside the kernel's."""
    at = min([clock.now(), *_others()])
    try:
        return Reading(at, _BOOT.read_text().strip(), float(_UPTIME.read_text().split()[0]))
    except (OSError, ValueError):
        return Reading(at)


def running() -> Callable[[], datetime]:
    """Return a clock that begins at the earliest of those at hand, and that nobody sets meanwhile."""
    at, began = min([clock.now(), *_others()]), time.monotonic()
    return lambda: at + timedelta(milliseconds=int((time.monotonic() - began) * 1000))


def _others() -> list[datetime]:
    if not stamps.is_sqlite():
        found: datetime = rows.fetch("SELECT clock_timestamp()")[0][0]
        return [found]
    try:
        seconds, micros = _valkey().time()
    except (redis.RedisError, OSError):
        return []
    return [datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)]


@cache
def _valkey() -> redis.Redis:
    return valkey.client(settings.IM_REDIS_URL, patience=_PATIENCE)


def believe(
    reading: Reading, last: Reading | None, doubt: Reading | None
) -> tuple[Reading, Reading | None]:
    """Return the reading to act by, to be kept as the last, and the doubt that stands, if any does.

    `doubt` is the reading that was first found to be too far ahead.
    """
    if last is None:
        return reading, None
    passed = reading.since(last)
    if reading.at <= last.at + (TRIAL if passed is None else passed + SLACK):
        return reading, None
    if doubt is None or not _goes_on(doubt, reading):
        doubt = reading
    if (reading.since(doubt) or reading.at - doubt.at) >= TRIAL:
        return reading, None
    return replace(reading, at=last.at + (passed or timedelta())), doubt


def _goes_on(doubt: Reading, reading: Reading) -> bool:
    """Say whether the clock has only run since it was first doubted, and not jumped again."""
    passed = reading.since(doubt)
    if passed is None:
        return reading.at >= doubt.at
    return abs(reading.at - doubt.at - passed) <= SLACK
