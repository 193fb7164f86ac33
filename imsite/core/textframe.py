"""A text frame of a socket, made once for all who get it, and how a server says that it takes such."""

from collections.abc import Callable, Mapping
from typing import Any

# Key of scope["extensions"] under which a server gives {"write": Write}.
EXTENSION = "imsite.textframe"
# Writes the bytes of a whole frame at once, or returns False when it cannot.
Write = Callable[[bytes], bool]
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


def writing(scope: Mapping[str, Any]) -> Write:
    """Return how frames are written to the connection of this scope; in vain where its server takes none."""
    offered = (scope.get("extensions") or {}).get(EXTENSION)
    return offered["write"] if offered else _never


def _never(frame: bytes) -> bool:
    return False


def _head(size: int) -> bytes:
    if size <= _SHORT:
        return bytes((_TEXT, size))
    if size <= _MEDIUM:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big")
