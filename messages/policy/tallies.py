"""How often each rule hit: counted in this process, written a few seconds later, never with a send."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable

from django.db import connections
from django.db.models import F

from imsite.core import clock, metrics
from messages.models import PolicyRule

log = logging.getLogger("messages.policy")
# Seconds from the first hit until it is written; what was counted meanwhile goes with a process
# that is killed.
_EVERY = 5.0

_lock = threading.Lock()
_counts: Counter[int] = Counter()


def add(hits: Iterable[tuple[int, str]]) -> None:
    """Count hits (rule id, action) that were committed, or refused for good."""
    with _lock:
        waiting = bool(_counts)
        for rule_id, action in hits:
            _counts[rule_id] += 1
            metrics.policy_hits.labels(action).inc()
        if not waiting and _counts:
            timer = threading.Timer(_EVERY, _in_a_thread)
            timer.daemon = True
            timer.start()


def _in_a_thread() -> None:
    try:
        flush()
    except Exception:
        # Whatever it was: they are counted for people to look at, and written with the next ones.
        log.warning("hits of content rules could not be written", exc_info=True)
    finally:
        connections.close_all()


def flush() -> None:
    """Write what was counted."""
    with _lock:
        found = dict(_counts)
        _counts.clear()
    left = dict(found)
    try:
        for rule_id, count in sorted(found.items()):
            PolicyRule.objects.filter(pk=rule_id).update(hits=F("hits") + count, hit_at=clock.now())
            del left[rule_id]
    finally:
        with _lock:
            _counts.update(left)
