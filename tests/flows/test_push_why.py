"""What `why` tells after real looks and sweeps: the same as what the device saw."""

from datetime import timedelta

import pytest

from imsite.core import clock
from push import rousing
from push.models import Debt, Decision
from push.providers.base import PushFailed
from tests.cast import PASSWORD, Person
from tests.pushing import phones, push, wake


@pytest.fixture
def phone(valkey):
    with phones() as found:
        yield found


@pytest.fixture
def bob():
    return wake(Person.new("bob"))


def why(who, talk, seq: int) -> dict:
    found = who.get(f"push/why?conversation_id={talk.id}&seq={seq}")["devices"]
    return {each["device_id"]: each for each in found}


def mine(who, talk, seq: int) -> dict:
    return why(who, talk, seq)[who.device_id]


def night(who) -> dict:
    """Make it quiet for this person at present."""
    here = clock.now().hour
    hours = {"start": f"{here:02}:00", "end": f"{(here + 2) % 24:02}:00", "tz": "UTC"}
    return who.post("push/settings", {"preview": True, "quiet_hours": hours})


def test_a_message_waits_is_pushed_and_is_read_elsewhere(phone, alice, bob, talk):
    first, second = (talk.say(alice, text)["seq"] for text in ("one", "two"))
    assert mine(bob, talk, first)["outcome"] == "waiting"
    push()
    assert phone.seqs(bob, talk.id) == [second]
    told = mine(bob, talk, first)
    assert (told["outcome"], told["basis"], told["collapsed_into"]) == (
        "pushed",
        "recorded",
        second,
    )
    assert mine(bob, talk, second)["collapsed_into"] is None
    desk = Person(
        bob.post("accounts/login", {"username": bob.user["username"], "password": PASSWORD})
    )
    desk.post(f"{talk.path}/read", {"seq": second})
    rousing.read([(bob.id, talk.id, desk.device_id)], now=clock.now())
    push()
    told = mine(bob, talk, second)
    assert [each["outcome"] for each in told["steps"]] == ["pushed", "read", "cleared"]
    assert told["steps"][1]["detail"] == told["detail"] == f"device {desk.device_id}"
    assert why(bob, talk, second)[desk.device_id]["outcome"] == "read"
    assert mine(alice, talk, second)["outcome"] == "own"


def test_what_is_read_while_it_is_owed_names_the_device(phone, alice, bob, talk):
    phone.failing = PushFailed("503", unwell=True)
    seq = talk.say(alice)["seq"]
    push()
    told = mine(bob, talk, seq)
    assert (told["outcome"], told["detail"]) == ("failed", "503") and told["next_at"]
    bob.post(f"{talk.path}/read", {"seq": seq})
    rousing.read([(bob.id, talk.id, bob.device_id)], now=clock.now())
    phone.failing = None
    push(now=clock.now() + timedelta(minutes=2))
    told = mine(bob, talk, seq)
    assert (told["outcome"], told["detail"]) == ("read", f"device {bob.device_id}")
    assert told["next_at"] is None and phone.of(bob, talk.id) == []


def test_quiet_hours_tell_until_when_and_lifting_them_pushes_at_once(phone, alice, bob, talk):
    night(bob)
    seq = talk.say(alice)["seq"]
    push()
    told = mine(bob, talk, seq)
    assert (told["outcome"], told["basis"]) == ("quiet", "recorded")
    assert told["detail"] == told["next_at"]
    bob.post("push/settings", {"preview": True})
    push()
    assert phone.of(bob, talk.id) == []
    bob.post("push/settings", {"preview": True, "quiet_hours": None})
    push()
    assert phone.seqs(bob, talk.id) == [seq]
    assert mine(bob, talk, seq)["outcome"] == "pushed"


def test_a_dead_token_is_told(phone, alice, bob, talk):
    phone.failing = PushFailed("UNREGISTERED", gone=True)
    seq = talk.say(alice)["seq"]
    push()
    told = mine(bob, talk, seq)
    assert (told["outcome"], told["detail"], told["provider"]) == ("gone", "UNREGISTERED", None)


def test_a_token_that_moves_is_pushed_for_its_new_owner_alone(phone, alice, bob, talk):
    carol = Person.new("carol")
    body = {"provider": "apns", "token": "cd" * 32}
    bob.post("push/tokens", body)
    seq = talk.say(alice)["seq"]
    carol.post("push/tokens", body)
    push()
    assert phone.of(bob, talk.id) == phone.of(carol, talk.id) == []
    assert mine(bob, talk, seq)["outcome"] == "no_token"


def test_a_deleted_account_leaves_nothing_of_its_pushes(phone, alice, bob, talk):
    seq = talk.say(alice)["seq"]
    push()
    [debt] = bob.get("accounts/export")["push_debts"]
    assert (debt["told_seq"], debt["due_at"]) == (seq, None)
    bob.post("accounts/delete", {"password": PASSWORD})
    for model in (Debt, Decision):
        assert not model.objects.filter(user_id=bob.id).exists()
