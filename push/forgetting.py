"""Forgets what pushes leave behind: decisions and looks past the offline window, debts that say nothing."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet

from imsite.core.chores import Chore, Done, Due, before
from imsite.core.pace import Pace
from push.models import Debt, Decision, Look

# For so much longer a notification that still stands is kept in mind: read elsewhere, it is cleared.
SHOWN = timedelta(days=30)


def forget(now: datetime, pace: Pace) -> Done:
    """Delete what is older than the offline window; twice, or in two places, does no harm."""
    done = Done()
    for kind, old in _old(_limit(now)).items():
        while not pace.is_over and (count := _some(old, pace)):
            done.count(kind, count)
        done.left = done.left or pace.is_over
    return done


def _some(old: QuerySet[Any], pace: Pace) -> int:
    """Delete a few rows, and return how many; what somebody has in hand is left to him."""
    with pace.turn() as size:
        some = old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:size]
        return int(old.model._default_manager.filter(pk__in=list(some)).delete()[0])


def survey(now: datetime) -> list[Due]:
    """Tell how many would go."""
    rule = before(_limit(now), IM_OFFLINE_DAYS=settings.IM_OFFLINE_DAYS)
    return [
        Due(kind=kind, number=old.count(), rule=f"settled {rule}" if kind == "debts" else rule)
        for kind, old in _old(_limit(now)).items()
    ]


def _limit(now: datetime) -> datetime:
    return now - timedelta(days=settings.IM_OFFLINE_DAYS)


def _old(limit: datetime) -> dict[str, QuerySet[Any]]:
    shows = Q(told_at__gte=limit - SHOWN, told_seq__gt=F("cleared_seq"))
    past = (Q(told_at=None) | Q(told_at__lt=limit)) & ~shows
    settled = Debt.objects.filter(past, due_at=None)
    return {
        "decisions": Decision.objects.filter(at__lt=limit).order_by("at"),
        "looks": Look.objects.filter(at__lt=limit).order_by("at"),
        "debts": settled.order_by("pk"),
    }


CHORE = Chore(name="pushes", run=forget, survey=survey)
