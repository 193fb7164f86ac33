"""Forgets what serves nobody any more: tickets past their time, devices long gone."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts import tickets
from accounts.models import Device, Ticket
from imsite.core.chores import Chore, Done, Due, before
from imsite.core.pace import Pace

# Days that an ended device stays to be seen in the admin and the export.
KEEP_DAYS = 30


def tidy(now: datetime, pace: Pace) -> Done:
    """Delete tickets past their time, and devices ended or idle so long that none of their tokens lives.

    Running it twice, or in two places, does no harm.
    """
    done = Done()
    for kind, stale in (("tickets", _tickets(now)), ("devices", _devices(now))):
        while batch := list(stale.values_list("pk", flat=True)[: pace.size]):
            if pace.is_over:
                done.left = True
                return done
            with pace.turn():
                stale.model._default_manager.filter(pk__in=batch).delete()
            done.count(kind, len(batch))
    return done


def survey(now: datetime) -> list[Due]:
    """Tell how many would go."""
    tickets_due = Due(kind="tickets", number=_tickets(now).count(), rule=before(now))
    limit = before(_limit(now), IM_REFRESH_DAYS=settings.IM_REFRESH_DAYS)
    rule = f"with their refresh and push tokens, ended or not seen {KEEP_DAYS} days longer: {limit}"
    return [tickets_due, Due(kind="devices", number=_devices(now).count(), rule=rule)]


def _tickets(now: datetime) -> QuerySet[Any]:
    # Those that would live for long were given out by a clock that was wrong.
    late = now + tickets.LONGEST
    return Ticket.objects.filter(Q(expires_at__lt=now) | Q(expires_at__gt=late)).order_by("pk")


def _devices(now: datetime) -> QuerySet[Any]:
    limit = _limit(now)
    return Device.objects.filter(Q(ended_at__lt=limit) | Q(last_seen_at__lt=limit)).order_by("pk")


def _limit(now: datetime) -> datetime:
    return now - timedelta(days=settings.IM_REFRESH_DAYS + KEEP_DAYS)


CHORE = Chore(name="devices", run=tidy, survey=survey)
