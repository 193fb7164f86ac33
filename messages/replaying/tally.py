"""What happened in a replay: rates, latencies, refusals, and whether the log holds what it said."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

Kept = tuple[int, str, int]


@dataclass(slots=True)
class Tally:
    """Counts while a replay runs; times in seconds, of the monotonic clock."""

    began: float = 0.0
    ended: float = 0.0
    # How far sending is behind the plan.
    lag: float = 0.0
    latencies: list[float] = field(default_factory=list)
    recent: "deque[tuple[float, float]]" = field(default_factory=lambda: deque(maxlen=5000))
    retries: "Counter[str]" = field(default_factory=Counter)
    refused: "Counter[str]" = field(default_factory=Counter)
    # (sender, text, seq) as acknowledged, by client_id; and those whose fate is unknown.
    kept: dict[str, Kept] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def keep(self, client_id: str, kept: Kept, *, started: float) -> None:
        """Count an acknowledged message."""
        now = time.monotonic()
        self.kept[client_id] = kept
        self.latencies.append(now - started)
        self.recent.append((now, now - started))

    def lately(self, *, over: float = 2.0) -> list[float]:
        """Return the latencies of the last seconds."""
        since = time.monotonic() - over
        return [took for at, took in self.recent if at >= since]

    def line(self) -> str:
        """Return the present state in one line."""
        if not self.began:
            return f"registering  {_counted(self.retries)}"
        span = min(2.0, max(time.monotonic() - self.began, 0.001))
        lately = self.lately(over=span)
        return (
            f"{len(self.latencies)} sent  {len(lately) / span:.0f}/s  {_quick(lately)}"
            f"  {self.retries.total()} retries  {self.refused.total()} refused"
            f"  {self.lag:.1f} s behind"
        )

    def summary(self) -> list[str]:
        """Return the whole of it, in lines."""
        took = max(self.ended - self.began, 0.001)
        count = len(self.latencies)
        lines = [
            f"{count} messages in {took:.1f} s: {count / took:.1f}/s",
            f"latency {_quick(self.latencies)}  max {1000 * max(self.latencies, default=0):.0f} ms",
        ]
        lines += [f"{n} × tried again: {what}" for what, n in self.retries.most_common()]
        lines += [f"{n} × refused: {what}" for what, n in self.refused.most_common()]
        return lines


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _counted(what: "Counter[str]") -> str:
    return "  ".join(f"{n} × {name}" for name, n in what.most_common())


def _quick(values: list[float]) -> str:
    half, most = percentile(values, 0.5), percentile(values, 0.99)
    return f"p50 {1000 * half:.1f} ms  p99 {1000 * most:.1f} ms"


def compare(tally: Tally, items: list[dict[str, Any]]) -> list[str]:
    """Return how a pulled log differs from what was acknowledged, in sentences; none: it does not."""
    wrong = []
    if [item["seq"] for item in items] != list(range(1, len(items) + 1)):
        wrong.append("the seqs are not 1, 2, 3 …")
    said = [item for item in items if not item.get("event")]
    found = {item["client_id"]: (item["sender_id"], item["text"], item["seq"]) for item in said}
    told = {
        "are there twice": len(said) - len(found),
        "were acknowledged and are not there": len(tally.kept.keys() - found.keys()),
        "are there and were never sent": len(found.keys() - tally.kept.keys() - tally.unknown),
        "have another text, sender or seq": sum(
            found[each] != kept for each, kept in tally.kept.items() if each in found
        ),
    }
    return wrong + [f"{count} messages {what}" for what, count in told.items() if count]
