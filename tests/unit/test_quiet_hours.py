"""Quiet hours against a walk of the wall clock, minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from push.quiet import Hours, zones

MINUTE = timedelta(minutes=1)
# Whole hours and half ones, no change at all, a day of 23 h 30, and changes at midnight.
ZONES = [
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Santiago",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Atlantic/Azores",
]
minutes = st.integers(0, 24 * 60 - 1)
moments = st.integers(1_700_000_000, 1_850_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
# Around the changes of Zurich, New York, Lord Howe and the Azores, and Casablanca's.
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
    datetime(2026, 9, 6, 4, tzinfo=UTC),
]
near = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-30 * 3600, 30 * 3600),
)


def is_quiet(hours: Hours, moment: datetime) -> bool:
    """What a person would say who looks at the clock on the wall."""
    here = moment.astimezone(ZoneInfo(hours.tz))
    minute = here.hour * 60 + here.minute
    if hours.start == hours.end:
        return True
    if hours.start < hours.end:
        return hours.start <= minute < hours.end
    return minute >= hours.start or minute < hours.end


def walked(hours: Hours, now: datetime) -> datetime | None:
    """The first whole minute that is not quiet."""
    if not is_quiet(hours, now):
        return None
    moment = now.replace(second=0, microsecond=0)
    while is_quiet(hours, moment):
        moment += MINUTE
    return moment


@settings(max_examples=400, deadline=None)
@given(now=st.one_of(near, moments), start=minutes, end=minutes, tz=st.sampled_from(ZONES))
def test_they_end_when_the_clock_on_the_wall_says_so(now, start, end, tz):
    hours = Hours(start=start, end=end, tz=tz)
    assume(start != end)
    until = hours.until(now)
    assert until == walked(hours, now)
    if until is not None:
        # An end that the clock leaps over in spring is missed by a day.
        assert now < until <= now + timedelta(hours=50)
        assert hours.until(until) is None


@given(now=st.one_of(near, moments), minute=minutes, tz=st.sampled_from(ZONES))
def test_the_same_start_and_end_is_all_day_and_ends_when_the_next_begins(now, minute, tz):
    until = Hours(start=minute, end=minute, tz=tz).until(now)
    assert until is not None and now < until <= now + timedelta(days=1)


@pytest.mark.parametrize(
    ("tz", "hours", "now", "until"),
    [
        # Over midnight, to the next day's end; at the end itself it is over.
        ("UTC", ("22:00", "07:00"), "2026-05-01T23:30:10", "2026-05-02T07:00:00"),
        ("UTC", ("22:00", "07:00"), "2026-05-01T06:59:59", "2026-05-01T07:00:00"),
        ("UTC", ("22:00", "07:00"), "2026-05-01T07:00:00", None),
        ("UTC", ("22:00", "07:00"), "2026-05-01T21:59:59", None),
        # 02:30 is not there that night: quiet ends when the clock jumps to 03:00.
        ("Europe/Zurich", ("22:00", "02:30"), "2026-03-29T00:10:00", "2026-03-29T01:00:00"),
        # The night is an hour shorter, and an hour longer.
        ("Europe/Zurich", ("22:00", "07:00"), "2026-03-28T22:00:00", "2026-03-29T05:00:00"),
        ("Europe/Zurich", ("22:00", "07:00"), "2026-10-24T21:00:00", "2026-10-25T06:00:00"),
        # 02:30 is there twice; the first ends it, and at the second 02:00 it is quiet again.
        ("Europe/Zurich", ("22:00", "02:30"), "2026-10-24T23:00:00", "2026-10-25T00:30:00"),
        ("Europe/Zurich", ("22:00", "02:30"), "2026-10-25T01:05:00", "2026-10-25T01:30:00"),
        ("Asia/Kathmandu", ("00:00", "06:00"), "2026-05-01T18:20:00", "2026-05-02T00:15:00"),
    ],
)
def test_nights_that_people_have_had(tz, hours, now, until):
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in hours)
    found = Hours(start=start, end=end, tz=tz).until(datetime.fromisoformat(now + "+00:00"))
    assert found == (until and datetime.fromisoformat(until + "+00:00"))


def test_a_zone_that_this_machine_lost_does_not_stop_anything():
    now = datetime(2026, 5, 1, 23, tzinfo=UTC)
    assert Hours(start=22 * 60, end=60, tz="Atlantis/Poseidonis").until(now) is not None


def test_the_zones_are_those_of_the_world():
    assert set(ZONES) <= zones()
    assert not {"localtime", "Factory", "Atlantis/Poseidonis", ""} & zones()
