"""Frames of a socket as JSON: what a client may say, and what it is told (API §6)."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from imsite.core import clock
from imsite.core.errors import AppError
from imsite.core.textframe import TextFrame

# Bytes of a client's frame.
MAX_FRAME = 32_768
HEARTBEAT = 30
PONG = TextFrame(b'{"t":"pong"}')
SYNC = TextFrame(b'{"t":"sync"}')
_MAX_NUMBER = 2**53


class BadFrame(Exception):
    """This is none of the frames that a client may send."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The client is there."""


@dataclass(frozen=True, slots=True)
class Typing:
    """The client's user is typing."""

    conversation_id: int


@dataclass(frozen=True, slots=True)
class Send:
    """A message, not looked into, and the number under which the client wants its answer."""

    n: int
    conversation_id: int
    message: dict[str, Any]


def is_too_long(frame: str | bytes) -> bool:
    """Say whether a client's frame is over the limit."""
    if len(frame) > MAX_FRAME:
        return True
    return isinstance(frame, str) and not frame.isascii() and len(frame.encode()) > MAX_FRAME


def parse(text: str | None) -> Ping | Typing | Send:
    """Return what a text frame says; None stands for a binary one."""
    frame = _loads(text or "")
    size = len(frame) if isinstance(frame, dict) else 0
    match frame:
        case {"t": "ping"} if size == 1:
            return Ping()
        case {"t": "typing", "c": int(c)} if size == 2 and _is_number(c):
            return Typing(c)
        case {"t": "send", "n": int(n), "c": int(c), "m": dict(m)} if (
            size == 4 and _is_number(n) and _is_number(c)
        ):
            return Send(n, c, m)
    raise BadFrame


def _is_number(value: int) -> bool:
    return not isinstance(value, bool) and -_MAX_NUMBER <= value <= _MAX_NUMBER


def _loads(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        # Takes lone surrogates and NaN, so that a message with such in it gets its refusal.
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrame from None


def hello(device_id: int) -> TextFrame:
    """Return the first frame."""
    return _frame(
        {
            "t": "hello",
            "heartbeat": HEARTBEAT,
            "device_id": device_id,
            "server_time": clock.wire(clock.now()),
        }
    )


@lru_cache(maxsize=64)
def seqs(heads: tuple[tuple[int, int], ...]) -> TextFrame:
    """Return the frame of these (conversation, newest seq); made once for all who need the same."""
    return _frame({"t": "seq", "c": heads})


@lru_cache(maxsize=64)
def read(conversation_id: int, user_id: int, seq: int) -> TextFrame:
    """Return the frame that says how far somebody has read."""
    return _frame({"t": "read", "c": conversation_id, "u": user_id, "seq": seq})


@lru_cache(maxsize=64)
def typing(conversation_id: int, user_id: int) -> TextFrame:
    """Return the frame that says who is typing."""
    return _frame({"t": "typing", "c": conversation_id, "u": user_id})


def ack(n: int, receipt: dict[str, Any]) -> TextFrame:
    """Return the answer to a send that was kept."""
    return _frame({"t": "ack", "n": n, **receipt})


def err(n: int, error: AppError) -> TextFrame:
    """Return the answer to a send that was refused."""
    after = error.retry_after
    return _frame(
        {
            "t": "err",
            "n": n,
            "code": error.code.value,
            "error": error.code.slug,
            "message": error.message,
            "data": error.data,
            "retry_after_ms": None if after is None else max(1, round(after * 1000)),
        }
    )


def _frame(said: dict[str, Any]) -> TextFrame:
    return TextFrame(orjson.dumps(said))
