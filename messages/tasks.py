"""The tasks of the log; Celery only rings the bell, what is owed are rows."""

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from imsite.core import clock
from messages.moderation import orders, upkeep

log = logging.getLogger("imsite.moderation")
# Steps of an order in one task: below the time that a task may take, however slow the database is.
_STEPS = 100


@shared_task
def carry_out(order_id: int, **_: object) -> None:
    """Go on with an order to recall, or to put back; twice at once is no faster and no harm."""
    for _step in range(_STEPS):
        if not orders.step(order_id, now=clock.now()):
            return
    ring(order_id)


@shared_task
def tend_moderation(**_: object) -> None:
    """Do what moderation owes, and take up orders whose worker died."""
    for order_id in upkeep.tend(now=clock.now()):
        ring(order_id)


def ring(order_id: int) -> None:
    """Have a worker go on with an order; without a broker the next sweep takes it up."""
    try:
        carry_out.apply_async((order_id,), retry=False)
    except OperationalError:
        log.warning("nobody heard that order %d waits", order_id)
