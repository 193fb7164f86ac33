"""Synchronous calls on the loop's thread, on a real PostgreSQL: they share it, and none holds it up."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.db.utils import DataError

from imsite.core import fibers, limits, rows
from imsite.core.fibers import Fibers, Latch
from imsite.core.pools import Overloaded
from tests.environment import ENGINE

pytestmark = pytest.mark.skipif(ENGINE != "postgresql", reason="SQLite cannot step aside")
SLOW = 0.3


@pytest.fixture
def four() -> Iterator[Fibers]:
    """Fibers at four connections."""
    made = Fibers("test", 4, most=20)
    yield made
    made.close()


def backend() -> int:
    """Return the process that serves this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def slowly() -> int:
    """Have PostgreSQL take its time, asked by a cursor and then directly."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [SLOW / 2])
    rows.fetch(f"SELECT 1 FROM pg_sleep({SLOW / 2})", [])
    return backend()


class Longest:
    """Notes for how long the loop was held up at most."""

    async def __aenter__(self) -> "Longest":
        self.seconds = 0.0
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            self.seconds = max(self.seconds, time.monotonic() - before)


async def test_it_is_the_call_itself(four):
    me = threading.get_ident()
    assert await four.run(threading.get_ident) == me
    assert await four.run(lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        await four.run(lambda: 1 / 0)
    with pytest.raises(DataError):
        await four.run(lambda: rows.fetch("SELECT 1/0", []))
    assert fibers.current() is None
    assert four.taken == 0


async def test_slow_answers_are_waited_for_together_on_connections_apart(four):
    await asyncio.gather(*(four.run(slowly) for _ in range(4)))
    async with Longest() as longest:
        began = time.monotonic()
        served = await asyncio.gather(*(four.run(slowly) for _ in range(4)))
        took = time.monotonic() - began
    assert len(set(served)) == 4
    assert took < 3 * SLOW
    # The loop stands for two milliseconds at a time, never for an answer.
    assert longest.seconds < SLOW / 2


async def test_connections_are_few_and_stay(four):
    many = await asyncio.gather(*(four.run(slowly) for _ in range(12)))
    assert len(set(many)) <= 4
    alone = {await four.run(backend) for _ in range(5)}
    assert len(alone) == 1
    assert alone <= set(many)


async def test_no_call_sees_the_transaction_of_another(four):
    """Each raises the level of isolation in its own transaction and finds only its own."""

    def own(level: str) -> str:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            cursor.execute("SELECT pg_sleep(0.05)")
            cursor.execute("SHOW transaction_isolation")
            return str(cursor.fetchone()[0])

    levels = ["read committed", "repeatable read", "serializable"] * 3
    assert await asyncio.gather(*(four.run(own, level) for level in levels)) == levels


async def test_who_waits_for_a_latch_leaves_the_connection_to_others(four):
    latches: list[Latch] = []

    def wait() -> tuple[int, int]:
        before = backend()
        latch = Latch()
        latches.append(latch)
        latch.wait(10)
        return before, backend()

    calls = [asyncio.create_task(four.run(wait)) for _ in range(10)]
    while len(latches) < 10:
        await asyncio.sleep(0.01)
    assert await asyncio.wait_for(four.run(backend), 5)
    for latch in latches:
        threading.Thread(target=latch.open).start()
    found = await asyncio.gather(*calls)
    assert len({pid for pair in found for pid in pair}) <= 4
    assert four.taken == 0


async def test_a_latch_that_nobody_opens_is_waited_for_in_vain(four):
    def wait() -> float:
        began = time.monotonic()
        Latch().wait(0.2)
        return time.monotonic() - began

    assert 0.2 <= await four.run(wait) < 5


async def test_a_latch_may_open_before_anybody_waits_and_late_ones_disturb_nobody(four):
    def early() -> str:
        latch = Latch()
        latch.open()
        slowly()
        latch.wait(10)
        return "early"

    def late() -> str:
        latch = Latch()
        latch.wait(0.01)
        # Opened while the call is at something else, it must not be taken for the end of that.
        threading.Timer(0.02, latch.open).start()
        slowly()
        return "late"

    began = time.monotonic()
    assert await asyncio.gather(four.run(early), four.run(late)) == ["early", "late"]
    assert SLOW <= time.monotonic() - began < 5


async def test_a_caller_who_gives_up_leaves_the_call_running(four):
    done: list[int] = []
    call = asyncio.create_task(four.run(lambda: done.append(slowly())))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert four.taken == 1
    while not done:
        await asyncio.sleep(0.01)
    assert four.taken == 0
    assert await four.run(backend)


async def test_too_many_are_refused_and_who_waits_has_a_turn(four):
    calls = [asyncio.create_task(four.run(slowly)) for _ in range(24)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await four.run(backend)
    for call in calls[-5:]:
        call.cancel()
    assert len(await asyncio.gather(*calls[:-5])) == 19
    while four.taken:
        await asyncio.sleep(0.01)
    assert await four.run(backend)


async def test_what_cannot_step_aside_is_done_in_a_thread(four):
    def blocking() -> bool:
        time.sleep(SLOW)
        return threading.current_thread() is not threading.main_thread()

    async with Longest() as longest:
        assert await four.run(lambda: fibers.aside(blocking))
    assert longest.seconds < SLOW / 2
    with pytest.raises(ZeroDivisionError):
        await four.run(lambda: fibers.aside(lambda: 1 / 0))
    assert fibers.aside(lambda: 7) == 7


async def test_a_slow_valkey_is_waited_for_aside(four, monkeypatch, settings):
    asked: list[threading.Thread] = []

    def slow(*question: object) -> None:
        asked.append(threading.current_thread())
        time.sleep(pauses.pop(0))

    settings.IM_LIMITS = True
    monkeypatch.setattr(limits, "_ask", slow)
    monkeypatch.setattr(limits, "_is_far", False)
    # Far more than a busy machine adds to no time at all.
    monkeypatch.setattr(limits, "_NEAR", 0.2)
    pauses = [0.0, 0.3, 0.3, 0.0, 0.0]
    for _ in range(5):
        await four.run(limits.hit, "send", "someone")
    main = threading.main_thread()
    assert [each is main for each in asked] == [True, True, False, False, True]


async def test_senders_take_no_warm_connection_from_others(four):
    """Who comes back from a latch while all seats are taken needs no connection, and leaves none."""
    slow: set[int] = set(await asyncio.gather(*(four.run(slowly) for _ in range(4))))

    def send() -> None:
        latch = Latch()
        threading.Timer(0.05, latch.open).start()
        latch.wait(10)

    for _ in range(4):
        await asyncio.gather(
            *(four.run(send) for _ in range(6)), *(four.run(slowly) for _ in range(4))
        )
    assert set(await asyncio.gather(*(four.run(slowly) for _ in range(4)))) == slow


async def test_nobody_waits_for_a_latch_in_a_transaction(four):
    def wait() -> None:
        with transaction.atomic():
            Latch().wait(1)

    with pytest.raises(AssertionError):
        await four.run(wait)
    assert four.taken == 0
