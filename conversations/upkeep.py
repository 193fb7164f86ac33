"""Runs chores by a clock that is not trusted blindly, and keeps how each went the last time."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conversations.models import ChoreRun
from imsite.core import caution, chores, clock, metrics
from imsite.core.caution import Reading
from imsite.core.chores import Done
from imsite.core.errors import NotFound
from imsite.core.pace import Pace

log = logging.getLogger("imsite.upkeep")


class NoSuchChore(NotFound):
    """There is no such chore."""


@dataclass(frozen=True, slots=True)
class Plan:
    """By which time a chore is to be run now, and the doubt about the clock that stands, if any."""

    chore: chores.Chore
    acted: Reading
    doubt: Reading | None

    @property
    def now(self) -> datetime:
        """The time to act by."""
        return self.acted.at


def plan(name: str, *, reading: Reading, trusting: bool = False) -> Plan:
    """Return how this chore would be run now; `trusting` believes any clock."""
    if name not in chores.names():
        raise NoSuchChore
    kept = None if trusting else ChoreRun.objects.filter(pk=name).first()
    last = Reading.of(kept.reading) if kept else None
    acted, doubt = caution.believe(reading, last, Reading.of(kept.doubt) if kept else None)
    return Plan(chores.named(name), acted, doubt)


def run(
    name: str, *, reading: Reading, pace: Pace | None = None, trusting: bool = False
) -> tuple[Plan, Done]:
    """Run a chore, and keep that it was; what it leaves (`Done.left`) is for another run."""
    found = plan(name, reading=reading, trusting=trusting)
    if found.doubt:
        doubted, now = clock.wire(found.doubt.at), clock.wire(found.now)
        log.warning("the clock jumped to %s, not believed yet: %s by %s", doubted, name, now)
    done = found.chore.run(found.now, pace or Pace())
    for kind, count in done.gone.items():
        metrics.expired.labels(kind).inc(count)
    _keep(found, done)
    return found, done


def _keep(found: Plan, done: Done) -> None:
    kept: dict[str, Any] = {
        "ended_at": found.now,
        "gone": done.gone,
        "reading": found.acted.shape(),
        "doubt": found.doubt and found.doubt.shape(),
    }
    if not done.left:
        kept["clear_at"] = found.now
    ChoreRun.objects.update_or_create(pk=found.chore.name, defaults=kept)


def survey(name: str, *, reading: Reading, trusting: bool = False) -> tuple[Plan, list[chores.Due]]:
    """Tell what `run` would take away now, and do nothing."""
    found = plan(name, reading=reading, trusting=trusting)
    return found, found.chore.survey(found.now)


def standing(*, now: datetime) -> dict[str, dict[str, Any]]:
    """Return by chore when it last ran, what went, and for how many seconds something may be late.

    Late at most: nothing that was due then is left. None: it never came to an end.
    """
    kept = {each.pk: each for each in ChoreRun.objects.all()}
    return {name: _told(kept.get(name), now) for name in chores.names()}


def _told(kept: ChoreRun | None, now: datetime) -> dict[str, Any]:
    if kept is None:
        return {"ended_at": None, "lag_seconds": None, "gone": {}, "doubted": False}
    lag = (now - kept.clear_at).total_seconds() if kept.clear_at else None
    return {
        "ended_at": clock.wire(kept.ended_at),
        "lag_seconds": lag,
        "gone": kept.gone,
        "doubted": bool(kept.doubt),
    }
