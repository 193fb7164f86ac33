"""The tasks of push; Celery only rings the bell, everything owed is in the database."""

from celery import shared_task

from conversations import looking
from imsite.core import clock
from push import debts, decisions, sweep

# Seconds that one task goes on pushing before others have a turn.
BUDGET = 20.0


@shared_task
def push(**_: object) -> None:
    """Push what is owed; rung after sends, and every few seconds in case nobody rang."""
    if sweep.run(clock.now, budget=BUDGET):
        push.apply_async(countdown=1)


@shared_task
def clear(reads: list[list[int]], **_: object) -> None:
    """Have notifications cleared on the other devices of those who read."""
    debts.recheck(
        {(user, talk): (user, talk, device) for user, talk, device in reads}.values(),
        now=clock.now(),
    )
    push()


@shared_task
def clear_read(**_: object) -> None:
    """Find notifications of what was read elsewhere, if nobody rang for them."""
    debts.recheck_read(now=clock.now())


@shared_task
def find_missed(**_: object) -> None:
    """Find conversations that wait to be looked at and nobody knows it."""
    looking.find_missed()


@shared_task
def forget(**_: object) -> None:
    """Forget settled debts and decisions older than the offline window."""
    decisions.forget(now=clock.now())
    debts.forget(now=clock.now())
