"""What one socket's client says: bounded, parsed, and done, at once where nothing has to be waited for."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseProblem

from accounts import callers, tokens
from accounts.tokens import Caller
from conversations import frames, markers, pings
from conversations.outgoing import Outgoing
from imsite.core import clock, limits, strict
from imsite.core.envelope import as_app_error
from imsite.core.errors import AppError, NotFound
from imsite.core.fibers import Fibers
from imsite.core.mailbox import Mailbox
from imsite.core.pools import Pool
from imsite.core.shapes import MAX_ID

# Frames a second that one socket may go on sending (sends have a limit of their own), and in a burst.
_RATE = 100.0
_BURST = 300.0
_MAX_BAD = 20
_BAD_SPAN = 60.0

# It gives what became of the message, a receipt or an AppError, to the last argument.
Sender = Callable[[Caller, int, dict[str, Any], Callable[[Any], None]], None]
Run = Callable[..., Coroutine[Any, Any, None]]

doors = Pool("socket-door", 4, most=20_000)
_senders = Pool("socket-send", 2, most=5000)


class Way:
    """How messages go to the log: queued at once where that may be, else in a fiber or thread."""

    def __init__(self, send: Sender, fibers: Fibers | None) -> None:
        self.send = send
        self.run: Run = fibers.run if fibers else _senders.ask
        # Limits ask valkey: on the loop's thread only where fibers do so anyway, and while it is near.
        self.at_once = fibers is not None or not settings.IM_LIMITS

    def is_free(self) -> bool:
        """Say whether a message may be queued now, on the loop's thread."""
        return self.at_once and limits.are_quick()


class Incoming:
    """The frames of one client; the next is not taken before the last is done."""

    __slots__ = (
        "_allowance",
        "_bad",
        "_bad_since",
        "_busy",
        "_caller",
        "_close",
        "_loop",
        "_mail",
        "_out",
        "_way",
        "heard_at",
    )

    def __init__(
        self, caller: Caller, out: Outgoing, way: Way, close: Callable[[int], None]
    ) -> None:
        self._caller = caller
        self._out = out
        self._way = way
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._mail = Mailbox.here()
        # Loop time of the last frame.
        self.heard_at = self._loop.time()
        self._busy = False
        self._allowance = _BURST
        self._bad_since = 0.0
        self._bad = 0

    def take(self, said: str | bytes) -> bool:
        """Do what a frame says; return False if that has to wait for something: then `wait` does it."""
        if self._busy:
            return False
        frame = None if self._out.is_over else self._read(said)
        return frame is None or self._do(frame)

    async def wait(self, said: str | bytes) -> None:
        """Do what a frame says, however long that takes."""
        frame = None if self._out.is_over else self._read(said)
        if frame is None or self._do(frame):
            return
        self._busy = True
        try:
            await self._wait(frame)
        finally:
            self._busy = False

    def _read(self, said: str | bytes) -> frames.Said | None:
        """Count a frame and return it; what is none, or too long, is dealt with."""
        if frames.is_too_long(said):
            self._close(4400)
            return None
        now = self._loop.time()
        self._allowance = min(_BURST, self._allowance + (now - self.heard_at) * _RATE)
        self.heard_at = now
        try:
            return frames.parse(said)
        except frames.BadFrame:
            self._count_bad(now)
            return None

    def _count_bad(self, now: float) -> None:
        if now - self._bad_since > _BAD_SPAN:
            self._bad_since, self._bad = now, 0
        self._bad += 1
        if self._bad > _MAX_BAD:
            self._close(4400)

    def _do(self, frame: frames.Said) -> bool:
        if isinstance(frame, frames.Send):
            return self._way.is_free() and not self._out.is_full and self._send(frame)
        if self._allowance < 1:
            self._close(4429)
            return True
        if isinstance(frame, frames.Ping):
            if self._out.is_full:
                return False
            self._pong()
        elif not pings.typed_lately(frame.conversation_id, self._caller.user_id):
            return False
        self._allowance -= 1
        return True

    def _send(self, frame: frames.Send) -> bool:
        """Queue a message, unless the database has to be asked before."""
        try:
            if not callers.admit_known(self._caller, now=clock.now()):
                return False
            self._out.owe()
            self._queue(frame)
        except Exception as error:
            self._refuse(frame.n, error)
        return True

    async def _wait(self, frame: frames.Said) -> None:
        if isinstance(frame, frames.Send):
            await self._out.room()
            self._out.owe()
            try:
                await self._way.run(self._submit, frame)
            except Exception as error:
                self._refuse(frame.n, error)
            return
        self._allowance -= 1
        if isinstance(frame, frames.Ping):
            await self._out.room()
            self._pong()
        else:
            await self._type(frame.conversation_id)

    def _pong(self) -> None:
        self._out.owe()
        self._out.answer(frames.PONG)

    async def _type(self, conversation_id: int) -> None:
        if not 1 <= conversation_id <= MAX_ID:
            return
        try:
            await doors.ask(markers.typing, self._caller.user_id, conversation_id)
        except (AppError, DatabaseProblem):
            # Nobody waits for an answer, and who may not type here learns nothing.
            return

    def _submit(self, frame: frames.Send) -> None:
        callers.admit(self._caller, now=clock.now())
        self._queue(frame)

    def _queue(self, frame: frames.Send) -> None:
        """Hand a message over; its answer comes when its commit is durable."""
        if not 1 <= frame.conversation_id <= MAX_ID:
            raise NotFound
        strict.check_value(frame.message)
        answer = partial(self._mail.post, self._sent, frame.n)
        self._way.send(self._caller, frame.conversation_id, frame.message, answer)

    def _refuse(self, n: int, error: Exception) -> None:
        if isinstance(error, tokens.TokenInvalid | tokens.Banned):
            self._close(4401)
        else:
            # Like a view: the client hears of any failure, in the terms of the contract.
            self._out.answer(frames.err(n, as_app_error(error)))

    def _sent(self, n: int, result: Any) -> None:
        if isinstance(result, AppError):
            self._out.answer(frames.err(n, result))
        else:
            self._out.answer(frames.ack(n, result.shape()))
