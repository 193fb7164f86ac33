"""Load in closed and open loop, and what came of it: rates, latencies, the server's CPU per request."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from bench.client import Connection, Reply, check, connect, refusal, settle

OK = (200, 201)
Maker = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round gave: things done a second, CPU µs for each by process, latencies in ms."""

    rate: float
    used: dict[str, float] = field(default_factory=dict)
    p50: float = 0.0
    p99: float = 0.0

    @property
    def cpu_us(self) -> float:
        """CPU µs of the server."""
        return self.used.get("server", 0.0)

    def times(self, count: int) -> "Sample":
        """Return the same with each request counted as `count` things."""
        used = {name: us / count for name, us in self.used.items()}
        return Sample(self.rate * count, used, self.p50, self.p99)


class Contestant(Protocol):
    """Something that can be run for a while."""

    async def run(self, seconds: float) -> list[float]:
        """Work for so long and return the latency of each thing done, in seconds."""


@dataclass(slots=True)
class Asker:
    """A client in closed loop: the next request goes out as the answer to the last comes in.

    No task and no future for each: the load is on the same cores as what it measures.
    """

    link: Connection
    make: Maker
    statuses: tuple[int, ...]
    until: float
    found: list[float] = field(default_factory=list)
    start: float = 0.0
    done: "asyncio.Future[list[float]]" = field(init=False)

    async def run(self) -> list[float]:
        """Ask until then; return the latencies."""
        self.done = asyncio.get_running_loop().create_future()
        self._ask(time.perf_counter())
        return await self.done

    def _ask(self, now: float) -> None:
        self.start = now
        self.link.send(self.make(), self._hear)

    def _hear(self, answer: Reply | Exception) -> None:
        now = time.perf_counter()
        if isinstance(answer, Exception) or answer.status not in self.statuses:
            settle(self.done, answer if isinstance(answer, Exception) else refusal(answer))
            return
        self.found.append(now - self.start)
        if now < self.until:
            self._ask(now)
        else:
            settle(self.done, self.found)


@dataclass(slots=True)
class Crowd:
    """Clients in closed loop: each sends its next request when the last was answered."""

    port: int
    makers: Sequence[Maker]
    statuses: tuple[int, ...] = OK
    links: list[Connection] = field(default_factory=list)

    async def run(self, seconds: float) -> list[float]:
        """Ask for so long and return the latencies."""
        while len(self.links) < len(self.makers):
            self.links.append(await connect(self.port))
        until = time.perf_counter() + seconds
        askers = [
            Asker(link, make, self.statuses, until)
            for link, make in zip(self.links, self.makers, strict=True)
        ]
        found = await asyncio.gather(*(asker.run() for asker in askers))
        return [latency for one in found for latency in one]

    def close(self) -> None:
        """Hang up."""
        for link in self.links:
            link.close()
        self.links.clear()


@dataclass(slots=True)
class Steady:
    """Clients in open loop: requests start at a fixed rate, latency counts from the intended start."""

    port: int
    makers: Sequence[Maker]
    rate: float
    statuses: tuple[int, ...] = OK

    async def run(self, seconds: float) -> list[float]:
        """Ask at the rate for so long and return the latencies."""
        due: asyncio.Queue[float | None] = asyncio.Queue()
        links = [await connect(self.port) for _ in self.makers]
        found: list[float] = []
        workers = [
            asyncio.create_task(self._one(link, make, due, found))
            for link, make in zip(links, self.makers, strict=True)
        ]
        await self._keep_time(due, seconds)
        for _ in links:
            due.put_nowait(None)
        await asyncio.gather(*workers)
        for link in links:
            link.close()
        return found

    async def _keep_time(self, due: "asyncio.Queue[float | None]", seconds: float) -> None:
        start = time.perf_counter()
        for n in range(round(self.rate * seconds)):
            at = start + n / self.rate
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            due.put_nowait(at)

    async def _one(
        self,
        link: Connection,
        make: Maker,
        due: "asyncio.Queue[float | None]",
        found: list[float],
    ) -> None:
        while (at := await due.get()) is not None:
            check(await link.ask(make()), *self.statuses)
            found.append(time.perf_counter() - at)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


Cpu = Callable[[], dict[str, float]]


async def measure(contestant: Contestant, seconds: float, cpu: Cpu) -> Sample:
    """Run once and return what it gave; `cpu` tells the seconds that each process has used."""
    gc.collect()
    before, start = cpu(), time.perf_counter()
    found = await contestant.run(seconds)
    took, after = time.perf_counter() - start, cpu()
    count = max(1, len(found))
    return Sample(
        rate=len(found) / took,
        used={name: (after[name] - before[name]) / count * 1e6 for name in before},
        p50=percentile(found, 0.5) * 1000,
        p99=percentile(found, 0.99) * 1000,
    )


async def contest(
    contestants: dict[str, Contestant], *, rounds: int, seconds: float, cpu: Cpu
) -> dict[str, Sample]:
    """Warm all, let them take turns round by round, and return the medians of each."""
    for each in contestants.values():
        await each.run(min(0.5, seconds))
    rows: dict[str, list[Sample]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, each in contestants.items():
            rows[name].append(await measure(each, seconds, cpu))
    return {name: _middle(samples) for name, samples in rows.items()}


def _middle(samples: list[Sample]) -> Sample:
    return Sample(
        rate=median(each.rate for each in samples),
        used={name: median(each.used[name] for each in samples) for name in samples[0].used},
        p50=median(each.p50 for each in samples),
        p99=median(each.p99 for each in samples),
    )


async def latencies(ask: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Do something one time after the other and return how long each took, in ms."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        await ask()
        found.append((time.perf_counter() - start) * 1000)
    return found
