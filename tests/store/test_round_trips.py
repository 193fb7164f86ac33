"""What shares a round trip with others: a commit ends it, and who holds locks is not kept waiting."""

import asyncio
import time
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg.pq import TransactionStatus

from accounts.models import Block
from imsite.core import clock, rows
from imsite.core.fibers import Fibers
from tests.environment import ENGINE

pytestmark = pytest.mark.skipif(ENGINE != "postgresql", reason="SQLite has no round trips")
BLOCKS = Block._meta.db_table
COLUMNS = ("blocker_id", "blocked_id", "created_at")


def block(*pairs: tuple[int, int], ends: bool) -> None:
    """Store that these users block those, in one round trip."""
    with rows.together(ends=ends):
        for pair in pairs:
            rows.insert(BLOCKS, COLUMNS, [(*pair, clock.now())])


def is_open() -> bool:
    """Say whether the server holds a transaction of ours open."""
    return bool(connection.connection.pgconn.transaction_status != TransactionStatus.IDLE)


@pytest.mark.parametrize("ends", [False, True])
def test_a_commit_goes_with_the_last_round_trip(alice, bob, ends):
    with transaction.atomic():
        block((alice.id, bob.id), (bob.id, alice.id), ends=ends)
        assert is_open() is not ends
    assert not is_open()
    assert Block.objects.filter(blocker_id__in=[alice.id, bob.id]).count() == 2


@pytest.mark.parametrize("ends", [False, True])
def test_what_is_part_of_another_transaction_ends_with_it(alice, bob, ends):
    with transaction.atomic():
        with transaction.atomic():
            block((alice.id, bob.id), ends=ends)
        assert is_open()
        transaction.set_rollback(True)
    assert not Block.objects.filter(blocker_id=alice.id).exists()


def test_what_is_to_be_rolled_back_is_not_committed(alice, bob):
    with transaction.atomic():
        transaction.set_rollback(True)
        block((alice.id, bob.id), ends=True)
        assert is_open()
    assert not Block.objects.filter(blocker_id=alice.id).exists()


@pytest.mark.parametrize("ends", [False, True])
def test_of_what_fails_nothing_stays(alice, bob, ends):
    with pytest.raises(IntegrityError), transaction.atomic():
        block((alice.id, bob.id), (alice.id, bob.id), (bob.id, alice.id), ends=ends)
    assert not is_open()
    assert not Block.objects.filter(blocker_id__in=[alice.id, bob.id]).exists()


def test_what_was_asked_to_be_done_after_a_commit_is_done_once(alice, bob):
    done: list[bool] = []
    with transaction.atomic():
        transaction.on_commit(lambda: done.append(is_open()))
        block((alice.id, bob.id), ends=True)
        assert not done
    assert done == [False]


@pytest.mark.parametrize("presses", [False, True])
async def test_who_presses_goes_on_before_anything_begins(presses):
    """A loop calls all that is ready before it looks at sockets: twenty requests of five milliseconds."""
    first, others = Fibers("test", 1, stand=0, presses=presses), Fibers("test", 4)
    order: list[Any] = []

    def ask() -> None:
        rows.fetch("SELECT 1 FROM pg_sleep(0.02)", [])
        order.append("answered")

    def work(n: int) -> None:
        time.sleep(0.005)
        order.append(n)

    # Connected, and the statement known.
    await first.run(ask)
    order.clear()
    asking = asyncio.create_task(first.run(ask))
    await asyncio.sleep(0)
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    for n in range(20):
        loop.call_soon(others.start, lambda *_: None, work, n)
    loop.call_soon(done.set)
    await asyncio.gather(done.wait(), asking)
    assert [each for each in order if each != "answered"] == list(range(20))
    assert (order.index("answered") < 15) is presses
    first.close()
    others.close()
