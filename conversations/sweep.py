"""Finds what pings lost: compares heads, devices and memberships with the database, every few seconds."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from conversations import members
from conversations.bus import TalkPing
from imsite.core import metrics

if TYPE_CHECKING:
    from conversations.hub import Hub

log = logging.getLogger("imsite.sweep")
T = TypeVar("T")
# Seconds between two looks; a ping that was lost is told by the next.
EVERY = 3.0
# Seconds without a look after which sockets are closed rather than left believing that nothing moves.
STALE = 5.0
# Seconds that one round may spend on reading memberships anew; the rest waits for the next.
_REREADING = 1.0
# Seconds over which the questions for heads are spread.
_SPREAD = 1.0
_RETRY = 0.5
_CHUNK = 500
_REREAD_AFTER = 60.0


class Sweep:
    """The rounds of one hub."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._sound_at = hub.loop.time()

    async def run(self) -> None:
        """Look again and again, for as long as the task lives."""
        loop = self._hub.loop
        while True:
            began = loop.time()
            metrics.hand_over()
            try:
                await self._look()
                self._sound_at = loop.time()
                await asyncio.sleep(max(_RETRY, began + EVERY - loop.time()))
            except Exception as error:
                # Whatever it is, sockets must not go on without these looks.
                log.warning("heads could not be compared: %s", type(error).__name__)
                self._give_up_if_stale()
                await asyncio.sleep(_RETRY)

    async def _look(self) -> None:
        await self._heads()
        for some in _chunks(self._hub.watchers()):
            await self._hub.end(some)
        await self._memberships()

    async def beat(self) -> None:
        """Make sure that pings are heard, for as long as the task lives; beside the looks, since
        a Redis that hangs must not delay them."""
        while True:
            if await self._hub.ear.beat():
                self._after_deafness()
            await asyncio.sleep(EVERY)

    def _after_deafness(self) -> None:
        """Have everybody look again at what no head tells: what was said meanwhile is lost."""
        for person in self._hub.people.values():
            person.sync()
            person.is_stale = True

    async def _heads(self) -> None:
        ids = [key for key, talk in self._hub.talks.items() if talk.people]
        pause = _SPREAD / (1 + len(ids) // _CHUNK)
        for some in _chunks(ids):
            for conversation_id, seq, parted in await self._hub.ask(members.heads, some):
                self._hub.hear_talk(conversation_id, TalkPing(seq=seq, parted=parted))
            if len(ids) > _CHUNK:
                await asyncio.sleep(pause)

    async def _memberships(self) -> None:
        loop = self._hub.loop
        began = loop.time()
        due = [
            person
            for person in self._hub.people.values()
            if person.watchers and not person.was_read(within=_REREAD_AFTER, now=began)
        ]
        for person in sorted(due, key=lambda each: each.read_at):
            if loop.time() - began > _REREADING:
                break
            await self._hub.reread(person)

    def _give_up_if_stale(self) -> None:
        if self._hub.loop.time() - self._sound_at > STALE:
            for watcher in self._hub.watchers():
                watcher.close(1013)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
