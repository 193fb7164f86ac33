"""Measure the site on this machine, each figure beside its ceiling in the same run.

    python -m bench [SCENARIO ...] [--engine sqlite|postgresql] [--seconds N] [--rounds N] [--json FILE]

On SQLite the server is one process, as `make run` starts it. With `--engine postgresql` the roles
are apart as operators start them, `python -m imsite.roles api` for HTTP and the ws role for sockets,
on a database of its own in a PostgreSQL from the wheel, or in the one at IM_TEST_DATABASE_URL; groups,
sockets and conversations are then as many as its bars ask for. IM_API_WORKERS, IM_API_THREADS and
IM_WS_WORKERS are handed on. Beside the server there are a seeding process on the same database
(`bench.seed`), and this one, which makes the load; all of it is made for the run and removed after it.

Contestants take turns, round by round; the table shows medians of the rounds and ratios of medians.
CPU is user and system time for each request: of the server (all processes of its roles), and in the
last column of PostgreSQL, valkey and the load generator too.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench import report
from bench.bars import BARS
from bench.client import Refused
from bench.report import Row
from bench.rig import ENGINES, Broken, Rig, rigged
from bench.scenarios import EXTRA, SCENARIOS
from bench.stage import Stage


def main() -> None:
    """Run the scenarios asked for and print the table."""
    asked = _arguments()
    _allow_many_sockets()
    # As Ctrl-C does: everything is put away first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    taken, start = datetime.now(UTC), time.monotonic()
    with rigged(asked.engine) as rig:
        facts = _facts(rig, taken)
        stage = Stage(rig, asked.rounds, asked.seconds, asked.entries)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_play(stage, asked.scenarios))
    facts["run"] = (
        f"{time.monotonic() - start:.0f} s, {asked.rounds} rounds of {asked.seconds:g} s, load after: "
        + _load()
    )
    rows = stage.rows + _unmeasured(stage, asked.scenarios)
    report.show(rows, facts)
    if asked.json:
        kept = {"engine": asked.engine, "facts": facts, "rows": [row.shape() for row in rows]}
        asked.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    if asked.strict and not all(row.good for row in rows):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    named = ", ".join(SCENARIOS)
    told = f"{named} (all of these by default), {', '.join(EXTRA)}"
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=told)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite", help="the database")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a round lasts (1)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (5)")
    parser.add_argument(
        "--entries", type=int, help="length of the log of `pages` (50,000; 1,000,000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a bar is missed")
    asked = parser.parse_args()
    if unknown := [name for name in asked.scenarios if name not in SCENARIOS | EXTRA]:
        parser.error(f"no scenario {', '.join(unknown)}; there are: {told}")
    asked.scenarios = asked.scenarios or list(SCENARIOS)
    asked.entries = asked.entries or (50_000 if asked.engine == "sqlite" else 1_000_000)
    return asked


async def _play(stage: Stage, names: list[str]) -> None:
    """Run the scenarios one after the other; one that breaks leaves a row that says why."""
    for name in names:
        stage.scenario = name
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            await (SCENARIOS | EXTRA)[name](stage)
        except (Refused, Broken, OSError, TimeoutError) as error:
            said = str(error) or type(error).__name__
            stage.rows.append(Row(scenario=name, what="", failure=said))


def _unmeasured(stage: Stage, names: list[str]) -> list[Row]:
    """Return a row for each bar of these scenarios that nothing was measured for."""
    done = {(row.scenario, row.what) for row in stage.rows}
    return [
        Row(scenario=scenario, what=what, bar=bar)
        for (scenario, what), bar in BARS[stage.rig.engine].items()
        if scenario in names and (scenario, what) not in done
    ]


def _facts(rig: Rig, taken: datetime) -> dict[str, str]:
    """Return what the figures depend on."""
    about: dict[str, Any] = rig.seed("about")
    return {
        "taken": taken.isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {_processor()}, load before: {_load()}",
        "software": f"Python {platform.python_version()}, {about['database']} ({about['durability']})",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def _allow_many_sockets() -> None:
    """Raise the bound on open files: the server inherits it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
