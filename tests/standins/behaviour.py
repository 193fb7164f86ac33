"""What a stand-in was told to answer, and what it has accepted."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

HOWS = ("answer", "hang", "mute", "close", "drip", "leave")


@dataclass
class Order:
    """How to answer: a status, or never (`mute`: but it takes the push), or by closing, byte by byte,
    or leaving (GOAWAY).

    `times`: that often, then as before. `timestamp`: since when a token is dead, as Apple says it."""

    how: str = "answer"
    status: int = 200
    reason: str = ""
    retry_after: str | None = None
    times: int | None = None
    timestamp: int | None = None

    def __post_init__(self) -> None:
        if self.how not in HOWS:
            raise ValueError(f"one of {HOWS}")

    @property
    def takes(self) -> bool:
        """Whether the push is taken, be it told or not."""
        return self.how in ("answer", "mute") and self.status == 200


class Behaviour:
    """Orders by token, and one for all; of one loop."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Accept everything, remember nothing."""
        self.orders: dict[str | None, Order] = {}
        self.accepted: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()

    def order(self, token: str | None, order: Order) -> None:
        """Answer what is for this token, or everything, like that from now on."""
        self.orders[token] = order

    def next(self, token: str) -> Order:
        """Return how to answer now."""
        self.counts["calls"] += 1
        key = token if token in self.orders else None
        found = self.orders.get(key)
        if found is None:
            return Order()
        if found.times is not None:
            found.times -= 1
            if found.times <= 0:
                del self.orders[key]
        return found

    def accept(self, **what: Any) -> None:
        """Remember a push that was taken."""
        self.counts["accepted"] += 1
        self.accepted.append({"at": time.time(), **what})

    def refuse(self, why: str) -> None:
        """Remember that a push broke the protocol."""
        self.counts[f"refused: {why}"] += 1
