"""Serves with daphne, and makes it leave in order.

Daphne itself ends on SIGTERM without a word to sockets and requests, trips over a request that was
answered a moment ago, and cannot send the close codes of a server (4.2.3); so the signal and these
codes are ours, and its reactor stops when all are gone.
"""

import asyncio
import signal
import socket
import time
from typing import Any

# The first, because it installs Twisted's reactor.
from daphne.server import Server  # isort: skip
from autobahn.websocket.protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet import defer, reactor

from conversations import hub
from imsite import asgi
from imsite.core import leaving

# Bytes of a frame and of a message: the contract refuses what is longer than 32 KiB by itself.
MAX_FRAME = 65_536
# Seconds that requests in flight have after the signal.
PATIENCE = 9.0
_TICK = 0.05
_NEVER = 2**31
# Going away, restarting, overloaded.
_SERVER_CODES = frozenset({1001, 1012, 1013})


class LeavingServer(Server):  # type: ignore[misc]  # it has no types
    """Daphne that answers requests and closes sockets before it ends."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._ports: list[Any] = []
        self._leaving = False

    def listen_success(self, port: Any) -> None:
        """Remember where we listen."""
        super().listen_success(port)
        self._ports.append(port)

    def protocol_connected(self, protocol: Any) -> None:
        """Count a request or socket; once we leave, its connection ends with it."""
        super().protocol_connected(protocol)
        if self._leaving and hasattr(protocol, "channel"):
            protocol.channel.persistent = False

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Pass on what the application says; close codes that autobahn keeps for itself, too."""
        code = message.get("code")
        is_open = getattr(protocol, "state", None) == WebSocketProtocol.STATE_OPEN
        if message["type"] == "websocket.close" and code in _SERVER_CODES and is_open:
            protocol.sendCloseFrame(code=code, isReply=False)
        else:
            await super().handle_reply(protocol, message)

    def leave(self) -> None:
        """Take no more connections, close sockets with 1012, and stop when requests are answered."""
        self._leaving = True
        for port in self._ports:
            port.stopListening()
        for protocol in self.connections:
            if hasattr(protocol, "channel"):
                protocol.channel.persistent = False
        leaving.begin()
        hub.dismiss(sockets=True)
        self._stop_when_done(time.monotonic() + PATIENCE)

    def _stop_when_done(self, deadline: float) -> None:
        busy = any("disconnected" not in details for details in self.connections.values())
        if busy and time.monotonic() < deadline:
            loop().call_later(_TICK, self._stop_when_done, deadline)
        else:
            self.stop()

    def kill_all_applications(self) -> "defer.Deferred[Any]":
        """Cancel what still runs: not every connection has an application, as daphne believes."""
        running = [
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details
        ]
        for application in running:
            application.cancel()
        ended = asyncio.gather(*running, return_exceptions=True) if running else None
        return defer.Deferred.fromFuture(ended) if ended else defer.succeed(None)


def loop() -> asyncio.AbstractEventLoop:
    """Return the reactor's loop, which is the only one."""
    return asyncio.get_event_loop()


def server(endpoint: str) -> LeavingServer:
    """Return how we run daphne."""
    return LeavingServer(
        asgi.application,
        endpoints=[endpoint],
        signal_handlers=False,
        # Our own heartbeat tells the client apart from its proxy, and a socket may live for ever.
        ping_interval=_NEVER,
        websocket_timeout=-1,
        websocket_max_message_size=MAX_FRAME,
        websocket_max_frame_size=MAX_FRAME,
        server_name="",
        verbosity=0,
    )


def endpoint(listener: socket.socket | None) -> str:
    """Return where to listen, as Twisted spells it."""
    if listener is not None:
        return f"fd:fileno={listener.fileno()}"
    host = settings.IM_HOST.replace(":", "\\:")
    return f"tcp:port={settings.PORT}:interface={host}"


def serve_daphne(listener: socket.socket | None) -> None:
    """Serve on a listening socket, else on IM_HOST and PORT, until SIGTERM."""
    daphne = server(endpoint(listener))

    def begin() -> None:
        # A frame that is too long is answered with 1009, not by dropping the line.
        daphne.ws_factory.setProtocolOptions(failByDrop=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop().add_signal_handler(signum, daphne.leave)

    reactor.callWhenRunning(begin)
    daphne.run()
