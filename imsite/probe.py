"""Asks the web process whether it is ready, without ever waiting for it."""

import socket

_ASK = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Probe:
    """One question at a time to whoever listens on `listener`."""

    def __init__(self, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self._address = (_ANYWHERE.get(host, host), port)
        self._link: socket.socket | None = None
        # What was said last, for a person who wonders why it takes so long.
        self.last = "no answer"

    def ready(self) -> bool:
        """Say whether the answer has come and is yes; ask again if it is not."""
        try:
            if self._link is None:
                # The kernel completes this at once: the socket listens even before anyone accepts.
                self._link = socket.create_connection(self._address, timeout=1.0)
                self._link.sendall(_ASK)
                self._link.setblocking(False)
            answer = self._link.recv(4096)
        except BlockingIOError:
            return False
        except OSError as error:
            answer = str(error).encode()
        self.close()
        self.last = answer.decode(errors="replace").strip()[-300:] or "no answer"
        return answer.startswith(b"HTTP/1.1 200")

    def close(self) -> None:
        """Forget the open question."""
        if self._link is not None:
            self._link.close()
            self._link = None
