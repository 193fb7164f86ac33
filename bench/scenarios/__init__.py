"""The scenarios by name, in the order in which they run; those in EXTRA only when they are named."""

from collections.abc import Awaitable, Callable

from bench.scenarios import (
    curving,
    expiring,
    pinging,
    pushing,
    reading,
    sending,
    sockets,
    storing,
)
from bench.stage import Stage

SCENARIOS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "sends": sending.sends,
    "batches": sending.batches,
    "pages": reading.pages,
    "idle_sync": reading.idle_sync,
    "idle_sync_5000": reading.idle_sync_5000,
    "catch_up": reading.catch_up,
    "members": storing.members,
    "bytes": storing.weight,
    "ws_sends": sockets.sends,
    "pings": pinging.pings,
    "memory": sockets.memory,
    "owing": pushing.owing,
    "draining": pushing.draining,
}
EXTRA: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "curves": curving.curves,
    "expiry": expiring.expiry,
}
