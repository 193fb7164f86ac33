"""Hands each ping of this process once to the local sockets that may know of it (design §7).

One subscriber for all: a group message costs the bus one delivery per process, and reaches each
socket by a method call. A ping says up to which seq somebody lost access (`parted`); before one is
handed on that knows of a later parting than the hub, the hub asks who may still read.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, TypeVar

from django.conf import settings

from accounts import tokens
from conversations import members
from conversations.bus import PersonPing, TalkPing
from conversations.crowd import Person, Talk, Watcher
from conversations.ear import Ear
from conversations.pacing import Pacer
from conversations.sweep import Sweep
from imsite.core import clock
from imsite.core.pools import Pool

log = logging.getLogger("imsite.hub")
T = TypeVar("T")
# Seconds for which a user without sockets stays known, so that polling in turns costs no joining.
LINGER = 30.0
# Seconds after which the conversations of a user are read anew even if no ping said so.
REREAD = 60.0
# Seconds that a look into the database may take, and one that a new socket waits for.
_PATIENCE = 2.0
_JOIN_PATIENCE = 10.0
# Sockets and waiting requests of one user in one process; the oldest goes when one more comes.
_MAX_WATCHERS = 100
_TICK = 1.0

_joins = Pool("hub-join", 2, most=20_000)
_checks = Pool("hub-check", 2, most=20_000)


class Hub:
    """The people and conversations that this process serves, and what it has told them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.people: dict[int, Person] = {}
        self.talks: dict[int, Talk] = {}
        self.pacer = Pacer()
        self.ear = Ear(self.heard)
        self._tasks: set[asyncio.Task[None]] = set()
        sweep = Sweep(self)
        for endless in (self.ear.listen(), sweep.run(), sweep.beat(), self._tend()):
            self.spawn(endless)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside; the hub keeps hold of it."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Hear and tell nothing more; a Redis that hangs while it is left delays nobody's leaving."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        # Whoever stops a second time finds none.
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)

    async def ask(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return what a look into the database gives, or raise TimeoutError or what it raised."""
        async with asyncio.timeout(_PATIENCE):
            return await _checks.ask(call, *args, **kwargs)

    async def join(self, watcher: Watcher) -> None:
        """Tell this watcher from now on what its user may know.

        What was committed before this returns may go untold; all that comes later is told.
        """
        person = self._person(watcher.caller.user_id)
        person.watchers[watcher] = None
        if settings.IM_LIMITS and len(person.watchers) > _MAX_WATCHERS:
            next(iter(person.watchers)).close(4429)
        try:
            if not person.heard:
                await self.ear.join([f"u.{person.id}"])
                person.heard = True
            if watcher.exact or not person.was_read(within=REREAD, now=self.loop.time()):
                await self.reread(person, pool=_joins, patience=_JOIN_PATIENCE)
        except BaseException:
            self.leave(watcher)
            raise

    def leave(self, watcher: Watcher) -> None:
        """Tell this watcher nothing more."""
        person = self.people.get(watcher.caller.user_id)
        if person is not None:
            person.watchers.pop(watcher, None)
            person.idle_since = self.loop.time()

    def _person(self, user_id: int) -> Person:
        person = self.people.get(user_id)
        if person is None:
            person = self.people[user_id] = Person(user_id, now=self.loop.time())
        return person

    async def reread(
        self, person: Person, *, pool: Pool = _checks, patience: float = _PATIENCE
    ) -> None:
        """Bring the conversations of a user up to what the database says."""
        async with person.lock:
            while True:
                asked_at = self.loop.time()
                async with asyncio.timeout(patience):
                    view = await pool.ask(members.socket_view, person.id)
                fresh = [each[0] for each in view if each[0] not in self.talks]
                if not fresh:
                    break
                # Joined first and read after, so that nothing falls in between.
                for conversation_id in fresh:
                    self.talks[conversation_id] = Talk(now=asked_at)
                await self.ear.join(f"c.{conversation_id}" for conversation_id in fresh)
            self._settle(person, view)
            person.read_at, person.is_stale = asked_at, False

    def _settle(self, person: Person, view: Iterable[tuple[int, int, int]]) -> None:
        late = person.read_at > 0
        heads = {conversation_id: (seq, parted) for conversation_id, seq, parted in view}
        gained, lost = heads.keys() - person.talks, person.talks - heads.keys()
        for conversation_id in gained:
            seq, parted = heads[conversation_id]
            # Who comes later was not asked for this head at the hello: it is told now.
            self.talks[conversation_id].enter(person, seq=seq - late, parted=parted)
            person.talks.add(conversation_id)
            if late:
                self.hear_talk(conversation_id, TalkPing(seq=seq, parted=parted))
        for conversation_id in lost:
            self.part(person, conversation_id)
        if late and (gained or lost):
            person.sync()

    def part(self, person: Person, conversation_id: int) -> None:
        """Tell a user nothing more of a conversation."""
        person.talks.discard(conversation_id)
        if talk := self.talks.get(conversation_id):
            talk.people.pop(person.id, None)
            talk.idle_since = self.loop.time()
        for watcher in person.watchers:
            watcher.forget(conversation_id)

    def heard(self, message: dict[str, Any]) -> None:
        """Take a message of the bus."""
        if "c" in message:
            self.hear_talk(message["c"], TalkPing.unwire(message["d"]))
        else:
            self.hear_person(message["u"], PersonPing.unwire(message["d"]))

    def hear_talk(self, conversation_id: int, ping: TalkPing) -> None:
        """Tell those in a conversation, but only who may still read it."""
        talk = self.talks.get(conversation_id)
        if talk is None or not talk.people:
            return
        if not talk.checking and ping.parted <= talk.parted:
            talk.tell(conversation_id, ping)
            return
        talk.held.merge(ping)
        if not talk.checking:
            talk.checking = True
            self.spawn(self._check(talk, conversation_id))

    async def _check(self, talk: Talk, conversation_id: int) -> None:
        """Let go who parted, then tell the others what was held back."""
        try:
            while talk.held.parted > talk.parted:
                parted, asked = talk.held.parted, set(talk.people)
                may = await self.ask(members.still, conversation_id, asked)
                self._let_go(talk, conversation_id, asked - may)
                # Who came in meanwhile was not asked for, and is in the next round.
                if talk.people.keys() <= asked:
                    talk.parted = max(talk.parted, parted)
            held, talk.held = talk.held, TalkPing()
            talk.tell(conversation_id, held)
        except Exception as error:
            # The next sweep sees the parting again, and closes all if nobody can be asked.
            log.warning("who may read could not be asked: %s", type(error).__name__)
        finally:
            talk.checking = False

    def _let_go(self, talk: Talk, conversation_id: int, gone: Collection[int]) -> None:
        for user_id in gone:
            if person := talk.people.get(user_id):
                self.part(person, conversation_id)
                person.sync()

    def hear_person(self, user_id: int, ping: PersonPing) -> None:
        """Tell a user alone."""
        person = self.people.get(user_id)
        if person is None:
            return
        for conversation_id in ping.parted & person.talks:
            self.part(person, conversation_id)
        if ping.sync:
            person.sync()
        if ping.joined or ping.parted:
            self.spawn(self._reread_now(person))
        if ping.ended:
            own = [each for each in person.watchers if each.caller.device_id in ping.ended]
            self.spawn(self._end_now(own))

    async def _reread_now(self, person: Person) -> None:
        try:
            await self.reread(person)
        except Exception as error:
            person.is_stale = True
            log.warning("a user's conversations could not be read: %s", type(error).__name__)

    async def _end_now(self, watchers: list[Watcher]) -> None:
        try:
            await self.end(watchers)
        except Exception as error:
            log.warning("ended devices could not be asked for: %s", type(error).__name__)

    async def end(self, watchers: Collection[Watcher]) -> None:
        """Close those whose device ended or whose user may not call any more."""
        callers = {watcher.caller for watcher in watchers}
        gone = await self.ask(tokens.ended, callers, now=clock.now()) if callers else set()
        for watcher in watchers:
            if watcher.caller in gone:
                watcher.close(4401)

    def watchers(self) -> list[Watcher]:
        """Return all sockets and waiting requests."""
        return [watcher for person in self.people.values() for watcher in person.watchers]

    async def _tend(self) -> None:
        """Let time pass for all, and forget who is gone."""
        while True:
            await asyncio.sleep(_TICK)
            now = self.loop.time()
            for watcher in self.watchers():
                watcher.tick(now)
            await self._forget_idle(now - LINGER)

    async def _forget_idle(self, since: float) -> None:
        groups = []
        for person in list(self.people.values()):
            if not person.watchers and person.idle_since < since and not person.lock.locked():
                for conversation_id in list(person.talks):
                    self.part(person, conversation_id)
                del self.people[person.id]
                groups.append(f"u.{person.id}")
        for conversation_id, talk in list(self.talks.items()):
            if not talk.people and talk.idle_since < since:
                del self.talks[conversation_id]
                groups.append(f"c.{conversation_id}")
        if groups:
            await self.ear.leave(groups)


_hub: Hub | None = None


def the_hub() -> Hub:
    """Return this process's hub, of the running event loop."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        _hub = Hub()
    return _hub


def dismiss(*, sockets: bool = False) -> None:
    """Have all waiting requests answered now: the server leaves, and would wait for them.

    With `sockets` these are closed too, for a server that would not do it.
    """
    if _hub is not None:
        for watcher in _hub.watchers():
            if sockets or not watcher.exact:
                watcher.close(1012)


async def stop() -> None:
    """Stop the hub if there is one."""
    if _hub is not None and _hub.loop is asyncio.get_running_loop():
        await _hub.stop()
