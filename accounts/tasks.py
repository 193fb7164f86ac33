"""The periodic task of accounts; Celery only rings the bell."""

from celery import shared_task

from accounts import housekeeping
from imsite.core import clock


@shared_task
def sweep_devices(**_: object) -> None:
    """Forget old tickets and devices; arguments from a newer or older sender are no matter."""
    housekeeping.sweep(now=clock.now())
