"""What one socket is told: pings merged and paced, answers in turn, and nothing kept without bound."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from conversations import frames
from imsite.core import metrics

# Seconds between two pings to one socket; more when the process is behind.
EVERY = 0.1
_MOST_EVERY = 2.0
_TICK = 0.05
# Answers that a client may have waiting before no more of its frames are read.
_MAX_OWED = 64
# Conversations told of in one frame.
_MAX_HEADS = 500
_MAX_READS = 100
_SEQ, _SYNC, _READ, _TYPING = "seq", "sync", "read", "typing"

Say = Callable[[dict[str, Any]], Awaitable[None]]


class Pacer:
    """When sockets may be pinged again: one timer for all that must wait."""

    def __init__(self) -> None:
        self.interval = EVERY
        self._loop = asyncio.get_running_loop()
        self._late: set[Outgoing] = set()
        self._due_at = 0.0

    def later(self, outgoing: "Outgoing") -> None:
        """Let this one try again soon."""
        if not self._late:
            self._due_at = self._loop.time() + _TICK
            self._loop.call_at(self._due_at, self._tick)
        self._late.add(outgoing)

    def _tick(self) -> None:
        # A late timer means that the loop has more to do than it can: then everybody hears less.
        lag = self._loop.time() - self._due_at
        self.interval = min(_MOST_EVERY, max(EVERY, 4 * lag))
        late, self._late = self._late, set()
        for outgoing in late:
            outgoing.hurry()


class Outgoing:
    """The frames of one socket on their way; sends them one after the other while there are any."""

    __slots__ = (
        "_answers",
        "_due_at",
        "_owed",
        "_pacer",
        "_queue",
        "_room",
        "_say",
        "_stopped",
        "_task",
        "stuck_since",
    )

    def __init__(self, say: Say, pacer: Pacer) -> None:
        self._say = say
        self._pacer = pacer
        self._answers: list[str] = []
        # By kind (reads and typing by who), in the order in which the kinds became due.
        self._queue: dict[Any, Any] = {}
        # Nothing is due before the hello.
        self._due_at = math.inf
        self._owed = 0
        self._room: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        # Loop time since which a frame waits for the client to read; 0 for none.
        self.stuck_since = 0.0

    def begin(self, hello: str) -> None:
        """Say hello, and from now on whatever comes."""
        self._due_at = 0.0
        self.owe()
        self.answer(hello)

    def stop(self) -> None:
        """Say nothing more."""
        self._stopped = True
        self._queue.clear()
        self._answers.clear()
        self._make_room()

    def moved(self, conversation_id: int, seq: int) -> None:
        """Tell the newest seq of a conversation."""
        heads = self._queue.setdefault(_SEQ, {})
        if conversation_id in heads:
            metrics.frames_spared.add()
        heads[conversation_id] = max(seq, heads.get(conversation_id, 0))
        self.hurry()

    def sync(self) -> None:
        """Tell that something else changed."""
        self._queue.setdefault(_SYNC)
        self.hurry()

    def read(self, conversation_id: int, user_id: int, seq: int) -> None:
        """Tell how far a peer has read."""
        if len(self._queue) > _MAX_READS:
            # The heads say it too.
            self.sync()
            return
        key = (_READ, conversation_id, user_id)
        self._queue[key] = max(seq, self._queue.get(key, 0))
        self.hurry()

    def typing(self, conversation_id: int, user_id: int) -> None:
        """Tell who is typing, unless there is something better to say."""
        if not self._queue:
            self._queue[_TYPING, conversation_id, user_id] = None
            self.hurry()

    def forget(self, conversation_id: int) -> None:
        """Tell nothing of this conversation that is not told yet."""
        heads = self._queue.get(_SEQ, {})
        heads.pop(conversation_id, None)
        if not heads:
            self._queue.pop(_SEQ, None)
        about = [key for key in self._queue if isinstance(key, tuple) and key[1] == conversation_id]
        for key in about:
            del self._queue[key]

    def owe(self) -> None:
        """Count a frame of the client that will be answered."""
        self._owed += 1

    def answer(self, text: str) -> None:
        """Answer a frame that was counted."""
        if not self._stopped:
            self._answers.append(text)
            self._start()

    async def room(self) -> None:
        """Wait until the client has read enough of its answers."""
        while self._owed >= _MAX_OWED and not self._stopped:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def hurry(self) -> None:
        """Ping now if it is time; else, or while frames are under way, soon."""
        if self._task is not None or self._stopped or self._due_at == math.inf:
            return
        if asyncio.get_running_loop().time() >= self._due_at:
            self._start()
        elif self._queue:
            self._pacer.later(self)

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self._stopped:
                if self._answers:
                    text, answers = self._answers.pop(0), True
                    metrics.frames_told.add("answer")
                elif self._queue and loop.time() >= self._due_at:
                    text, answers = self._next(), False
                    self._due_at = loop.time() + self._pacer.interval
                else:
                    break
                self.stuck_since = loop.time()
                await self._say({"type": "websocket.send", "text": text})
                self.stuck_since = 0.0
                if answers:
                    self._owed -= 1
                    self._make_room()
        except Exception:
            # Each server has its own way to say that the client is gone; the disconnect is on its way.
            self.stop()
        finally:
            self._task = None
        if self._queue:
            self._pacer.later(self)

    def _next(self) -> str:
        key = next(iter(self._queue))
        value = self._queue.pop(key)
        metrics.frames_told.add(key if isinstance(key, str) else key[0])
        if key == _SYNC:
            return frames.SYNC
        if key == _SEQ:
            return self._seqs(value)
        kind, conversation_id, user_id = key
        if kind == _READ:
            return frames.read(conversation_id, user_id, value)
        return frames.typing(conversation_id, user_id)

    def _seqs(self, heads: dict[int, int]) -> str:
        pairs = list(heads.items())
        if rest := pairs[_MAX_HEADS:]:
            self._queue[_SEQ] = dict(rest)
        return frames.seqs(tuple(pairs[:_MAX_HEADS]))

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
