"""Pings: how soon all sockets of a group hear of a send, at rest and in a storm of sends."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

import orjson

from bench import client
from bench.client import Connection, Refused, Socket, check, connect, open_socket
from bench.load import Sample, Steady, measure, percentile
from bench.scenarios.sockets import open_all
from bench.stage import Maker, Person, Stage

_SENDERS = 8
# Sends a second of the storm.
_STORM = 100
# Seconds between sends at rest: more than the 100 ms for which a socket merges.
_REST = 0.15
_PATIENCE = 10.0


@dataclass(slots=True)
class Ears:
    """Sockets that note when each of them hears of a seq."""

    talk: int
    seqs: dict[Socket, int] = field(default_factory=dict)
    # When each socket got its frames.
    times: dict[Socket, list[float]] = field(default_factory=dict)
    wanted: int = 0
    heard: list[float] = field(default_factory=list)
    all_heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, socket: Socket, text: bytes) -> None:
        """Take a frame."""
        now = time.perf_counter()
        frame = orjson.loads(text)
        if frame["t"] != "seq":
            return
        self.times.setdefault(socket, []).append(now)
        for talk, seq in frame["c"]:
            if talk == self.talk and seq > (before := self.seqs.get(socket, 0)):
                self.seqs[socket] = seq
                if before < self.wanted <= seq:
                    self._note(now)

    def _note(self, now: float) -> None:
        self.heard.append(now)
        if len(self.heard) == len(self.seqs):
            self.all_heard.set()

    def watch(self, links: Sequence[Socket]) -> None:
        """Wait for these."""
        self.seqs = {link: self.seqs.get(link, 0) for link in links}

    def want(self, seq: int) -> None:
        """Wait for a seq from now on."""
        self.wanted, self.heard = seq, []
        self.all_heard = asyncio.Event()
        for known in self.seqs.values():
            if known >= seq:
                self._note(time.perf_counter())

    async def wait(self) -> None:
        """Return when all have heard of the seq wanted."""
        try:
            await asyncio.wait_for(self.all_heard.wait(), _PATIENCE)
        except TimeoutError:
            raise Refused(
                f"{len(self.heard)} of {len(self.seqs)} sockets heard of seq {self.wanted}"
            ) from None


@dataclass(slots=True)
class Rest:
    """What sends one by one gave: ms to the first and to the last socket, frames/s between the two."""

    firsts: list[float] = field(default_factory=list)
    lasts: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


async def pings(stage: Stage) -> None:
    """Measure one group with 200 sockets (1,000 on the production engine)."""
    people = stage.rig.seed("people", count=stage.listeners + _SENDERS)
    [talk] = stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    makers = stage.senders(people[:_SENDERS], [[talk]] * _SENDERS)
    bare = await _one_process(stage, talk, people[_SENDERS:], makers[0])
    # Its servers are fresh: a first storm warms them.
    await _storm(stage, makers, lasts=3)
    alone = await _storm(stage, makers, lasts=10)
    async with _listening(stage, talk, people[_SENDERS:]) as ears:
        _put_rest(stage, await _at_rest(stage, ears, makers[0]), bare)
        await _in_a_storm(stage, ears, makers, alone)


@asynccontextmanager
async def _listening(stage: Stage, talk: int, people: Sequence[Person]) -> AsyncIterator[Ears]:
    """Hold a socket for each of these; Refused if one of them is closed meanwhile."""
    ears = Ears(talk)
    links = await open_all(stage.rig.ws_port, people, ears.hear)
    ears.watch(links)
    try:
        yield ears
        if lost := sum(link.lost.is_set() for link in links):
            raise Refused(f"{lost} sockets were closed")
    finally:
        for link in links:
            link.close()


async def _one_process(stage: Stage, talk: int, people: Sequence[Person], make: Maker) -> Rest:
    """Measure how fast a single process tells all; return what sockets without anything to them gave."""
    stage.rig.fresh_server(ws_workers=1)
    try:
        async with _listening(stage, talk, people) as ears:
            found = await _at_rest(stage, ears, make)
        bare = await _raw(stage, len(found.lasts))
    finally:
        stage.rig.fresh_server()
    stage.put(
        "one process: frames while telling all",
        median(found.rates),
        "/s",
        ceiling=median(bare.rates),
        beside="raw sockets/s",
    )
    stage.put(
        "one process: last socket, p50",
        median(found.lasts),
        "ms",
        ceiling=median(bare.lasts),
        beside="raw sockets",
    )
    return bare


async def _storm(stage: Stage, makers: list[Maker], *, lasts: float) -> Sample:
    steady = Steady(stage.rig.port, makers, _STORM)
    return await measure(steady, lasts * stage.seconds, stage.rig.cpu)


async def _at_rest(stage: Stage, ears: Ears, make: Maker) -> Rest:
    link = await connect(stage.rig.port)
    found = Rest()
    seq = await _send(link, make)
    for _ in range(round(8 * stage.rounds * stage.seconds) + 2):
        await asyncio.sleep(_REST)
        seq += 1
        ears.want(seq)
        start = time.perf_counter()
        await _send(link, make)
        await ears.wait()
        _note(found, start, ears.heard)
    link.close()
    return found


def _note(found: Rest, start: float, heard: Sequence[float]) -> None:
    found.firsts.append((heard[0] - start) * 1000)
    found.lasts.append((heard[-1] - start) * 1000)
    found.rates.append(len(heard) / (heard[-1] - heard[0]))


def _put_rest(stage: Stage, found: Rest, bare: Rest) -> None:
    stage.put("at rest: first socket, p50", median(found.firsts), "ms")
    stage.put(
        "at rest: last socket, p50",
        median(found.lasts),
        "ms",
        ceiling=median(bare.lasts),
        beside="raw sockets of one process",
    )
    stage.put("at rest: last socket, p99", percentile(found.lasts, 0.99), "ms")


async def _send(link: Connection, make: Maker) -> int:
    reply = check(await link.ask(make()), 201)
    seq: int = orjson.loads(reply.body)["data"]["seq"]
    return seq


async def _raw(stage: Stage, times: int) -> Rest:
    """Tell as many sockets without anything to them, of the only process."""
    heard: list[float] = []
    done = asyncio.Event()

    def hear(socket: Socket, text: bytes) -> None:
        heard.append(time.perf_counter())
        if len(heard) == stage.listeners:
            done.set()

    links = [
        await open_socket(stage.rig.ws_port, hear, path="/bare/ws") for _ in range(stage.listeners)
    ]
    link = await connect(stage.rig.ws_port)
    request = client.get("").replace(b"/api/v1/", b"/bare/fan")
    found = Rest()
    for _ in range(times):
        heard.clear()
        done.clear()
        start = time.perf_counter()
        await link.ask(request)
        await asyncio.wait_for(done.wait(), _PATIENCE)
        _note(found, start, heard)
    for each in (link, *links):
        each.close()
    return found


async def _in_a_storm(stage: Stage, ears: Ears, makers: list[Maker], alone: Sample) -> None:
    ears.times.clear()
    start = time.perf_counter()
    found = await _storm(stage, makers, lasts=30 if stage.is_large else 10)
    took = time.perf_counter() - start
    link = await connect(stage.rig.port)
    ears.want(max(ears.seqs.values()) + 1)
    sent_at = time.perf_counter()
    last = await _send(link, makers[0])
    ears.want(last)
    await ears.wait()
    after = max(0.0, ears.heard[-1] - sent_at)
    link.close()
    frames = sum(len(times) for times in ears.times.values())
    most = max(len(times) for times in ears.times.values()) / took
    peak = max(_peak(times) for times in ears.times.values())
    stage.put("storm: frames a socket", most, "/s", note=f"at most {peak} in any second")
    stage.put("storm: all at the last seq", after, "s")
    stage.put(
        "storm: sends beside none listening",
        found.p50,
        "ms",
        ceiling=alone.p50,
        beside="alone",
        note=f"p99 {found.p99:.1f} ms, alone {alone.p99:.1f} ms",
    )
    cores = found.cpu_us * found.rate / 1e6
    stage.put("storm: frames", frames / took, "/s", note=f"{cores:.2f} cores of the server")


def _peak(times: list[float]) -> int:
    """Return the most frames within any second."""
    low, most = 0, 0
    for high, at in enumerate(times):
        while times[low] <= at - 1:
            low += 1
        most = max(most, high - low + 1)
    return most
