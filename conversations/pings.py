"""What is announced after a commit: hints that something moved, never what was said.

Call these from any thread of any process, after the commit. They only leave a note for the bus
(conversations.bus): none of them waits for Redis, and none of them raises.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from conversations import bus, following
from conversations.bus import Outbox, PersonPing, TalkPing

log = logging.getLogger("imsite.pings")
# Seconds for which one person's typing in a conversation is told once.
TYPING_EVERY = 3.0
_MAX_TYPED = 10_000

_typed: dict[tuple[int, int], float] = {}
_typed_lock = threading.Lock()


def heads_moved(moves: Iterable[tuple[int, int, int]]) -> None:
    """Announce (conversation, newest seq, newest parting): there is something to pull."""

    def fill(outbox: Outbox) -> None:
        for conversation_id, seq, parted_seq in moves:
            outbox.talk(conversation_id, TalkPing(seq=seq, parted=parted_seq))

    _put(fill)
    following.heads_moved()


def head_changed(conversation_id: int) -> None:
    """Announce that a head reads differently though nothing was added to its log."""
    _put(lambda outbox: outbox.talk(conversation_id, TalkPing(sync=True)))


def user_changed(user_id: int) -> None:
    """Announce that something in this user's sync, and only there, is another now."""
    _put(lambda outbox: outbox.person(user_id, PersonPing(sync=True)))


def joined(conversation_id: int, user_ids: Iterable[int]) -> None:
    """Announce that these people read the conversation from now on."""

    def fill(outbox: Outbox) -> None:
        for user_id in user_ids:
            outbox.person(user_id, PersonPing(sync=True, joined={conversation_id}))

    _put(fill)


def parted(conversation_id: int, user_ids: Iterable[int]) -> None:
    """Announce that these people read the conversation no more."""

    def fill(outbox: Outbox) -> None:
        for user_id in user_ids:
            outbox.person(user_id, PersonPing(sync=True, parted={conversation_id}))

    _put(fill)


def read(conversation_id: int, user_id: int, seq: int) -> None:
    """Announce how far this user has read (direct conversations only)."""
    _put(lambda outbox: outbox.talk(conversation_id, TalkPing(reads={user_id: seq})))


def typing(conversation_id: int, user_id: int, *, parted_seq: int = 0) -> None:
    """Announce that this user is typing, at most once in three seconds.

    `parted_seq` is the newest parting that the caller knew when it looked who may read this.
    """
    if not typed_lately(conversation_id, user_id):
        with _typed_lock:
            if len(_typed) >= _MAX_TYPED:
                _typed.clear()
            _typed[conversation_id, user_id] = time.monotonic()
        ping = TalkPing(parted=parted_seq, typing={user_id})
        _put(lambda outbox: outbox.talk(conversation_id, ping))


def typed_lately(conversation_id: int, user_id: int) -> bool:
    """Say whether the others know already that this user is typing."""
    told_at = _typed.get((conversation_id, user_id))
    return told_at is not None and time.monotonic() - told_at < TYPING_EVERY


def ended(user_id: int, device_ids: Iterable[int]) -> None:
    """Announce that these devices may have ended, so that their sockets are looked at now."""
    ping = PersonPing(ended=set(device_ids))
    _put(lambda outbox: outbox.person(user_id, ping))


def _put(fill: Callable[[Outbox], None]) -> None:
    try:
        bus.the_bus().put(fill)
    except Exception:
        # The commit stands: nothing that fails here may turn it into an error for the caller.
        log.exception("a ping was lost")
