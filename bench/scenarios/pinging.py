"""Pings: how soon all sockets of a group hear of a send, at rest and in a storm of sends."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import orjson

from bench import client
from bench.client import Connection, Refused, Socket, check, connect, open_socket
from bench.load import Sample, Steady, measure, percentile
from bench.scenarios.sockets import open_all
from bench.stage import Maker, Stage

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


async def pings(stage: Stage) -> None:
    """Measure one group with 200 sockets (1,000 on the production engine)."""
    people = stage.rig.seed("people", count=stage.listeners + _SENDERS)
    [talk] = stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    makers = stage.senders(people[:_SENDERS], [[talk]] * _SENDERS)
    ears = Ears(talk)
    alone = await _storm(stage, makers, lasts=10)
    links = await open_all(stage.rig.ws_port, people[_SENDERS:], ears.hear)
    ears.watch(links)
    try:
        await _at_rest(stage, ears, makers[0])
        await _in_a_storm(stage, ears, makers, alone)
        if lost := sum(link.lost.is_set() for link in links):
            raise Refused(f"{lost} sockets were closed")
    finally:
        for link in links:
            link.close()


async def _storm(stage: Stage, makers: list[Maker], *, lasts: float) -> Sample:
    steady = Steady(stage.rig.port, makers, _STORM)
    return await measure(steady, lasts * stage.seconds, stage.rig.cpu)


async def _at_rest(stage: Stage, ears: Ears, make: Maker) -> None:
    link = await connect(stage.rig.port)
    firsts, lasts, rates = [], [], []
    seq = await _send(link, make)
    for _ in range(round(8 * stage.rounds * stage.seconds) + 2):
        await asyncio.sleep(_REST)
        seq += 1
        ears.want(seq)
        start = time.perf_counter()
        await _send(link, make)
        await ears.wait()
        firsts.append((ears.heard[0] - start) * 1000)
        lasts.append((ears.heard[-1] - start) * 1000)
        rates.append(len(ears.heard) / (ears.heard[-1] - ears.heard[0]))
    link.close()
    bare_last, bare_rate = await _raw(stage, len(lasts))
    stage.put("at rest: first socket, p50", median(firsts), "ms")
    stage.put(
        "at rest: last socket, p50", median(lasts), "ms", ceiling=bare_last, beside="raw sockets"
    )
    stage.put("at rest: last socket, p99", percentile(lasts, 0.99), "ms")
    stage.put(
        "at rest: frames while telling all",
        median(rates),
        "/s",
        ceiling=bare_rate,
        beside="raw sockets/s",
    )


async def _send(link: Connection, make: Maker) -> int:
    reply = check(await link.ask(make()), 201)
    seq: int = orjson.loads(reply.body)["data"]["seq"]
    return seq


async def _raw(stage: Stage, times: int) -> tuple[float, float]:
    """Return ms to the last and frames/s of as many sockets without anything to them."""
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
    lasts, rates = [], []
    for _ in range(times):
        heard.clear()
        done.clear()
        start = time.perf_counter()
        await link.ask(request)
        await asyncio.wait_for(done.wait(), _PATIENCE)
        lasts.append((heard[-1] - start) * 1000)
        rates.append(len(heard) / (heard[-1] - heard[0]))
    for each in (link, *links):
        each.close()
    return median(lasts), median(rates)


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
