"""Hands a push to whatever serves its provider here, and spares those that are unwell.

What it knows of their health is this process's own: others find out by themselves.
"""

import logging
import os
import threading
import time
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from imsite.core import metrics
from push.breaker import Breaker
from push.providers.base import Provider, Push, PushFailed, Target

logger = logging.getLogger("imsite.push")

# Lanes remembered: those of Web Push are named by clients.
_LANES = 1000

_lock = threading.Lock()
_providers: dict[str, Provider] = {}
_breakers: dict[str, Breaker] = {}


def deliver(target: Target, push: Push, *, now: datetime) -> str:
    """Hand over one push within IM_PUSH_TIMEOUT; return the provider's own id of it (or "").

    Raises PushFailed, at once while the provider rests.
    """
    provider = _provider(settings.PUSH_ROUTES[target.provider])
    lane = provider.lane(target)
    breaker = _breaker(lane)
    began = time.monotonic()
    era = breaker.enter(began, longest=settings.IM_PUSH_TIMEOUT + 1)
    if era is None:
        metrics.pushed(target.provider, "resting", 0.0)
        raise PushFailed(f"{lane} rests", retry_after=breaker.left(began), unwell=True)
    outcome = "failed"
    try:
        found = provider.send(target, push, now=now)
        outcome = "accepted"
    except PushFailed as failed:
        outcome = "gone" if failed.gone else "failed"
        _note(lane, breaker, era, failed)
        raise
    finally:
        metrics.pushed(target.provider, outcome, time.monotonic() - began)
    breaker.passed(era)
    return found


def resting(provider: str, *, now: datetime) -> float:
    """Return for how many seconds nothing can be handed to a provider; 0: try.

    The rest is counted on the monotonic clock: a step of the wall clock, and so `now`, moves nothing.
    """
    route = settings.PUSH_ROUTES[provider]
    found = _breakers.get(route)
    return 0.0 if found is None else found.left(time.monotonic())


def close() -> None:
    """End all connections and forget everybody's health; the next call begins anew."""
    with _lock:
        closing = list(_providers.values())
        _providers.clear()
        _breakers.clear()
    for provider in closing:
        provider.close()


def _note(lane: str, breaker: Breaker, era: int, failed: PushFailed) -> None:
    if not failed.unwell:
        breaker.passed(era)
        return
    seconds = breaker.failed(era, time.monotonic(), retry_after=failed.retry_after)
    if seconds:
        failed.retry_after = seconds
        logger.warning("push by %s rests for %.1f s: %s", lane, seconds, failed.reason)


def _provider(route: str) -> Provider:
    with _lock:
        found = _providers.get(route)
        if found is None:
            found = _providers[route] = import_string(settings.PUSH_PROVIDERS[route])()
        return found


def _breaker(lane: str) -> Breaker:
    with _lock:
        found = _breakers.pop(lane, None) or Breaker()
        # Put back at the end, so that the one let go is the one not used for longest.
        _breakers[lane] = found
        if len(_breakers) > _LANES:
            del _breakers[next(iter(_breakers))]
        return found


def _begin_anew() -> None:
    # Loops and connections do not outlive a fork; the lock may be held by a thread that is not here.
    global _lock
    _lock = threading.Lock()
    _providers.clear()
    _breakers.clear()


os.register_at_fork(after_in_child=_begin_anew)
