"""A text frame of a socket, made once for all who get it, and how a server says that it takes such."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

# Key of scope["extensions"] under which a server gives {"link": Link}.
EXTENSION = "imsite.textframe"
# Writes the bytes of a whole frame at once, or returns False when it cannot.
Write = Callable[[bytes], bool]
# Takes a text of the client at once, or returns False when it cannot.
Take = Callable[[str], bool]
_TEXT = 0x81
# Sizes up to here stand in the second byte; up to the next bound in two bytes more.
_SHORT, _MEDIUM = 125, 0xFFFF


class TextFrame:
    """JSON as its text, and as the bytes of a whole frame as a server sends it (RFC 6455 §5.2)."""

    __slots__ = ("_payload", "wire")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.wire = _head(len(payload)) + payload

    @property
    def text(self) -> str:
        """What is said."""
        return self._payload.decode()


class Link(Protocol):
    """A connection that takes and gives texts without events to wait for."""

    def write(self, frame: bytes) -> bool:
        """Write a whole frame; False: nothing was written, and `send` is to be asked."""

    def listen(self, take: Take) -> None:
        """Give texts to `take` from now on; what it does not take, and all behind it, is received."""


class _Plain:
    """A connection of a server that knows of events only."""

    def write(self, frame: bytes) -> bool:
        return False

    def listen(self, take: Take) -> None:
        return


_PLAIN = _Plain()


def link(scope: Mapping[str, Any]) -> Link:
    """Return the link of this connection; one that does nothing where its server has none."""
    offered = (scope.get("extensions") or {}).get(EXTENSION)
    return offered["link"] if offered else _PLAIN


def _head(size: int) -> bytes:
    if size <= _SHORT:
        return bytes((_TEXT, size))
    if size <= _MEDIUM:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big")
