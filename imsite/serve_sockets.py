"""Uvicorn's sockets, which also take a frame that was made once for many of them."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from imsite.core.textframe import EXTENSION


class FramedSocket(WebSocketsSansIOProtocol):
    """A socket that writes whole frames as they are, between those that uvicorn makes itself.

    Uvicorn makes a frame anew for each socket, and its `send` can be awaited only. What it does not
    know of here cannot hurt it: a whole unmasked frame without extensions (deflate is off) changes
    nothing that websockets keeps of a connection.
    """

    def handle_connect(self, event: Request) -> None:
        """Tell the application, whose task begins after this, that it may write frames."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][EXTENSION] = {"write": self.write}

    def write(self, frame: bytes) -> bool:
        """Write a whole frame now, or return False: `send` says then what hinders, or waits for it."""
        if (
            self.writable.is_set()
            and self.conn.state is State.OPEN
            and not self.transport.is_closing()
        ):
            self.transport.write(frame)
            return True
        return False
