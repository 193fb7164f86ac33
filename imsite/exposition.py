"""GET /metrics: what all processes on this data folder counted, for those who run it (API §9)."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from conversations import looking, upkeep
from imsite.core import clock, metrics, rows, stamps
from push import debts

_PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


class Asked(Collector):
    """What costs nothing until somebody asks: the state of the database, and what is owed in it."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield whether the database answers, and if so the lag of its horizon and pushes owed."""
        span = f"{stamps.ceiling_sql()} - {stamps.horizon_sql()}"
        try:
            lag = rows.fetch(f"SELECT {span} FROM conversations_site s")[0][0]
            unlooked = looking.count()
            owed, oldest = debts.waiting(now=clock.now())
        except DatabaseError:
            yield GaugeMetricFamily("imsite_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("imsite_database_up", "Whether the database answers.", 1)
        yield GaugeMetricFamily(
            "imsite_horizon_lag",
            "Transactions begun since the oldest that still writes; sync shows them twice.",
            lag,
        )
        yield GaugeMetricFamily(
            "imsite_push_unlooked", "Conversations to be looked at for pushes.", unlooked
        )
        yield GaugeMetricFamily("imsite_push_debts", "Pushes owed, now or later.", owed)
        yield GaugeMetricFamily(
            "imsite_push_oldest_seconds", "Since when the oldest push that is due is owed.", oldest
        )
        yield from _chores()


def _chores() -> Iterator[GaugeMetricFamily]:
    """Yield how long ago each chore left nothing undone: kept in the database, whoever ran it."""
    lag = GaugeMetricFamily(
        "imsite_chore_lag_seconds",
        "For how long something may be here that should have gone.",
        labels=["chore"],
    )
    doubted = GaugeMetricFamily(
        "imsite_chore_clock_doubted",
        "Whether the chore waits because the clock jumped.",
        labels=["chore"],
    )
    for name, told in upkeep.standing(now=clock.now()).items():
        # What never came to an end has no age: it is worse than any.
        lag.add_metric([name], float("inf") if told["lag_seconds"] is None else told["lag_seconds"])
        doubted.add_metric([name], float(told["doubted"]))
    yield from (lag, doubted)


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Give all counts to who may have them; to anyone else there is no such page."""
    if not _may(request.META):
        raise Http404
    body, media_type = metrics.folder.render(request.META.get("HTTP_ACCEPT", ""), Asked())
    return HttpResponse(body, content_type=media_type)


def _may(meta: Mapping[str, Any]) -> bool:
    if settings.IM_METRICS_PUBLIC:
        return True
    scheme, _, given = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = settings.IM_METRICS_TOKEN
    if token and scheme.lower() == "bearer" and constant_time_compare(given.strip(), token):
        return True
    # A proxy on this machine asks for others.
    return _is_here(meta.get("REMOTE_ADDR") or "") and not any(name in meta for name in _PROXIED)


def _is_here(address: str) -> bool:
    """Say whether the caller is on this machine; over a unix socket there is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return not address
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback
