"""Sockets themselves: sends over them, what an idle one holds, how fast all come back."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import orjson

from bench.client import Refused, Socket, open_socket
from bench.stage import Person, Stage, new_id

_CLIENTS = 64
_CIRCLE = 4
_BARE = 100
# How many handshakes are under way at once.
_AT_ONCE = 64
# Seconds that the last answers may take.
_PATIENCE = 10.0


@dataclass(slots=True)
class Talkers:
    """Sockets in closed loop: each sends its next message when the last was acknowledged."""

    port: int
    people: Sequence[Person]
    places: Sequence[Sequence[int]]
    texts: Sequence[str]
    links: list["Talker"] = field(default_factory=list)

    async def run(self, seconds: float) -> list[float]:
        """Send for so long and return the latencies."""
        while len(self.links) < len(self.people):
            n = len(self.links)
            talker = Talker(self.places[n], self.texts)
            await talker.open(self.port, self.people[n][1])
            self.links.append(talker)
        until = time.perf_counter() + seconds
        found = await asyncio.gather(*(each.run(until) for each in self.links))
        return [latency for one in found for latency in one]

    def close(self) -> None:
        """Hang up."""
        for each in self.links:
            each.socket.close()


class Talker:
    """One socket that sends: the next message goes out as the answer to the last comes in.

    No task and no future for each, and no timer: the load is on the same cores as what it measures.
    """

    def __init__(self, talks: Sequence[int], texts: Sequence[str]) -> None:
        self.talks = talks
        self.texts = texts
        self.sent = 0
        self.socket: Socket
        self._start = self._until = 0.0
        self._found: list[float] = []
        self._done: asyncio.Future[list[float]]
        self._watch: asyncio.Task[None]

    async def open(self, port: int, access: str) -> None:
        """Connect."""
        self._done = asyncio.get_running_loop().create_future()
        self.socket = await open_socket(port, self._on_frame, access=access)
        self._watch = asyncio.create_task(self._give_up())

    async def _give_up(self) -> None:
        """Let whoever waits for an answer hear that there will be none."""
        await self.socket.lost.wait()
        self._fail(f"a socket was closed {self.socket.close_code}")

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(Refused(why))

    def _on_frame(self, socket: Socket, text: bytes) -> None:
        said = orjson.loads(text)
        kind = said["t"]
        if kind == "ack" and said["n"] == self.sent and said["seq"] > 0:
            self._answered(time.perf_counter())
        elif kind == "ack" or kind == "err":
            self._fail(text.decode())
        # Whatever else comes is a ping.

    def _answered(self, now: float) -> None:
        self._found.append(now - self._start)
        if now < self._until:
            self._send(now)
        elif not self._done.done():
            self._done.set_result(self._found)

    async def run(self, until: float) -> list[float]:
        """Send until then, one after another."""
        now = time.perf_counter()
        self._until, self._found = until, []
        self._done = asyncio.get_running_loop().create_future()
        self._send(now)
        return await asyncio.wait_for(self._done, until - now + _PATIENCE)

    def _send(self, now: float) -> None:
        self.sent += 1
        self._start = now
        self.socket.send(self._frame(self.sent))

    def _frame(self, n: int) -> bytes:
        talk, text = self.talks[n % len(self.talks)], self.texts[n % len(self.texts)]
        message = {"client_id": new_id(), "text": text}
        return orjson.dumps({"t": "send", "n": n, "c": talk, "m": message})


async def sends(stage: Stage) -> None:
    """Measure sends over 64 sockets, hot and spread."""
    people = stage.rig.seed("people", count=_CLIENTS)
    [hot] = stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    others = stage.rig.seed("people", count=_CLIENTS)
    spread = stage.seats(others, stage.spread, _CIRCLE)
    texts = stage.rig.seed("texts", count=2000)
    # As autovacuum does within a minute: plans of the first moments read whole tables, large by now.
    stage.rig.seed("settle")
    contestants = {
        "hot": Talkers(stage.rig.ws_port, people, [[hot]] * _CLIENTS, texts),
        "spread": Talkers(stage.rig.ws_port, others, spread, texts),
    }
    try:
        found = await stage.contest({**contestants, "bare": stage.bare(_BARE, _CLIENTS)})
    finally:
        for each in contestants.values():
            each.close()
    bare = found["bare"].rate
    for name in contestants:
        stage.put_rate(f"64 sockets, {name}", found[name], "/s", ceiling=bare, beside="bare view/s")


async def memory(stage: Stage) -> None:
    """Measure what idle sockets hold of a fresh server, and how fast all of them come back."""
    count = max(500, stage.listeners)
    people = stage.rig.seed("people", count=count)
    stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    stage.rig.fresh_server()
    # What the first sockets load stays, and is not theirs.
    await _close(await open_all(stage.rig.ws_port, people[:50]))
    before = stage.rig.rss()
    links = await open_all(stage.rig.ws_port, people)
    await asyncio.sleep(2)
    kib = (stage.rig.rss() - before) / count / 1024
    stage.put("idle socket", kib, "KiB", note=f"{count} sockets, {before / 2**20:.0f} MiB before")
    await _close(links)
    rates = []
    for _ in range(min(stage.rounds, 3)):
        start = time.perf_counter()
        links = await open_all(stage.rig.ws_port, people)
        rates.append(count / (time.perf_counter() - start))
        await _close(links)
    stage.put(f"{count:,} reconnect at once", median(rates), "/s")


async def open_all(
    port: int,
    people: Sequence[Person],
    on_frame: Callable[[Socket, bytes], None] = lambda socket, text: None,
) -> list[Socket]:
    """Open a socket for each of these people; return them when each was greeted."""
    gate = asyncio.Semaphore(_AT_ONCE)
    greeted: dict[Socket, asyncio.Event] = {}

    def first(socket: Socket, text: bytes) -> None:
        greeted.setdefault(socket, asyncio.Event()).set()
        socket.on_frame = on_frame

    async def one(access: str) -> Socket:
        async with gate:
            socket = await open_socket(port, first, access=access)
            await socket.until(greeted.setdefault(socket, asyncio.Event()))
            return socket

    return list(await asyncio.gather(*(one(access) for _, access in people)))


async def _close(links: Sequence[Socket]) -> None:
    for each in links:
        each.close()
    await asyncio.sleep(1)
