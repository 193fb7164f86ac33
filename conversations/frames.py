"""Frames of a socket as JSON: what a client may say, and what it is told (API §6)."""

import json
from functools import lru_cache
from typing import Any, NamedTuple

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


class Ping(NamedTuple):
    """The client is there."""


class Typing(NamedTuple):
    """The client's user is typing."""

    conversation_id: int


class Send(NamedTuple):
    """A message, not looked into, and the number under which the client wants its answer."""

    n: int
    conversation_id: int
    message: dict[str, Any]


Said = Ping | Typing | Send


def is_too_long(frame: str | bytes) -> bool:
    """Say whether a client's frame is over the limit."""
    if len(frame) > MAX_FRAME:
        return True
    return isinstance(frame, str) and not frame.isascii() and len(frame.encode()) > MAX_FRAME


def parse(said: str | bytes) -> Said:
    """Return what a text frame says; bytes are those of a binary one, which says nothing."""
    frame = _loads(said) if isinstance(said, str) else None
    if not isinstance(frame, dict):
        raise BadFrame
    kind, size, get = frame.get("t"), len(frame), frame.get
    if kind == "send" and size == 4 and isinstance(message := get("m"), dict):
        return Send(_number(get("n")), _number(get("c")), message)
    if kind == "typing" and size == 2:
        return Typing(_number(get("c")))
    if kind == "ping" and size == 1:
        return Ping()
    raise BadFrame


def _number(value: Any) -> int:
    # No bool, which is an int.
    if type(value) is not int or not -_MAX_NUMBER <= value <= _MAX_NUMBER:
        raise BadFrame
    return value


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
