"""Hands out ports for servers under test, which nobody else takes before the server does."""

import random
import socket

# Below what systems give to outgoing connections (32768 on Linux, 49152 elsewhere): one that the
# system chose could be a client's own end before the server, seconds later, asks for it.
_FROM, _TO = 20_000, 32_000
_choice = random.SystemRandom()


def free_port() -> int:
    """Return a port that nobody listens on."""
    while True:
        port = _choice.randrange(_FROM, _TO)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
