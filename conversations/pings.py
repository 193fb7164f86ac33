"""Pings: tell, after a commit, that a head moved. Never blocks, never fails, may be lost.

Values go into one outbox per process, merged by conversation and by user; one thread with a loop of
its own publishes them through the channel layer. While Redis is away they stay merged there and go
out when it is back, so that the senders wait for nothing.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Iterable
from typing import Any

from channels.layers import get_channel_layer

log = logging.getLogger("imsite.pings")
_RETRY = 1.0


class Outbox:
    """What is to be told, merged, and the thread that tells it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.waiting: dict[str, dict[str, Any]] = {}
        self.loop = asyncio.new_event_loop()
        self.awake = asyncio.Event()
        threading.Thread(target=self._run, name="pings", daemon=True).start()

    def put(self, key: str, group: str, news: dict[str, Any]) -> None:
        """Merge news under `key` and wake the thread."""
        with self.lock:
            kept = self.waiting.get(key)
            idle = not self.waiting
            self.waiting[key] = merged(kept, {**news, "group": group})
        if idle:
            self.loop.call_soon_threadsafe(self.awake.set)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._publish())

    async def _publish(self) -> None:
        layer = get_channel_layer()
        while True:
            await self.awake.wait()
            self.awake.clear()
            with self.lock:
                going, self.waiting = self.waiting, {}
            try:
                for key in list(going):
                    news = dict(going[key])
                    await layer.group_send(news.pop("group"), news)
                    del going[key]
            except Exception as error:
                # Whatever Redis did: the news are values and wait.
                log.warning("pings wait for Redis: %s", error)
                with self.lock:
                    for key, news in going.items():
                        self.waiting[key] = merged(news, self.waiting.get(key, {}))
                await asyncio.sleep(_RETRY)
                self.awake.set()


def merged(kept: dict[str, Any] | None, news: dict[str, Any]) -> dict[str, Any]:
    """Return both as one: the highest seqs, all people, the rest as told last."""
    both = {**(kept or {}), **news}
    for name in ("seq", "parted"):
        if kept and name in kept and name in news:
            both[name] = max(kept[name], news[name])
    for name in ("users", "devices"):
        if kept and name in kept and name in news:
            both[name] = sorted({*kept[name], *news[name]})
    return both


_lock = threading.Lock()
_outbox: Outbox | None = None


def _the_outbox() -> Outbox:
    """Return this process's outbox; a forked child starts its own."""
    global _outbox
    with _lock:
        if _outbox is None or _outbox.pid != os.getpid():
            _outbox = Outbox()
        return _outbox


def heads_moved(moves: Iterable[tuple[int, int, int]]) -> None:
    """Tell that logs grew: (conversation, newest seq, newest parting)."""
    outbox = _the_outbox()
    for conversation_id, seq, parted in moves:
        news = {"type": "moved", "c": conversation_id, "seq": seq, "parted": parted}
        outbox.put(f"m{conversation_id}", f"c.{conversation_id}", news)


def _tell_all(conversation_id: int, kind: str, key: str, **news: Any) -> None:
    told = {"type": kind, "c": conversation_id, **news}
    _the_outbox().put(f"{kind}{conversation_id}:{key}", f"c.{conversation_id}", told)


def _tell_one(user_id: int, kind: str, key: str = "", **news: Any) -> None:
    told = {"type": kind, "u": user_id, **news}
    _the_outbox().put(f"{kind}{user_id}:{key}", f"u.{user_id}", told)


def head_changed(conversation_id: int) -> None:
    """Tell all members that their head changed, with no new seq."""
    _tell_all(conversation_id, "changed", "")


def read(conversation_id: int, user_id: int, seq: int) -> None:
    """Tell both of a direct conversation how far one has read."""
    _tell_all(conversation_id, "read", f"{user_id}", u=user_id, seq=seq)


def typing(conversation_id: int, user_id: int) -> None:
    """Tell the others that one is typing."""
    _tell_all(conversation_id, "typing", f"{user_id}", u=user_id)


def user_changed(user_id: int) -> None:
    """Tell a user's devices that something of their own changed."""
    _tell_one(user_id, "synced")


def joined(conversation_id: int, user_ids: Iterable[int]) -> None:
    """Tell new members, whose sockets then follow the conversation."""
    for user_id in user_ids:
        _tell_one(user_id, "joined", f"{conversation_id}", c=conversation_id)


def parted(conversation_id: int, user_ids: Iterable[int]) -> None:
    """Tell those who left or were removed, whose sockets then follow no more."""
    for user_id in user_ids:
        _tell_one(user_id, "parted", f"{conversation_id}", c=conversation_id)


def ended(user_id: int, device_ids: Iterable[int]) -> None:
    """Tell that devices ended: their sockets close."""
    _tell_one(user_id, "ended", devices=sorted(device_ids))
