"""The dashboard: what wants attention, and how much is going on, in a bounded number of queries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.migrations.recorder import MigrationRecorder
from django.utils.safestring import SafeString

from conversations import upkeep
from imsite.core.desk.parts import Tile, tiles
from imsite.desk import charts, samples
from imsite.desk.charts import Bar
from imsite.desk.models import Sample

# Hours: expiry runs many times a day.
_LATE = 24
# How old a site is when expiry, which runs every hour, must have run once.
_FIRST = timedelta(hours=2)
Point = tuple[datetime, Sample | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A curve, and the figure that its last point stands for."""

    title: str
    drawn: SafeString
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """All of it, ready to be shown."""

    tiles: list[Tile]
    charts: list[Chart]


def seen_by(user: Any, *, now: datetime) -> Dashboard:
    """Return what this member of staff sees."""
    hours = samples.points(now=now, step=timedelta(hours=1), count=24)
    days = samples.points(now=now, step=timedelta(days=1), count=30)
    drawn = [
        _chart("Sends an hour", "%d %b %H:%M", _sent(hours)),
        _chart("Sends a day", "%d %b", _sent(days)),
        _chart(
            "Active users an hour", "%d %b %H:%M", _active(hours, lambda each: each.active_hour)
        ),
        _chart("Active users a day", "%d %b", _active(days, lambda each: each.active_day)),
    ]
    found = [*tiles.seen_by(user, now=now), _expiry(now), _sampling(now)]
    return Dashboard(tiles=found, charts=drawn)


def _chart(title: str, style: str, points: Sequence[tuple[datetime, int | None]]) -> Chart:
    found = [Bar(moment.strftime(style), value) for moment, value in points]
    return Chart(title=title, drawn=charts.bars(title, found), last=found[-1].value)


def _sent(points: Sequence[Point]) -> list[tuple[datetime, int | None]]:
    """Return how much was sent from each point to the next; None where a sample is missing."""
    return [
        (moment, None if old is None or new is None else max(0, new.sent - old.sent))
        for (_, old), (moment, new) in pairwise(points)
    ]


def _active(
    points: Sequence[Point], figure: Callable[[Sample], int]
) -> list[tuple[datetime, int | None]]:
    return [(moment, None if each is None else figure(each)) for moment, each in points[1:]]


def _expiry(now: datetime) -> Tile:
    """Say for how long something may be here that should have gone: in red after a day."""
    told = upkeep.standing(now=now)
    lags = [each["lag_seconds"] for each in told.values()]
    doubted = any(each["doubted"] for each in told.values())
    if not lags or None in lags:
        return _not_yet("Expiry", _FIRST, now=now)
    hours = max(lags) / 3600
    note = "waits: the clock jumped" if doubted else "what should have gone is gone up to then"
    return Tile(
        title="Expiry lag", value=f"{hours:.1f} h", note=note, alarm=doubted or hours > _LATE
    )


def _sampling(now: datetime) -> Tile:
    """Say whether the curves go on: without a worker they end, and so does all periodic work."""
    newest = samples.newest()
    if newest is None:
        return _not_yet("Periodic work", samples.LATE, now=now)
    age = now - newest.at
    late = age > samples.LATE
    minutes = int(age.total_seconds() // 60)
    note = "the worker or beat stands still" if late else "the worker is at work"
    return Tile(title="Periodic work", value=f"{minutes} min ago", note=note, alarm=late)


def _not_yet(title: str, first: timedelta, *, now: datetime) -> Tile:
    """Say that something never ran: in red once this site is so old that it should have."""
    made = MigrationRecorder.Migration.objects.order_by("id").values_list("applied", flat=True)[:1]
    if made and now - made[0] > first:
        return Tile(title=title, value="never ran", note="is a worker running?", alarm=True)
    return Tile(title=title, value="not yet", note="the first run comes by itself")
