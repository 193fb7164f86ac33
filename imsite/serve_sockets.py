"""Uvicorn's sockets, which also take and give whole texts without an event for each."""

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from imsite.core.textframe import EXTENSION, Take


class FramedSocket(WebSocketsSansIOProtocol):
    """A socket that writes whole frames as they are, and hands texts over as they come.

    Uvicorn makes a frame anew for each socket, and its `send` can be awaited only; what it receives
    goes through a queue, a pause in reading and a wake-up of the application. Both ways stay open,
    and nothing overtakes: a whole unmasked frame without extensions (deflate is off) changes nothing
    that websockets keeps of a connection, and texts are handed over only while none is queued.
    """

    _take: Take | None = None
    _offered: dict[str, Any] | None = None

    def handle_connect(self, event: Request) -> None:
        """Tell the application, whose task begins after this, of the link."""
        super().handle_connect(event)
        if not self.close_sent:
            self._offered = cast(dict[str, Any], self.scope["extensions"])
            self._offered[EXTENSION] = {"link": self}

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the application."""
        self._take = None
        if self._offered:
            del self._offered[EXTENSION]
        super().connection_lost(exc)

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

    def listen(self, take: Take) -> None:
        """Give texts to `take`; what it does not take, and all behind it, goes to `receive`."""
        self._take = take

    def send_receive_event_to_app(self) -> None:
        """Hand a message over, if the application takes it now; else queue it."""
        if self._take is None or self.close_sent or not self.queue.empty():
            super().send_receive_event_to_app()
        elif (text := self._text()) is not None and self._take(text):
            self.frames = []
        else:
            super().send_receive_event_to_app()

    def _text(self) -> str | None:
        """Return the message if it is a text in one piece."""
        if self.curr_msg_data_type != "text" or len(self.frames) != 1:
            return None
        try:
            return self.frames[0].decode()
        except UnicodeDecodeError:
            # Refused by the one who queues.
            return None
