"""The periodic task of the admin; Celery only rings the bell."""

from celery import shared_task

from imsite.core import clock
from imsite.desk import samples


@shared_task
def take_sample(**_: object) -> None:
    """Note how things stand; arguments from a newer or older sender are no matter."""
    samples.take(now=clock.now())
