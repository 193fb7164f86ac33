"""Everything that the server counts, by name; what each means is in docs/monitoring.md.

A count costs some 2 µs, a histogram 3.5: what happens oftener than a request goes through a Tally.
"""

from typing import Any

from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram

from imsite.core import counts

folder = counts.keep_in(settings.METRICS_DIR)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

requests = Histogram(
    "imsite_http_request_seconds",
    "Time from a request to its answer.",
    ["operation", "method", "status"],
    buckets=_SECONDS,
)

group_size = Histogram(
    "imsite_group_commit_size",
    "Messages written in one commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
group_wait = Histogram(
    "imsite_group_commit_wait_seconds",
    "Time for which the oldest of a group waited until its commit began.",
    buckets=_SECONDS,
)
group_time = Histogram(
    "imsite_group_commit_seconds", "Time that a group commit took.", buckets=_SECONDS
)
group_failures = Counter(
    "imsite_group_commit_failures", "Group commits that failed and were tried one by one."
)
writer_refusals = Counter(
    "imsite_writer_refusals", "Messages refused because too many waited to be written."
)
entries = Counter("imsite_entries", "Entries added to logs.", ["class"])

policy_hits = Counter("imsite_policy_hits", "Messages that hit a content rule.", ["action"])

pings = Counter("imsite_pings", "Pings on their way to the bus.", ["outcome"])
pings_published, pings_merged, pings_failed = (
    pings.labels(outcome) for outcome in ("published", "merged", "failed")
)
sockets = Gauge("imsite_sockets", "Open sockets.", multiprocess_mode="livesum")
frames = Counter("imsite_frames", "Frames to sockets by type.", ["type"])
frames_merged = Counter("imsite_frames_merged", "Pings to a socket that an unsent frame took in.")
closes = Counter(
    "imsite_socket_closes",
    "Sockets that the server closed, by code; `dropped`: of clients who read nothing.",
    ["code"],
)

limit_refusals = Counter("imsite_limit_refusals", "Requests over a rate limit.", ["scope"])
limit_fallbacks = Counter(
    "imsite_limit_fallbacks", "Hits that a process limited by itself because valkey was away."
)
pool_waits = Histogram(
    "imsite_pool_wait_seconds",
    "Time for which a call waited that found all threads of its pool busy.",
    ["pool"],
    buckets=_SECONDS,
)
pool_refusals = Counter(
    "imsite_pool_refusals", "Calls refused because too many waited for a thread.", ["pool"]
)
expired = Counter("imsite_expired", "What was deleted because it was too old, by kind.", ["kind"])
database_errors = Counter("imsite_database_errors", "Errors of the database by class.", ["error"])

pushes = Histogram(
    "imsite_push_call_seconds",
    "Time for which a provider of pushes was called.",
    ["provider", "outcome"],
    buckets=_SECONDS,
)

push_looks = Histogram(
    "imsite_push_look_seconds",
    "Time of a look at who is to be pushed for the newest entries of some conversations.",
    buckets=_SECONDS,
)
push_decisions = Counter("imsite_push_decisions", "Decisions about devices.", ["outcome"])

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_timed: dict[tuple[str | None, str, int], Any] = {}
_API = "api/v1/"


def answered(route: str | None, verb: str, status: int, seconds: float) -> None:
    """Count a request by the pattern of its path, never by the path."""
    known = _timed.get((route, verb, status // 100))
    (known or _series(route, verb, status // 100)).observe(seconds)


def _series(route: str | None, verb: str, hundreds: int) -> Any:
    key = (route, verb, hundreds)
    found = requests.labels(operation(route), method(verb), f"{hundreds}xx")
    if verb in _METHODS:
        _timed[key] = found
    return found


def method(verb: str | None) -> str:
    """Return a method as it may be a label: clients can invent others."""
    return verb if verb in _METHODS else "other"


def operation(route: str | None) -> str:
    """Return how an operation is called: its path under the API, with names in place of ids."""
    if route is None or route.startswith("^"):
        return "unknown"
    if route.startswith("admin/"):
        return "admin"
    return route.removeprefix(_API).replace("<id:", "{").replace(">", "}") or "home"


_messages, _events = entries.labels("message"), entries.labels("event")


def appended(messages: int, events: int) -> None:
    """Count entries that were committed."""
    if messages:
        _messages.inc(messages)
    if events:
        _events.inc(events)


def pushed(provider: str, outcome: str, seconds: float) -> None:
    """Count a call of a provider."""
    pushes.labels(provider, outcome).observe(seconds)


class Tally:
    """Counts that would be too dear one by one: kept by one thread until it hands them over."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._counts: dict[str, int] = {}

    def add(self, label: str = "") -> None:
        """Count one more."""
        self._counts[label] = self._counts.get(label, 0) + 1

    def hand_over(self) -> None:
        """Add what was counted to the counter."""
        found, self._counts = self._counts, {}
        for label, count in found.items():
            (self._counter.labels(label) if label else self._counter).inc(count)


# Of the thread of the event loop alone.
frames_told = Tally(frames)
frames_spared = Tally(frames_merged)


def hand_over() -> None:
    """Add what the event loop has tallied to the counts; it does so every few seconds."""
    frames_told.hand_over()
    frames_spared.hand_over()
