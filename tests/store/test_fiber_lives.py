"""Fibers that make one call after the other: nothing of a call is left for the next, or in the loop's way."""

import asyncio
import gc
import subprocess
import sys
import weakref
from contextvars import ContextVar

import pytest
from greenlet import getcurrent

from imsite.core import fibers
from imsite.core.fibers import Fibers, Latch
from tests.conftest import ROOT
from tests.environment import ENGINE

pytestmark = pytest.mark.skipif(ENGINE != "postgresql", reason="SQLite cannot step aside")
told: ContextVar[str] = ContextVar("told", default="nothing")


class Thing:
    """Something that a call returns."""


async def test_calls_take_turns_in_few_fibers_and_hear_nothing_of_each_other():
    made = Fibers("test", 2)
    latches: list[Latch] = []
    seen: set[int] = set()

    def call(n: int) -> str:
        seen.add(id(getcurrent()))
        before = told.get()
        told.set(f"by {n}")
        latch = Latch()
        latches.append(latch)
        latch.wait(5)
        assert told.get() == f"by {n}"
        return before

    for _ in range(20):
        calls = [asyncio.create_task(made.run(call, n)) for n in range(3)]
        while len(latches) < 3:
            await asyncio.sleep(0)
        for latch in latches:
            latch.open()
        assert await asyncio.gather(*calls) == ["nothing"] * 3
        latches.clear()
    assert len(seen) == 3
    made.close()


async def test_what_a_call_returned_or_raised_is_let_go():
    made = Fibers("test", 1)
    kept: list[weakref.ref[Thing]] = []

    def give() -> Thing:
        thing = Thing()
        kept.append(weakref.ref(thing))
        return thing

    def fail() -> None:
        thing = Thing()
        kept.append(weakref.ref(thing))
        raise ValueError(thing)

    await made.run(give)
    with pytest.raises(ValueError):
        await made.run(fail)
    gc.collect()
    assert [each() for each in kept] == [None, None]
    made.close()


async def test_of_a_crowd_few_stay(monkeypatch):
    monkeypatch.setattr(fibers, "_IDLE", 2)
    made = Fibers("test", 4)
    latches: list[Latch] = []

    def wait() -> int:
        latches.append(Latch())
        latches[-1].wait(5)
        return id(getcurrent())

    calls = [asyncio.create_task(made.run(wait)) for _ in range(6)]
    while len(latches) < 6:
        await asyncio.sleep(0)
    for latch in latches:
        latch.open()
    assert len(set(await asyncio.gather(*calls))) == 6
    assert len(made._idle) == 2
    assert await made.run(lambda: 1) == 1
    made.close()


DEEP = """
import asyncio, select, socket, django
django.setup()
import uvloop
from functools import reduce
from imsite.core import fibers

class Seats:
    stand = 0

    def __init__(self, presses):
        self.presses = presses

    def work(self, fiber, call, args):
        return call(*args)

    def keep(self, fiber):
        return False

def deep(levels, call):
    # Each level is one of C's, too.
    return reduce(lambda *_: deep(levels - 1, call), [0], 0) if levels else call()

def hear(end):
    def wait():
        poller = select.poll()
        poller.register(end, select.POLLIN)
        assert fibers.poll(poller, end.fileno(), 5)
        end.recv(1)
    return wait

async def main():
    loop, left = asyncio.get_running_loop(), 40 * 6
    done = loop.create_future()

    def tell(result, error):
        nonlocal left
        assert error is None
        left -= 1
        if not left:
            done.set_result(None)

    pairs = [socket.socketpair() for _ in range(left)]
    for n, (end, _) in enumerate(pairs):
        fiber = fibers.Fiber(Seats(n % 2))
        loop.call_soon(fiber.take, tell, deep, 10 * (n % 6), hear(end))
    await asyncio.sleep(0.1)
    for _, other in pairs:
        other.send(b"x")
    await asyncio.wait_for(done, 20)

uvloop.run(main())
print("done")
"""


def test_a_fiber_may_wait_however_deep_it_is():
    """The loop keeps pointers into its stack, which a deep fiber moves away: it must not see them."""
    ran = subprocess.run([sys.executable, "-c", DEEP], cwd=ROOT, capture_output=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, b"done\n"), ran.stderr.decode()
