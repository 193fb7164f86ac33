"""Whom a hub serves: the local people with their sockets, and the conversations they are in."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from accounts.tokens import Caller
from conversations.bus import TalkPing
from conversations.pacing import AT_ONCE


class Watcher(Protocol):
    """A socket, or a request that waits for changes."""

    caller: Caller
    # Whether it must hear of every head within seconds; False may learn late that it is in another.
    exact: bool

    def moved(self, conversation_id: int, seq: int) -> None:
        """The head of a conversation moved."""

    def sync(self) -> None:
        """Something else in the user's sync changed."""

    def read(self, conversation_id: int, user_id: int, seq: int) -> None:
        """A peer has read up to here."""

    def typing(self, conversation_id: int, user_id: int) -> None:
        """Somebody else is typing."""

    def forget(self, conversation_id: int) -> None:
        """The user may not read this conversation any more."""

    def tick(self, now: float) -> None:
        """About a second has passed; `now` is the loop's time."""

    def close(self, code: int) -> None:
        """It is over, for the reason that `code` says."""


class Talk:
    """A conversation with people here, and how far they have been served."""

    __slots__ = ("_next", "_telling", "checking", "held", "idle_since", "parted", "people", "seq")

    def __init__(self, *, now: float) -> None:
        self.people: dict[int, Person] = {}
        # The newest seq that was told, and the newest parting that was looked into.
        self.seq = 0
        self.parted = 0
        # While a parting is looked into, pings are held back here.
        self.checking = False
        self.held = TalkPing()
        # Whether some are still to be told in the turns to come, and what everybody is told after it.
        self._telling = False
        self._next = TalkPing()
        self.idle_since = now

    def enter(self, person: "Person", *, seq: int, parted: int) -> None:
        """Let somebody in who was a member when the head stood like this.

        For the others nothing newer than they were told may count as told, nor for the newcomer:
        the lower value makes the next sweep tell, and look into partings, once more.
        """
        self.seq = min(self.seq, seq) if self.people else seq
        self.parted = min(self.parted, parted) if self.people else parted
        self.people[person.id] = person

    def tell(self, conversation_id: int, ping: TalkPing) -> None:
        """Tell everybody here; each only what is new, and not his own; of many the first at once.

        What comes while others are being told is merged, and told after it.
        """
        if self._telling:
            self._next.merge(ping)
            return
        self._telling = True
        moved = ping.seq > self.seq
        self.seq = max(self.seq, ping.seq)
        self._tell_some(iter(list(self.people.values())), conversation_id, ping, moved)

    def _tell_some(
        self, people: "Iterator[Person]", conversation_id: int, ping: TalkPing, moved: bool
    ) -> None:
        some = list(islice(people, AT_ONCE))
        # In between frames go out, and their clients need not wait until all sockets know.
        soon = asyncio.get_running_loop().call_soon
        if len(some) == AT_ONCE:
            soon(self._tell_some, people, conversation_id, ping, moved)
        else:
            self._telling = False
            if self._next != TalkPing():
                following, self._next = self._next, TalkPing()
                soon(self.tell, conversation_id, following)
        more = ping.sync or ping.reads or ping.typing
        for person in some:
            # Who was here when the first were told may be gone by now.
            if person.id not in self.people:
                continue
            for watcher in list(person.watchers):
                if moved:
                    watcher.moved(conversation_id, ping.seq)
                if more:
                    _tell_more(person.id, watcher, conversation_id, ping)


def _tell_more(own_id: int, watcher: Watcher, conversation_id: int, ping: TalkPing) -> None:
    if ping.sync:
        watcher.sync()
    for user_id, seq in ping.reads.items():
        if user_id != own_id:
            watcher.read(conversation_id, user_id, seq)
    for user_id in ping.typing:
        if user_id != own_id:
            watcher.typing(conversation_id, user_id)


class Person:
    """A user with watchers here, or who had some a moment ago."""

    __slots__ = ("heard", "id", "idle_since", "is_stale", "lock", "read_at", "talks", "watchers")

    def __init__(self, user_id: int, *, now: float) -> None:
        self.id = user_id
        # A dict for its order: the first is the oldest.
        self.watchers: dict[Watcher, None] = {}
        self.talks: set[int] = set()
        self.heard = False
        # Loop time of the newest look at the memberships; 0 for none.
        self.read_at = 0.0
        # Whether something is known to have been missed since.
        self.is_stale = False
        self.idle_since = now
        self.lock = asyncio.Lock()

    def was_read(self, *, within: float, now: float) -> bool:
        """Say whether the memberships were looked at in the last `within` seconds."""
        return not self.is_stale and self.read_at > 0 and now - self.read_at <= within

    def sync(self) -> None:
        """Tell all watchers that something changed."""
        for watcher in list(self.watchers):
            watcher.sync()
