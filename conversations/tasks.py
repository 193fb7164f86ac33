"""The periodic task of all chores; Celery only rings the bell, the database knows what is due."""

from celery import shared_task

from conversations import upkeep
from imsite.core import caution
from imsite.core.pace import Pace

# Seconds after which a long chore goes to the end of the queue, so that no other bell waits for it.
_BUDGET = 20.0


@shared_task
def run_chore(name: str, **more: object) -> None:
    """Run a chore for a while; arguments from a newer or older sender are no matter."""
    _, done = upkeep.run(name, reading=caution.read(), pace=Pace(budget=_BUDGET))
    if done.left:
        run_chore.delay(name=name)
