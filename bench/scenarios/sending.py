"""Sends over HTTP: by one and by many, into one conversation and into many, one by one and in batches."""

import asyncio
import random
from dataclasses import dataclass

from bench import load
from bench.load import Steady
from bench.rig import Rig
from bench.stage import Maker, Stage, batch

_CLIENTS = 64
# Members of each of the conversations that sends are spread over.
_CIRCLE = 4
_BARE = 100
_BATCH = 50


@dataclass(slots=True)
class RawCommits:
    """The seeding process committing single rows: what one sender could reach at the very most."""

    rig: Rig

    async def run(self, seconds: float) -> list[float]:
        """Commit for so long."""
        rate = await asyncio.to_thread(self.rig.seed, "raw_commits", seconds=seconds)
        return [1 / rate] * round(rate * seconds)


async def sends(stage: Stage) -> None:
    """Measure sends of 1 and 64 clients, hot and spread."""
    people = stage.rig.seed("people", count=_CLIENTS)
    [hot] = stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    spread = stage.seats(people, stage.spread, _CIRCLE)
    into_one = stage.senders(people, [[hot]] * _CLIENTS)
    into_many = stage.senders(people, spread)
    found = await stage.contest(
        {
            "one": stage.crowd(into_one[:1]),
            "raw": RawCommits(stage.rig),
            "hot": stage.crowd(into_one),
            "spread": stage.crowd(into_many),
            "bare": stage.bare(_BARE, _CLIENTS),
        }
    )
    one, raw, bare = found["one"], found["raw"], found["bare"]
    stage.put_rate("1 client, hot", one, "/s", ceiling=raw.rate, beside="raw commits/s")
    for name in ("hot", "spread"):
        what = f"64 clients, {name}"
        stage.put_rate(what, found[name], "/s", ceiling=bare.rate, beside="bare view/s")
    _put_ratios(stage, found)
    await _paced(stage, into_many, found["spread"].rate / 2)


def _put_ratios(stage: Stage, found: dict[str, load.Sample]) -> None:
    one, hot, spread, bare = (found[name] for name in ("one", "hot", "spread", "bare"))
    stage.put("64 clients beside 1", hot.rate, "/s", ceiling=one.rate, beside="with 1")
    stage.put("hot beside spread", hot.rate, "/s", ceiling=spread.rate, beside="spread")
    stage.put("spread beside bare view", spread.rate, "/s", ceiling=bare.rate, beside="bare view/s")
    stage.put("CPU, hot", hot.cpu_us, "µs", ceiling=bare.cpu_us, beside="bare view")


async def _paced(stage: Stage, makers: list[Maker], rate: float) -> None:
    """Send at half of what was reached: what a sender waits when the server is not driven."""
    steady = Steady(stage.rig.port, makers, rate)
    found = await load.measure(steady, stage.rounds * stage.seconds, stage.rig.cpu)
    stage.put("open loop at half of that, p50", found.p50, "ms", note=f"{rate:,.0f} sends/s")
    stage.put("open loop at half of that, p99", found.p99, "ms")


async def batches(stage: Stage) -> None:
    """Measure batches of 50 by 8 clients."""
    people = stage.rig.seed("people", count=8)
    [hot] = stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    spread = stage.seats(people, stage.spread, _CIRCLE)
    texts = stage.rig.seed("texts", count=500)

    def maker(access: str, talks: list[int]) -> Maker:
        return lambda: batch(access, random.choices(talks, k=_BATCH), texts)

    found = await stage.contest(
        {
            "hot": stage.crowd([maker(access, [hot]) for _, access in people]),
            "spread": stage.crowd(
                [maker(access, talks) for (_, access), talks in zip(people, spread, strict=True)]
            ),
        }
    )
    for name, sample in found.items():
        stage.put_rate(f"of 50, {name}", sample.times(_BATCH), "messages/s")
