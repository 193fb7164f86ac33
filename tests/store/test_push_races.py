"""Sends, reads, recalls and sweeps beside each other: every device hears the newest, nothing twice."""

import random
import threading

import pytest

from conversations import following, markers
from imsite.core import clock
from messages import corrections, log
from push import bell, sweep, tasks
from push.models import Debt
from tests.cast import Person, talk_of
from tests.pushing import Phone, phones, push, wake
from tests.store.test_query_budgets import draft
from tests.store.test_races import together

SENDS = 60


@pytest.fixture
def phone(valkey):
    following._followers.remove(bell)
    with phones() as found:
        push()
        yield found
    following.register(bell)


def crowd(count: int) -> list[Person]:
    return [wake(Person.new("racer"), random.choice(["fcm", "apns"])) for _ in range(count)]


def check(phone: Phone, people: list[Person], newest: dict[int, dict[int, int]]) -> None:
    """Say that each was told of the newest of the others, and each seq once, in order."""
    for who in people:
        for talk_id, by_sender in newest.items():
            told = phone.seqs(who, talk_id)
            assert told == sorted(set(told)), "told twice, or of the past"
            others = max((seq for sender, seq in by_sender.items() if sender != who.id), default=0)
            own = by_sender.get(who.id, 0)
            # Whoever spoke last has read what is below.
            assert max(told, default=0) == others or own > others, (told, others)


def test_no_push_is_lost_or_doubled_while_many_send_and_many_sweep(phone):
    people = crowd(4)
    talks = [talk_of(*random.sample(people, 4)).id for _ in range(5)]
    newest: dict[int, dict[int, int]] = {talk: {} for talk in talks}
    done, lock = [], threading.Lock()

    def send(who: Person) -> None:
        for _ in range(SENDS):
            said = [draft(random.choice(talks), who.id) for _ in range(random.choice([1, 1, 3]))]
            receipts = log.append_many(said, now=clock.now())
            with lock:
                for each, receipt in zip(said, receipts, strict=True):
                    kept = newest[each.conversation_id]
                    kept[who.id] = max(receipt.seq, kept.get(who.id, 0))
        done.append(who)

    def sweeps() -> None:
        while len(done) < len(people):
            sweep.run(clock.now, budget=10)

    together(*[lambda who=who: send(who) for who in people], sweeps, sweeps, sweeps)
    push()
    check(phone, people, newest)
    assert not Debt.objects.filter(
        user_id__in=[p.id for p in people], due_at__isnull=False
    ).exists()


def test_each_task_given_out_twice_pushes_once(phone):
    [alice, bob] = crowd(2)
    talk = talk_of(alice, bob)
    for n in range(10):
        seq = talk.say(alice, str(n))["seq"]
        together(tasks.push, tasks.push)
        assert phone.seqs(bob, talk.id)[-1] == seq
        assert len(phone.seqs(bob, talk.id)) == n + 1
    together(*[lambda: tasks.clear([[bob.id, talk.id, 0]])] * 2)
    together(tasks.rouse_strays, tasks.find_missed, tasks.clear_read)
    assert len(phone.of(bob)) == 10


def test_nobody_is_told_of_what_was_read_or_recalled_before(phone):
    [alice, bob] = crowd(2)
    talk = talk_of(alice, bob)
    stop = threading.Event()

    def sweeps() -> None:
        while not stop.is_set():
            sweep.run(clock.now, budget=10)

    def speak() -> None:
        for n in range(25):
            seq = talk.say(alice, str(n))["seq"]
            if n % 2:
                markers.move(bob.id, talk.id, seq=seq, force=False)
            else:
                corrections.recall(alice.id, talk.id, seq, now=clock.now())
            before = len(phone.taken)
            quiet.wait(0.02)
            late = [p.seq for _, p in phone.taken[before:] if not p.silent and p.seq <= seq]
            # One may be under way at the very moment.
            assert len(late) <= 1
        stop.set()

    quiet = threading.Event()
    together(speak, sweeps, sweeps)
    seqs = phone.seqs(bob)
    assert seqs == sorted(set(seqs))
