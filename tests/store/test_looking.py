"""Which conversations wait to be looked at for pushes: none is forgotten, whatever runs beside it."""

import threading
from datetime import timedelta

from django.db import transaction

from accounts.models import User
from conversations import heads, looking, opening
from conversations.models import Conversation, Unlooked
from imsite.core import clock
from push import decisions
from tests.cast import Person, talk_of
from tests.store.test_races import together


def waits(talk) -> bool:
    return Unlooked.objects.filter(pk=talk.id).exists()


def push_seq(talk) -> int:
    return Conversation.objects.get(pk=talk.id).push_seq


def test_a_head_that_moved_waits_until_it_was_looked_at(talk, alice):
    newest = talk.say(alice)["seq"]
    assert waits(talk)
    looking.done({talk.id: newest})
    assert not waits(talk) and push_seq(talk) == newest
    talk.say(alice)
    assert waits(talk)


def test_what_came_meanwhile_waits_on(talk, alice):
    seen = talk.say(alice)["seq"]
    talk.say(alice)
    looking.done({talk.id: seen})
    assert waits(talk) and push_seq(talk) == seen
    # Who looked longer and saw less takes nothing back.
    looking.done({talk.id: seen - 1})
    assert waits(talk) and push_seq(talk) == seen


def test_looking_changes_no_head_that_anybody_sees(talk, alice):
    newest = talk.say(alice)["seq"]
    before = alice.head(talk.id)
    looking.done({talk.id: newest})
    assert alice.head(talk.id) == before


def test_each_is_taken_by_one_and_given_back_by_time(talk, alice):
    talk.say(alice)
    now = clock.now() + timedelta(days=3)
    # The others' talks wait too: take all there are.
    both: list[int] = []
    together(*[lambda: both.extend(looking.claim(100_000, now=now)) for _ in range(2)])
    assert both.count(talk.id) == 1
    assert talk.id not in looking.claim(100_000, now=now)
    assert talk.id in looking.claim(100_000, now=now + timedelta(seconds=looking.LEASE + 1))


def test_a_lease_of_a_clock_in_the_future_holds_nobody(talk, alice):
    talk.say(alice)
    looking.claim(100_000, now=clock.now() + timedelta(days=8))
    assert talk.id in looking.claim(100_000, now=clock.now())


def test_an_append_that_commits_late_is_not_forgotten(talk, alice):
    """The look ends while an append holds the head: it must see the append, or leave its row."""
    seen = talk.say(alice)["seq"]
    looking.done({talk.id: seen})
    ended = threading.Thread(target=together, args=[lambda: looking.done({talk.id: seen})])
    with transaction.atomic():
        head = heads.lock([talk.id])[talk.id]
        head.head_seq += 1
        heads.save([head], stamp=1)
        ended.start()
        ended.join(0.5)
    ended.join()
    assert waits(talk)


def test_no_append_is_forgotten_while_others_look(talk, alice):
    for _ in range(20):
        seen = push_seq(talk) + 1
        together(
            lambda: talk.say(alice),
            lambda seen=seen: looking.done({talk.id: seen}),
            lambda: talk.say(alice),
        )
        kept = Conversation.objects.get(pk=talk.id)
        assert waits(talk) == (kept.push_seq < kept.head_seq)


def test_what_waits_unknown_is_found(talk, alice):
    talk.say(alice)
    Unlooked.objects.filter(pk=talk.id).delete()
    assert looking.find_missed() >= 1
    assert waits(talk)


def test_newcomers_of_a_large_group_are_told_of_mentions_only(alice):
    now = clock.now()
    crowd = User.objects.bulk_create(
        User(
            username=f"l{alice.id}_{n}",
            username_key=f"l{alice.id}_{n}",
            display_name="L",
            display_key="l",
            created_at=now,
        )
        for n in range(500)
    )
    small, large = talk_of(alice), None
    wanted = opening.Group(title="Large", member_ids=tuple(each.pk for each in crowd))
    large, _ = opening.group(alice.id, wanted, now=now)
    late = Person.new("late")
    for place in (small.id, large):
        alice.post(f"conversations/{place}/members/add", {"user_ids": [late.id]})
    assert late.head(large)["membership"]["notify"] == "mentions"
    assert alice.head(large)["membership"]["notify"] == "mentions"
    assert late.head(small.id)["membership"]["notify"] == "all"


def test_the_devices_of_a_look_come_back_as_they_were():
    for ids in ([], [1], [5, 6, 7], [3, 2**52, 10**9]):
        assert decisions.unpack(decisions.pack(ids)) == sorted(ids)
