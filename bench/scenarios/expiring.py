"""Expiry while people send: what senders feel of it, what it takes, and whether its space is used again."""

import asyncio
import sys
import time
from typing import Any

from bench.load import Steady, percentile
from bench.stage import Maker, Stage

_CLIENTS = 16
# Members of each of the conversations that sends are spread over.
_CIRCLE = 4
# Sends a second, all of them together.
_RATE = 200
# Conversations whose logs expire.
_TALKS = 100
# Seconds in which a database has to make what is gone ready for use.
_TIDIED = 180
_MB = 2**20


async def expiry(stage: Stage) -> None:
    """Fill and expire `entries` twice, with sends going on; the second time shows the space."""
    people = stage.rig.seed("people", count=_CLIENTS)
    makers = stage.senders(people, stage.seats(people, stage.spread, _CIRCLE))
    await _sends(stage, makers, 2)
    volumes, runs = [], []
    for _ in range(2):
        await asyncio.to_thread(stage.rig.seed, "tidied", seconds=_TIDIED)
        _tell("fills")
        await asyncio.to_thread(stage.rig.seed, "age", count=stage.entries, talks=_TALKS)
        _tell("measures")
        quiet = await _sends(stage, makers, stage.rounds * stage.seconds * 2)
        runs.append((quiet, *await _beside(stage, makers)))
        volumes.append(stage.rig.seed("volume"))
    _put_sends(stage, runs)
    done = runs[0][2]
    stage.put(
        "entries", done["entries"] / done["seconds"], "/s", note=f"{done['entries']:,} in one run"
    )
    grown = max(run[2]["peak"] - run[2]["before"] for run in runs) / _MB
    stage.put("memory of a run", grown, "MB", note=f"on top of {done['before'] / _MB:.0f} MB")
    once, twice = (volume / _MB for volume in volumes)
    stage.put("disk after two fillings", twice, "MB", ceiling=once, beside="MB after one")


def _tell(what: str) -> None:
    print(f"expiry: {what} …", file=sys.stderr, flush=True)


async def _sends(stage: Stage, makers: list[Maker], seconds: float) -> list[float]:
    """Return the latencies of sends at the rate for so long."""
    return await Steady(stage.rig.port, makers, _RATE).run(seconds)


async def _beside(stage: Stage, makers: list[Maker]) -> tuple[list[float], dict[str, Any]]:
    """Return the latencies of sends for as long as an expiry takes, and what that did."""
    running = asyncio.create_task(asyncio.to_thread(stage.rig.seed, "expire"))
    found: list[float] = []
    while not running.done():
        began = time.monotonic()
        part = await _sends(stage, makers, 2)
        # What was measured after the end says nothing about the expiry.
        if not running.done() or not found or time.monotonic() - began < 3:
            found += part
    return found, await running


def _put_sends(stage: Stage, runs: list[tuple[list[float], list[float], dict[str, Any]]]) -> None:
    quiet = [each for run in runs for each in run[0]]
    busy = [each for run in runs for each in run[1]]
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        beside = percentile(quiet, part) * 1000
        stage.put(
            f"sends beside it, {name}",
            percentile(busy, part) * 1000,
            "ms",
            ceiling=beside,
            beside="ms quiet",
            note=f"{len(busy):,} sends, {len(quiet):,} quiet",
        )
