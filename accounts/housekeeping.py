"""Forgets what serves nobody any more: tickets past their time, devices long gone."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from accounts.models import Device, Ticket

# Days that an ended device stays to be seen in the admin and the export.
KEEP_DAYS = 30
# Rows deleted at once: on SQLite every sender waits meanwhile.
BATCH = 500


def sweep(*, now: datetime) -> int:
    """Delete expired tickets, and devices ended or idle so long that none of their tokens can live.

    Return how many devices went. Running it twice, or in two places, does no harm.
    """
    Ticket.objects.filter(expires_at__lt=now).delete()
    limit = now - timedelta(days=settings.IM_REFRESH_DAYS + KEEP_DAYS)
    stale = Device.objects.filter(Q(ended_at__lt=limit) | Q(last_seen_at__lt=limit)).order_by("pk")
    gone = 0
    while batch := list(stale.values_list("pk", flat=True)[:BATCH]):
        Device.objects.filter(pk__in=batch).delete()
        gone += len(batch)
    return gone
