"""What expires: backlogs and floors move first, so that every reader agrees; then the rows go (design §9)."""

from datetime import datetime

from imsite.core.chores import Chore, Done
from imsite.core.pace import Pace
from messages.retention import floors, purging, surveying


def expire(*, now: datetime, pace: Pace | None = None) -> Done:
    """Do all that is due by `now`, however long ago it should have been done, and say what went.

    It may be stopped at any moment and run again, or run twice at once.
    """
    pace = pace or Pace()
    done = Done()
    floors.move_backlogs(done, now=now, pace=pace)
    floors.raise_all(done, now=now, pace=pace)
    purging.purge(done, now=now, pace=pace)
    return done


def _run(now: datetime, pace: Pace) -> Done:
    return expire(now=now, pace=pace)


CHORE = Chore(name="log", run=_run, survey=surveying.survey)
