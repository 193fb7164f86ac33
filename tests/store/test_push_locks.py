"""All who change debts lock them in one order: none waits for another that waits for it."""

import random
import threading
from datetime import timedelta

from django.db import connection

from imsite.core import clock, rows
from push import debts, people, rousing
from push.debts import Owed, Settled
from push.models import Debt
from tests.cast import Person, talk_of
from tests.pushing import wake
from tests.store.test_races import together

ROUNDS = 60


def deadlocks() -> int:
    """Return how many deadlocks the database has broken up so far."""
    if connection.vendor == "sqlite":
        return 0
    sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int(rows.fetch(sql)[0][0])


def test_nobody_waits_in_a_circle(database):
    """Owing, settling, reading, recalling, changing quiet hours and going, all at once."""
    crowd = [wake(Person.new("locker")) for _ in range(4)]
    talks = [talk_of(*crowd).id for _ in range(6)]
    places = [(who, talk) for who in crowd for talk in talks]
    before, over = deadlocks(), threading.Event()

    def owe() -> None:
        for n in range(ROUNDS):
            now = clock.now()
            debts.owe(
                [
                    Owed(
                        device_id=who.device_id,
                        user_id=who.id,
                        conversation_id=talk,
                        provider="fcm",
                        from_seq=n + 1,
                        seq=n + 1,
                        due_at=now + timedelta(seconds=random.choice([0, 0, 3600])),
                    )
                    for who, talk in random.sample(places, 20)
                ],
                now=now,
            )
        over.set()

    def settle() -> None:
        while not over.is_set():
            now = clock.now()
            claims = debts.claim("fcm", 16, now=now)
            random.shuffle(claims)
            debts.settle(
                [
                    Settled(claim=claim, again_at=now + timedelta(seconds=1), failed=True)
                    if random.random() < 0.4
                    else Settled(claim=claim, told_seq=claim.seq)
                    for claim in claims
                ],
                now=now,
            )

    def rouse() -> None:
        ids = [who.id for who in crowd]
        while not over.is_set():
            now = clock.now()
            rousing.people(ids, now=now)
            rousing.read([(who.id, talk, who.device_id) for who, talk in places[::2]], now=now)
            rousing.read([(who.id, talk, 0) for who, talk in places[1::2]], now=now)
            rousing.recalled([(talk, 1) for talk in talks], now=now)
            rousing.unheard(now=now)
            rousing.strays(now=now - timedelta(hours=2))
            people.closing(random.choice(ids[:2]), now=now)

    together(owe, owe, settle, settle, rouse, rouse)
    assert deadlocks() == before
    assert Debt.objects.filter(user_id__in=[who.id for who in crowd]).exists()
    for who in crowd:
        debts.forget_all(who.id)
