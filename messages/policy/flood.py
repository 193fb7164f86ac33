"""Floods: how often one text came lately, counted on valkey for all processes, here while it is away."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Self

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from imsite.core import fibers, valkey

log = logging.getLogger("messages.policy")

# Seconds to wait for valkey, and for which it is left alone after it failed.
_PATIENCE = 0.08
_PAUSE = 2.0
# Sends of one text that are remembered beyond those that a rule lets through.
_BEYOND = 1_000
# Texts counted in this process while valkey is away: forgetting beats growing.
_MOST_TEXTS = 10_000


@dataclass(frozen=True, slots=True)
class Sighting:
    """One send of a text under a rule; `id` is the same for each retry of that send."""

    key: str
    id: str
    times: int
    seconds: int

    @classmethod
    def of(cls, *, rule_id: int, whose: int, text: str, id: str, times: int, seconds: int) -> Self:
        """Return the sighting of folded text by a sender, or of anyone's (`whose` 0)."""
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return cls(f"im:flood:{rule_id}:{whose}:{digest}", id, times, seconds)


def count(sightings: Sequence[Sighting], *, now: float) -> list[bool]:
    """Note these sends (`now` in seconds) and say of each whether too many came before it.

    A send counts once, however often it is tried again.
    """
    if _shared.open():
        try:
            places = fibers.aside(_ask, _client(settings.IM_REDIS_URL), sightings, now)
        except (RedisError, OSError) as error:
            _shared.failed(error)
        else:
            _shared.answered()
            return [place >= each.times for place, each in zip(places, sightings, strict=True)]
    return [_here.place(each, now=now) >= each.times for each in sightings]


def _ask(client: "Redis", sightings: Sequence[Sighting], now: float) -> list[int]:
    with client.pipeline(transaction=False) as calls:
        for n, each in enumerate(sightings):
            calls.zremrangebyscore(each.key, "-inf", now - each.seconds)
            # A microsecond apart, so that those of one call keep their order.
            calls.zadd(each.key, {each.id: now + n / 1e6}, nx=True)
            calls.zremrangebyrank(each.key, 0, -(each.times + _BEYOND))
            calls.expire(each.key, each.seconds + 1)
            calls.zrank(each.key, each.id)
        answers = calls.execute()
    # Of two processes one may have trimmed what the other just noted: then there were enough.
    return [
        each.times if place is None else int(place)
        for place, each in zip(answers[4::5], sightings, strict=True)
    ]


@lru_cache(maxsize=4)
def _client(url: str) -> Redis:
    return valkey.client(url, patience=_PATIENCE)


class _Here:
    """The counts of this process, bounded: the texts met longest ago are forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, dict[str, float]] = OrderedDict()

    def place(self, sighting: Sighting, *, now: float) -> int:
        """Note a sighting and return how many of its text came before it and still count."""
        with self._lock:
            kept = self._seen.setdefault(sighting.key, {})
            self._seen.move_to_end(sighting.key)
            for old in [each for each, at in kept.items() if at <= now - sighting.seconds]:
                del kept[old]
            if len(kept) < sighting.times + _BEYOND:
                kept.setdefault(sighting.id, now)
            if len(self._seen) > _MOST_TEXTS:
                self._seen.popitem(last=False)
            return list(kept).index(sighting.id) if sighting.id in kept else len(kept)


_shared = valkey.Respite(log, instead="floods are counted here", pause=_PAUSE)
_here = _Here()
