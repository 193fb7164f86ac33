"""Who claims gets no more than asked for, whatever the database believes of its tables."""

import pytest
from django.db import connection, transaction

from conversations import looking
from conversations.models import Unlooked
from imsite.core import clock
from push import debts
from push.debts import Owed
from push.models import Debt
from tests.cast import Person, talk_of
from tests.pushing import wake

FEW = 5


@pytest.fixture(autouse=True)
def grown(database):
    """Let the tables be ones that were empty when the planner last looked, until all is undone."""
    with transaction.atomic():
        Debt.objects.all().delete()
        Unlooked.objects.all().delete()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE push_debt, conversations_unlooked")
                # As a transaction of ours begins.
                for way in ("seqscan", "hashjoin", "mergejoin"):
                    cursor.execute(f"SET LOCAL enable_{way} = off")
        yield
        transaction.set_rollback(True)


def test_a_claim_takes_as_many_debts_as_there_is_room_for(database):
    whose, now = wake(Person.new("claimed")), clock.now()
    talks = [talk_of(whose).id for _ in range(4 * FEW)]
    debts.owe(
        [
            Owed(
                device_id=whose.device_id,
                user_id=whose.id,
                conversation_id=talk,
                provider="fcm",
                from_seq=1,
                seq=1,
                due_at=now,
            )
            for talk in talks
        ],
        now=now,
    )
    taken = [debts.claim("fcm", FEW, now=now) for _ in range(5)]
    assert [len(each) for each in taken] == [FEW, FEW, FEW, FEW, 0]
    assert sorted(claim.conversation_id for each in taken for claim in each) == talks


def test_a_look_takes_as_many_conversations_as_it_looks_at(database):
    talks = [talk_of(Person.new("looked")).id for _ in range(4 * FEW)]
    Unlooked.objects.all().delete()
    Unlooked.objects.bulk_create(Unlooked(conversation_id=each) for each in talks)
    now = clock.now()
    taken = [looking.claim(FEW, now=now) for _ in range(5)]
    assert [len(each) for each in taken] == [FEW, FEW, FEW, FEW, 0]
    assert sorted(each for claimed in taken for each in claimed) == talks
