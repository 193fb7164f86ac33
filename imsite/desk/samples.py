"""Samples: notes every few minutes how much was ever sent and who was there, and makes curves of it.

The sum over all heads only grows, whatever is recalled or purged, so two samples give a rate. One look
every five minutes costs a scan of heads and devices; the dashboard itself reads a few hundred rows.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from accounts.models import Device
from conversations.models import Conversation
from imsite.desk.models import Sample

EVERY = timedelta(minutes=5)
KEEP = timedelta(days=35)
# Days of hourly columns, and how much later than due a sample is late.
LATE = 3 * EVERY


def take(*, now: datetime) -> None:
    """Note how things stand at the last full five minutes, once; forget what is too old."""
    at = now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % EVERY
    if Sample.objects.filter(at=at).exists():
        return
    sent = Conversation.objects.aggregate(sent=Sum("head_ordinal"))["sent"] or 0
    hour, day = (Q(last_seen_at__gte=now - timedelta(hours=hours)) for hours in (1, 24))
    seen = Device.objects.filter(day).aggregate(
        hour=Count("user_id", distinct=True, filter=hour), day=Count("user_id", distinct=True)
    )
    values = {"sent": sent, "active_hour": seen["hour"], "active_day": seen["day"]}
    Sample.objects.get_or_create(at=at, defaults=values)
    Sample.objects.filter(at__lt=now - KEEP).delete()


def newest() -> Sample | None:
    """Return the newest sample."""
    return Sample.objects.order_by("-at").first()


def points(*, now: datetime, step: timedelta, count: int) -> list[tuple[datetime, Sample | None]]:
    """Return the sample nearest before each of `count` + 1 moments, a step apart, the last one now."""
    moments = [now - step * (count - n) for n in range(count + 1)]
    found = list(Sample.objects.filter(at__gt=moments[0] - step).order_by("at"))
    return [(moment, _before(found, moment, step)) for moment in moments]


def _before(found: Sequence[Sample], moment: datetime, step: timedelta) -> Sample | None:
    at = bisect_right(found, moment, key=lambda each: each.at)
    sample = found[at - 1] if at else None
    return sample if sample is not None and sample.at > moment - step else None
