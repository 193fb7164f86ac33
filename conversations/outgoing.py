"""What one socket is told: pings merged and paced, answers in turn, and nothing kept without bound."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from conversations import frames
from conversations.pacing import Pacer
from imsite.core import metrics
from imsite.core.textframe import TextFrame, Write

# Answers that a client may have waiting before no more of its frames are read.
_MAX_OWED = 64
# Conversations told of in one frame.
_MAX_HEADS = 500
_MAX_READS = 100
_SEQ, _SYNC, _READ, _TYPING = "seq", "sync", "read", "typing"

Say = Callable[[dict[str, Any]], Awaitable[None]]
# Is stopped; has not said hello; has nothing to say; waits for its turn to ping; has frames under way.
_OVER, _NEW, _IDLE, _WAITING, _SAYING = range(5)


class Outgoing:
    """The frames of one socket on their way; one after the other, as fast as the client reads."""

    __slots__ = (
        "_answers",
        "_owed",
        "_pacer",
        "_queue",
        "_room",
        "_say",
        "_state",
        "_task",
        "_write",
        "due_at",
        "stuck_since",
    )

    def __init__(self, say: Say, write: Write, pacer: Pacer) -> None:
        self._say = say
        self._write = write
        self._pacer = pacer
        self._state = _NEW
        self._answers: list[TextFrame] = []
        # By kind (reads and typing by who), in the order in which the kinds became due.
        self._queue: dict[Any, Any] = {}
        # Loop time before which it is not pinged again.
        self.due_at = 0.0
        self._owed = 0
        self._room: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        # Loop time since which a frame waits for the client to read; 0 for none.
        self.stuck_since = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing more is said."""
        return self._state == _OVER

    @property
    def is_full(self) -> bool:
        """Whether the client has to read answers before more of its frames are taken."""
        return self._owed >= _MAX_OWED

    def begin(self, hello: TextFrame) -> None:
        """Say hello, and from now on whatever comes."""
        if self._state == _NEW:
            self._state = _IDLE
        self.owe()
        self.answer(hello)
        self._hurry()

    def stop(self) -> None:
        """Say nothing more."""
        self._state = _OVER
        self._queue.clear()
        self._answers.clear()
        self._make_room()

    def moved(self, conversation_id: int, seq: int) -> None:
        """Tell the newest seq of a conversation."""
        heads = self._queue.get(_SEQ)
        if heads is None:
            self._queue[_SEQ] = {conversation_id: seq}
        else:
            if conversation_id in heads:
                metrics.frames_spared.add()
            heads[conversation_id] = max(seq, heads.get(conversation_id, 0))
        if self._state == _IDLE:
            self._state = _WAITING
            self._pacer.soon(self)

    def sync(self) -> None:
        """Tell that something else changed."""
        self._queue.setdefault(_SYNC)
        self._hurry()

    def read(self, conversation_id: int, user_id: int, seq: int) -> None:
        """Tell how far a peer has read."""
        if len(self._queue) > _MAX_READS:
            # The heads say it too.
            self.sync()
            return
        key = (_READ, conversation_id, user_id)
        self._queue[key] = max(seq, self._queue.get(key, 0))
        self._hurry()

    def typing(self, conversation_id: int, user_id: int) -> None:
        """Tell who is typing, unless there is something better to say."""
        if not self._queue:
            self._queue[_TYPING, conversation_id, user_id] = None
            self._hurry()

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

    def answer(self, frame: TextFrame) -> None:
        """Answer a frame that was counted."""
        if self._state == _SAYING:
            self._answers.append(frame)
        elif self._state > _NEW:
            metrics.frames_told.add("answer")
            if self._write(frame.wire):
                self._answered()
            else:
                self._wait(frame, answers=True)

    async def room(self) -> None:
        """Wait until the client has read enough of its answers."""
        while self.is_full and not self.is_over:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def ping(self, now: float) -> None:
        """Ping if it is time, else later; for the pacer, whose hands this leaves."""
        if self._state != _WAITING:
            return
        self._state = _IDLE
        if self._queue and now >= self.due_at:
            frame = self._next(now)
            if not self._write(frame.wire):
                self._wait(frame, answers=False)
        if self._queue:
            self._rest()

    def _hurry(self) -> None:
        if self._state == _IDLE and self._queue:
            self._state = _WAITING
            self._pacer.soon(self)

    def _rest(self) -> None:
        if self._state == _IDLE and self._queue:
            self._state = _WAITING
            self._pacer.later(self)

    def _wait(self, frame: TextFrame, *, answers: bool) -> None:
        # What has no write of its own says all its frames like this.
        self._state = _SAYING
        self._task = self._pacer.loop.create_task(self._run(frame, answers))

    async def _run(self, frame: TextFrame | None, answers: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            while frame is not None and self._state == _SAYING:
                self.stuck_since = loop.time()
                await self._say({"type": "websocket.send", "text": frame.text})
                self.stuck_since = 0.0
                if answers:
                    self._answered()
                frame, answers = self._pick(loop.time())
        except Exception:
            # Each server has its own way to say that the client is gone; the disconnect is on its way.
            self.stop()
        finally:
            self._task = None
        if self._state == _SAYING:
            self._state = _IDLE
            self._rest()

    def _pick(self, now: float) -> tuple[TextFrame | None, bool]:
        """Return what to say next, and whether it is an answer."""
        if self._answers:
            metrics.frames_told.add("answer")
            return self._answers.pop(0), True
        if self._queue and now >= self.due_at:
            return self._next(now), False
        return None, False

    def _answered(self) -> None:
        self._owed -= 1
        self._make_room()

    def _next(self, now: float) -> TextFrame:
        self.due_at = now + self._pacer.interval
        key = next(iter(self._queue))
        value = self._queue.pop(key)
        if key == _SEQ:
            metrics.frames_told.add(_SEQ)
            return self._seqs(value)
        if key == _SYNC:
            metrics.frames_told.add(_SYNC)
            return frames.SYNC
        kind, conversation_id, user_id = key
        metrics.frames_told.add(kind)
        if kind == _READ:
            return frames.read(conversation_id, user_id, value)
        return frames.typing(conversation_id, user_id)

    def _seqs(self, heads: dict[int, int]) -> TextFrame:
        pairs = tuple(heads.items())
        if len(pairs) > _MAX_HEADS:
            self._queue[_SEQ] = dict(pairs[_MAX_HEADS:])
            pairs = pairs[:_MAX_HEADS]
        return frames.seqs(pairs)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
