"""The tasks of push; Celery only rings the bell, everything owed is in the database.

They go by a clock that one process's clock alone cannot move: one that runs ahead would take what is
owed for too old to be pushed.
"""

from celery import shared_task

from conversations import looking
from imsite.core import caution
from push import rousing, sweep

# Seconds that one task goes on pushing before others have a turn.
BUDGET = 20.0


@shared_task
def push(**_: object) -> None:
    """Push what is owed; rung after sends, and every few seconds in case nobody rang."""
    if sweep.run(caution.running(), budget=BUDGET):
        push.delay()


@shared_task
def clear(reads: list[list[int]], **_: object) -> None:
    """Have notifications cleared on the other devices of those who read."""
    rousing.read(
        {(user, talk): (user, talk, device) for user, talk, device in reads}.values(),
        now=caution.running()(),
    )
    push()


@shared_task
def clear_read(**_: object) -> None:
    """Find notifications of what was read elsewhere, if nobody rang for them, and of what expired."""
    rousing.unheard(now=caution.running()())


@shared_task
def find_missed(**_: object) -> None:
    """Find conversations that wait to be looked at and nobody knows it."""
    looking.find_missed()


@shared_task
def rouse_strays(**_: object) -> None:
    """Find what waits for a time that only a wrong clock can have given."""
    rousing.strays(now=caution.running()())
