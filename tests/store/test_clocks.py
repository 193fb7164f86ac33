"""Clocks that are wrong, of one process or of all: no push is lost, no bell silent, nothing lives on."""

import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from django.conf import settings

from accounts import tickets, tokens
from accounts.callers import TokenInvalid
from accounts.models import Device
from conversations import looking
from imsite.core import clock
from push import debts, rousing
from push.models import Debt, Decision
from push.why import explain
from tests.cast import Person, talk_of
from tests.conftest import ROOT
from tests.pushing import wake
from tests.wrongclock import DAY, HOUR, WrongClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="preloads a library")
WRONG = [8 * DAY, -8 * DAY, HOUR, -HOUR]
# A worker that runs a task for each line.
WORKER = """
import sys
import django
django.setup()
from push import tasks
for line in sys.stdin:
    tasks.push()
    print("done", flush=True)
"""
# Beat as it runs, with other bells.
BEAT = """
from imsite.celery import app
app.loader.import_default_modules()
app.conf.beat_schedule = {"a": {"task": "push.tasks.push", "schedule": 0.2}}
app.conf.task_default_queue = "clocks"
app.Beat(loglevel="ERROR", quiet=True).run()
"""


@pytest.fixture
def wrong(tmp_path) -> WrongClock:
    return WrongClock(tmp_path)


@pytest.fixture(scope="module")
def worker(valkey, tmp_path_factory):
    """A worker, and its clock."""
    its = WrongClock(tmp_path_factory.mktemp("clock"))
    with process(WORKER, its) as running:
        yield running, its


@contextmanager
def process(code: str, its: WrongClock):
    """Run Python with this clock for as long as the block."""
    environment = {**its.environment, "DJANGO_SETTINGS_MODULE": "imsite.settings"}
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        # Waits, and closes what is open.
        running.communicate()


def outcomes(who: Person, talk_id: int) -> list[str]:
    found = Decision.objects.filter(user_id=who.id, conversation_id=talk_id).order_by("pk")
    return list(found.values_list("outcome", flat=True))


@pytest.mark.parametrize("ahead", WRONG)
def test_a_worker_whose_clock_is_wrong_loses_no_push(worker, alice, ahead):
    """By its own clock all is older than the offline window, or none of it was said yet."""
    bob = wake(Person.new("bob"))
    talk = talk_of(alice, bob)
    running, its = worker
    its.set(ahead)
    seq = talk.say(alice)["seq"]
    running.stdin.write("push\n")
    running.stdin.flush()
    assert running.stdout.readline() == "done\n"
    if ahead < 0:
        # What another worker notes meanwhile is in its future: it, or the other, finds that.
        rousing.strays(now=clock.now())
    assert outcomes(bob, talk.id) == ["pushed"]
    debt = Debt.objects.get(user_id=bob.id, conversation_id=talk.id)
    assert (debt.told_seq, debt.due_at, debt.leased_until) == (seq, None, None)
    [device] = explain(bob.id, talk.id, seq, now=clock.now())["devices"]
    assert device["outcome"] == "pushed"


@pytest.mark.parametrize("ahead", [8 * DAY, HOUR])
def test_what_was_noted_before_all_clocks_were_set_back_is_pushed(valkey, alice, bob, talk, ahead):
    """Due, owed and leased by a time that will not be for days: found, though nobody speaks."""
    then = clock.now() + timedelta(seconds=ahead)
    owed = debts.Owed(
        device_id=bob.device_id, user_id=bob.id, conversation_id=talk.id, provider="fcm",
        from_seq=1, seq=1, due_at=then,
    )  # fmt: skip
    debts.owe([owed], now=then)
    mine = Debt.objects.filter(user_id=bob.id, conversation_id=talk.id)
    mine.update(leased_until=then + timedelta(seconds=debts.lease()))
    assert not [c for c in debts.claim("fcm", 500, now=clock.now()) if c.user_id == bob.id]
    assert rousing.strays(now=clock.now()) >= 1
    [claim] = [c for c in debts.claim("fcm", 500, now=clock.now()) if c.user_id == bob.id]
    assert claim.conversation_id == talk.id
    assert mine.get().owed_since <= clock.now()
    mine.delete()


def test_what_waits_for_good_reason_is_left_alone(alice, bob, talk):
    """A night of quiet hours, an hour's pause."""
    now = clock.now()
    for n, hours in enumerate((24, 1)):
        owed = debts.Owed(
            device_id=bob.device_id, user_id=bob.id, conversation_id=talk.id + n, provider="fcm",
            from_seq=1, seq=1, due_at=now + timedelta(hours=hours),
        )  # fmt: skip
        debts.owe([owed], now=now)
    rousing.strays(now=now)
    mine = Debt.objects.filter(user_id=bob.id)
    assert mine.filter(due_at__gt=now).count() == 2
    mine.delete()


@pytest.mark.parametrize("ahead", [8 * DAY, HOUR])
def test_a_look_leased_by_a_clock_that_ran_ahead_is_taken_over(alice, talk, ahead):
    talk.say(alice)
    found = looking.claim(500, now=clock.now() + timedelta(seconds=ahead))
    assert talk.id in found
    assert talk.id in looking.claim(500, now=clock.now())
    looking.done({each.conversation_id: each.high for each in looking.ranges(found)})


def test_beat_rings_on_whatever_its_clock_says(valkey, wrong):
    """Ahead by days, back, and back by an hour: bells keep their interval, neither silent nor a storm."""
    with redis.Redis.from_url(settings.IM_REDIS_URL) as store:
        queue = "im:celery:clocks"
        store.delete(queue)
        with process(BEAT, wrong):
            deadline = time.monotonic() + 60
            while not store.llen(queue):
                assert time.monotonic() < deadline, "beat does not ring"
                time.sleep(0.02)
            for ahead in (8 * DAY, 0, -HOUR, HOUR, 0):
                wrong.set(ahead)
                before = store.llen(queue)
                time.sleep(1.0)
                assert 2 <= store.llen(queue) - before <= 7, ahead
        store.delete(queue)


@pytest.mark.parametrize("ahead", WRONG)
def test_no_token_lives_for_longer_than_its_time(alice, ahead):
    """Given out by a clock that is wrong, it serves for at most its time and two hours, at any time."""
    device = Device.objects.get(pk=alice.device_id)
    real, skew = clock.now(), timedelta(hours=2)
    given = real + timedelta(seconds=ahead)
    access = tokens.grant(device, at=given)["access"]
    life = timedelta(seconds=settings.IM_ACCESS_TTL)
    served = []
    # A grid that is finer than any life.
    for minutes in range(-60, 12 * 24 * 60, 5):
        at = real + timedelta(minutes=minutes)
        try:
            tokens.verify(access, now=at)
        except tokens.TokenExpired:
            continue
        served.append(at)
    step = timedelta(minutes=5)
    assert len(served) * step <= life + skew + step
    assert all(at <= given + life for at in served)


@pytest.mark.parametrize("ahead", WRONG)
def test_no_ticket_lives_for_longer_than_its_time(alice, ahead):
    device = Device.objects.get(pk=alice.device_id)
    caller = tokens.Caller(alice.id, device.pk, device.epoch)
    real = clock.now()
    ticket = tickets.issue(caller, now=real + timedelta(seconds=ahead))["ticket"]
    if abs(ahead) <= HOUR and ahead >= 0:
        assert tickets.use(ticket, user_id=alice.id, now=real).device_id == device.pk
        return
    with pytest.raises(TokenInvalid):
        tickets.use(ticket, user_id=alice.id, now=real)
