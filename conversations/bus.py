"""Carries pings to the channel layer: one merged outbox and one thread in each process.

What cannot be published stays merged in the outbox, and is tried again until Redis is back.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

from channels.layers import get_channel_layer
from django.conf import settings

from imsite.core import metrics, valkey

log = logging.getLogger("imsite.bus")
# Seconds between two flushes under load: what moves meanwhile is merged.
_EVERY = 0.02
# Seconds that one round trip may take, and messages in it.
_PATIENCE = 2.0
_AT_ONCE = 256
# Seconds until the next try while Redis is away.
_PAUSE = 0.5
# Seconds that an ending process waits for its last pings.
_FAREWELL = 1.0
# Conversations, and people, kept while Redis is away; sweeps and polls repair what is forgotten.
_MAX_KEPT = 50_000


@dataclass(slots=True)
class TalkPing:
    """What is to be said to those in a conversation."""

    seq: int = 0
    parted: int = 0
    sync: bool = False
    reads: dict[int, int] = field(default_factory=dict)
    typing: set[int] = field(default_factory=set)

    def merge(self, other: "TalkPing") -> None:
        """Take in another, earlier or later."""
        self.seq = max(self.seq, other.seq)
        self.parted = max(self.parted, other.parted)
        self.sync |= other.sync
        self.typing |= other.typing
        for user_id, seq in other.reads.items():
            self.reads[user_id] = max(seq, self.reads.get(user_id, 0))

    def wire(self, conversation_id: int) -> dict[str, Any]:
        """Return the message for the layer."""
        reads, typing = list(self.reads.items()), list(self.typing)
        return {"c": conversation_id, "d": [self.seq, self.parted, self.sync, reads, typing]}

    @classmethod
    def unwire(cls, data: list[Any]) -> Self:
        """Return what a message says."""
        seq, parted, sync, reads, typing = data
        return cls(seq, parted, sync, {user_id: to for user_id, to in reads}, set(typing))


@dataclass(slots=True)
class PersonPing:
    """What is to be said to one user alone."""

    sync: bool = False
    joined: set[int] = field(default_factory=set)
    parted: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)

    def merge(self, other: "PersonPing") -> None:
        """Take in another, earlier or later."""
        self.sync |= other.sync
        self.joined |= other.joined
        self.parted |= other.parted
        self.ended |= other.ended

    def wire(self, user_id: int) -> dict[str, Any]:
        """Return the message for the layer."""
        sets = [list(each) for each in (self.joined, self.parted, self.ended)]
        return {"u": user_id, "d": [self.sync, *sets]}

    @classmethod
    def unwire(cls, data: list[Any]) -> Self:
        """Return what a message says."""
        sync, joined, parted, ended = data
        return cls(sync, set(joined), set(parted), set(ended))


class Outbox:
    """Pings on their way, merged by conversation and by user."""

    def __init__(self) -> None:
        self.talks: dict[int, TalkPing] = {}
        self.people: dict[int, PersonPing] = {}
        self.merged = 0

    def __bool__(self) -> bool:
        return bool(self.talks or self.people)

    def talk(self, conversation_id: int, ping: TalkPing) -> None:
        """Add a ping for a conversation."""
        if kept := self.talks.get(conversation_id):
            self.merged += 1
            kept.merge(ping)
        else:
            _make_room(self.talks)
            self.talks[conversation_id] = ping

    def person(self, user_id: int, ping: PersonPing) -> None:
        """Add a ping for a user."""
        if kept := self.people.get(user_id):
            self.merged += 1
            kept.merge(ping)
        else:
            _make_room(self.people)
            self.people[user_id] = ping

    def absorb(self, other: "Outbox") -> None:
        """Take back what could not be said, but for typing, which is over by then."""
        for conversation_id, talk in other.talks.items():
            talk.typing.clear()
            self.talk(conversation_id, talk)
        for user_id, person in other.people.items():
            self.person(user_id, person)

    def portion(self, most: int) -> list[tuple[str, dict[str, Any]]]:
        """Return (group, message) of up to so many pings, people's first."""
        people = [(f"u.{key}", ping.wire(key)) for key, ping in islice(self.people.items(), most)]
        talks = islice(self.talks.items(), most - len(people))
        return people + [(f"c.{key}", ping.wire(key)) for key, ping in talks]

    def said(self, count: int) -> None:
        """Be done with the first so many pings."""
        for kept in (self.people, self.talks):
            for key in list(islice(kept, count)):
                del kept[key]
                count -= 1


def _make_room(kept: dict[int, Any]) -> None:
    if len(kept) >= _MAX_KEPT:
        del kept[next(iter(kept))]


class Bus:
    """The outbox of this process and the thread that empties it."""

    def __init__(self) -> None:
        self._outbox = Outbox()
        self._ready = threading.Condition()
        self._busy = False
        self._failing = False
        threading.Thread(target=self._run, name="pings", daemon=True).start()

    def put(self, fill: Callable[[Outbox], None]) -> None:
        """Let `fill` add to the outbox, and wake the thread."""
        with self._ready:
            fill(self._outbox)
            self._ready.notify()

    def drain(self, seconds: float) -> None:
        """Wait until all is said, unless Redis is away."""
        deadline = time.monotonic() + seconds
        while (self._busy or self._outbox) and not self._failing and time.monotonic() < deadline:
            time.sleep(0.005)

    def _run(self) -> None:
        publisher = Publisher()
        while True:
            batch = self._take()
            metrics.pings_merged.inc(batch.merged)
            try:
                publisher.publish(batch)
                self._worked()
            except Exception as error:
                # Whatever it was: the thread must live, and what is left is tried again.
                self._failed(batch, error)
            time.sleep(_PAUSE if self._failing else _EVERY)

    def _take(self) -> Outbox:
        with self._ready:
            self._busy = False
            while not self._outbox:
                self._ready.wait()
            self._busy = True
            batch, self._outbox = self._outbox, Outbox()
            return batch

    def _worked(self) -> None:
        if self._failing:
            self._failing = False
            log.info("pings go out again")

    def _failed(self, batch: Outbox, error: Exception) -> None:
        metrics.pings_failed.inc()
        with self._ready:
            self._outbox.absorb(batch)
        if not self._failing:
            self._failing = True
            log.warning("pings wait, Redis failed: %s", type(error).__name__)


class Publisher:
    """Says to Redis what the channel layer's group_send would, many messages in one round trip.

    The layer itself takes a round trip and a hundred microseconds for each of them.
    """

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._prefix = settings.IM_BUS_PREFIX
        self._redis = valkey.client(settings.IM_REDIS_URL, patience=_PATIENCE)

    def publish(self, batch: Outbox) -> None:
        """Say what is in the batch; if that fails, what was not said is left in it, or more."""
        while some := batch.portion(_AT_ONCE):
            with self._redis.pipeline(transaction=False) as line:
                for group, message in some:
                    name = f"{self._prefix}__group__{group}"
                    line.publish(name, self._layer.serialize(message))
                line.execute()
            batch.said(len(some))
            metrics.pings_published.inc(len(some))


_lock = threading.Lock()
_bus: Bus | None = None


def the_bus() -> Bus:
    """Return this process's bus; a forked child starts its own."""
    global _bus
    with _lock:
        if _bus is None:
            _bus = Bus()
        return _bus


def _forget() -> None:
    # The child of a fork has none of the threads, and perhaps a lock that nobody will release.
    global _bus, _lock
    _bus, _lock = None, threading.Lock()


def _finish() -> None:
    if _bus is not None:
        _bus.drain(_FAREWELL)


os.register_at_fork(after_in_child=_forget)
atexit.register(_finish)
