"""What expires: backlogs and floors move first, so that every reader agrees; then the rows go (design §9)."""

from datetime import datetime

from django.conf import settings

from conversations import heads
from imsite.core import rows
from imsite.core.chores import Chore, Done
from imsite.core.pace import Pace
from messages.retention import floors, purging

_UNPAID = """SELECT count(*), coalesce(sum(c.floor_seq - p.gone_seq), 0) FROM messagelog_purge p
 JOIN conversations_conversation c ON c.id = p.conversation_id"""
# A survey tells how many there are up to here; more are as many as here.
_MOST = 100_000


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


def survey(now: datetime) -> dict[str, int | str]:
    """Tell what `expire` would do, from the marks alone; of more than 100,000 that many."""
    today = now.toordinal()
    told: dict[str, int | str] = {
        "backlogs": len(floors.past_days(today - settings.IM_OFFLINE_DAYS, _MOST))
    }
    conversations = entries = 0
    for ids in floors.due(today, 500):
        raised = floors.rising(heads.look(ids), today)
        conversations += len(raised)
        entries += sum(seq - head.floor_seq for head, seq, _ in raised)
        if conversations >= _MOST:
            break
    [(unpaid, rest)] = rows.fetch(_UNPAID)
    return told | {
        "conversations": conversations,
        "entries": entries,
        "conversations begun": int(unpaid),
        "entries left of them": int(rest),
    }


def _run(now: datetime, pace: Pace) -> Done:
    return expire(now=now, pace=pace)


CHORE = Chore(name="log", run=_run, survey=survey)
