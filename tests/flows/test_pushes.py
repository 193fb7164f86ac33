"""Who is pushed, when, and what: stories."""

import itertools
from datetime import timedelta

import pytest

from imsite.core import clock
from imsite.core.pace import Pace
from push import debts, forgetting, rousing, sweep
from push.models import Debt, Decision
from push.providers.base import PushFailed
from tests.aging import calendar
from tests.cast import Person, talk_of
from tests.pushing import phones, push, wake


@pytest.fixture
def phone(valkey):
    with phones() as found:
        yield found


@pytest.fixture
def bob():
    return wake(Person.new("bob"))


def decided(who, talk) -> list[str]:
    found = Decision.objects.filter(user_id=who.id, conversation_id=talk.id).order_by("id")
    return list(found.values_list("outcome", flat=True))


def test_an_absent_member_is_pushed_once_for_all_that_waits(phone, alice, bob, talk):
    for n in range(3):
        newest = talk.say(alice, f"hello {n}")["seq"]
    push()
    [told] = phone.of(bob)
    assert (told.conversation_id, told.seq, told.silent) == (talk.id, newest, False)
    assert told.badge == bob.get("sync")["unread_total"] == 3
    assert told.title == "Talk"
    assert told.text.endswith(": hello 2")
    push()
    assert len(phone.taken) == 1
    assert phone.of(alice) == []
    assert decided(bob, talk) == ["pushed"]


def test_the_next_message_is_another_push(phone, alice, bob, talk):
    first = talk.say(alice)["seq"]
    push()
    second = talk.say(alice)["seq"]
    push()
    assert phone.seqs(bob) == [first, second]


def test_what_was_read_or_pulled_is_not_pushed(phone, alice, bob, talk):
    seq = talk.say(alice)["seq"]
    bob.post(f"{talk.path}/read", {"seq": seq})
    push()
    assert phone.of(bob) == []


def test_what_was_recalled_is_not_pushed_and_an_edit_is(phone, alice, bob, talk):
    kept = talk.say(alice, "kept")["seq"]
    gone = talk.say(alice, "gone")["seq"]
    alice.post(f"{talk.path}/messages/{kept}/edit", {"text": "edited"})
    alice.post(f"{talk.path}/messages/{gone}/recall", {})
    push()
    [told] = phone.of(bob)
    assert told.seq == kept
    assert told.text.endswith("edited")


@pytest.mark.parametrize("notify", ["none", "mentions"])
def test_who_wants_none_gets_none(phone, alice, bob, talk, notify):
    bob.post(f"{talk.path}/settings", {"notify": notify})
    talk.say(alice)
    push()
    assert phone.of(bob) == []


def test_who_wants_mentions_gets_mentions(phone, alice, bob, talk):
    bob.post(f"{talk.path}/settings", {"notify": "mentions"})
    told = talk.say(alice, "you", mentions=[bob.id])["seq"]
    talk.say(alice, "not you")
    push()
    assert phone.seqs(bob) == [told]
    all_ = talk.say(alice, "everybody", mentions="all")["seq"]
    push()
    assert phone.seqs(bob) == [told, all_]


def test_who_left_is_not_pushed(phone, alice, bob, talk):
    talk.say(alice)
    bob.post(f"{talk.path}/leave")
    push()
    assert phone.of(bob) == []


def test_reading_elsewhere_clears_what_is_shown(phone, alice, bob, talk):
    seq = talk.say(alice)["seq"]
    push()
    bob.post(f"{talk.path}/read", {"seq": seq})
    Debt.objects.filter(user_id=bob.id).update(due_at=clock.now())
    push()
    [_shown, silent] = phone.of(bob)
    assert (silent.silent, silent.seq, silent.badge) == (True, seq, 0)
    push()
    assert len(phone.of(bob)) == 2


def test_a_recall_takes_the_words_from_the_screen(phone, alice, bob, talk):
    kept = talk.say(alice, "kept")["seq"]
    gone = talk.say(alice, "gone")["seq"]
    push()
    alice.post(f"{talk.path}/messages/{gone}/recall", {})
    push()
    [_shown, instead] = phone.of(bob)
    assert (instead.seq, instead.silent, instead.badge) == (kept, False, 1)
    assert instead.text.endswith("kept")
    alice.post(f"{talk.path}/messages/{kept}/recall", {})
    push()
    [*_, cleared] = phone.of(bob)
    assert (cleared.silent, cleared.badge) == (True, 0)
    push()
    assert len(phone.of(bob)) == 3


def test_a_recall_of_what_is_not_shown_disturbs_nobody(phone, alice, bob, talk):
    below = talk.say(alice, "below")["seq"]
    talk.say(alice, "shown")
    push()
    alice.post(f"{talk.path}/messages/{below}/recall", {})
    push()
    assert len(phone.of(bob)) == 1


def test_a_provider_that_fails_is_tried_again_and_a_dead_token_is_forgotten(
    phone, alice, bob, talk
):
    seq = talk.say(alice)["seq"]
    phone.failing = PushFailed("busy")
    push()
    assert phone.of(bob) == []
    phone.failing = None
    push(now=clock.now() + timedelta(seconds=30))
    assert phone.seqs(bob) == [seq]
    phone.failing = PushFailed("no such token", gone=True)
    talk.say(alice)
    push()
    assert bob.get("push/tokens")["items"] == []
    assert decided(bob, talk) == ["failed", "pushed", "gone"]
    assert not Debt.objects.filter(user_id=bob.id, due_at__isnull=False).exists()


def test_quiet_hours_let_it_wait(phone, alice, bob, talk):
    here = clock.now().hour
    hours = {"start": f"{here:02}:00", "end": f"{(here + 2) % 24:02}:00", "tz": "UTC"}
    bob.post("push/settings", {"preview": False, "quiet_hours": hours})
    seq = talk.say(alice, "secret")["seq"]
    push()
    assert phone.of(bob) == []
    assert decided(bob, talk) == ["quiet"]
    push(now=clock.now() + timedelta(hours=2, minutes=1))
    [told] = phone.of(bob)
    assert (told.seq, told.title, told.text) == (seq, None, None)


def test_what_is_in_hand_for_longer_than_its_lease_is_not_sent_again(phone, alice, bob, talk):
    """The machine stood still, or the database did: the same sweep claims once more what it sends."""
    seqs = {each.id: each.say(alice)["seq"] for each in (talk, talk_of(alice, bob))}
    phone.slow = {"fcm": 1.0}
    times = itertools.count()
    # Between two looks at the clock more than a lease passes.
    sweep.run(lambda: clock.now() + next(times) * timedelta(seconds=debts.lease()), budget=5)
    assert {talk_id: phone.seqs(bob, talk_id) for talk_id in seqs} == {
        talk_id: [seq] for talk_id, seq in seqs.items()
    }
    assert decided(bob, talk) == ["pushed"]


@pytest.mark.parametrize("days_on", [9, 36])
def test_what_expires_goes_from_the_screen_and_leaves_no_badge(phone, alice, bob, days_on):
    talk = talk_of(alice, bob, retention_days=2)
    with calendar(alice, bob) as days:
        seq = talk.say(alice, "gone soon")["seq"]
        push()
        days.go_on(days_on)
        days.expire()
        forgetting.forget(clock.now(), Pace(rest=0))
        assert bob.get("sync")["unread_total"] == 0
        rousing.unheard(now=clock.now())
        push()
        [_shown, silent] = phone.of(bob)
        assert (silent.silent, silent.seq, silent.badge) == (True, seq, 0)
        days.go_on(8)
        forgetting.forget(clock.now(), Pace(rest=0))
        assert not Debt.objects.filter(user_id=bob.id).exists()
