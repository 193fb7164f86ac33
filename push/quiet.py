"""Quiet hours: whether it is quiet at an instant, and until when, on the clock of somebody's wall."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_DAY = 24 * 60
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Every day from `start` to before `end`, in minutes after midnight; the end may be tomorrow's.

    When both are the same it is quiet all day.
    """

    start: int
    end: int
    tz: str

    def until(self, now: datetime) -> datetime | None:
        """Return when it is quiet no more (UTC), or None if it is not quiet at `now`.

        Where it is quiet all day that is when the next day of it begins.
        """
        here = now.astimezone(_zone(self.tz))
        if not self._holds(here):
            return None
        left = (self.end - _minute(here)) % _DAY or _DAY
        began = now - timedelta(seconds=here.second, microseconds=here.microsecond)
        until = began + left * _MINUTE
        there = until.astimezone(here.tzinfo)
        if self.start != self.end and there.utcoffset() != here.utcoffset():
            # The clock is put forward or back before the end: rare enough to go minute by minute.
            until = self._walked(began, here)
        return until.astimezone(UTC)

    def _holds(self, here: datetime) -> bool:
        """Say whether it is quiet at this time of the wall clock."""
        return (_minute(here) - self.start) % _DAY < ((self.end - self.start) % _DAY or _DAY)

    def _walked(self, moment: datetime, here: datetime) -> datetime:
        while self._holds(moment.astimezone(here.tzinfo)):
            moment += _MINUTE
        return moment


def _minute(here: datetime) -> int:
    return here.hour * 60 + here.minute


@cache
def zones() -> frozenset[str]:
    """Return the names of all time zones that this machine knows."""
    # The first is whatever this machine is set to, the second a place holder of the database's.
    return frozenset(available_timezones() - {"localtime", "Factory"})


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        # Kept by a machine that knew more zones than this one; better roughly quiet than not at all.
        return ZoneInfo("UTC")
