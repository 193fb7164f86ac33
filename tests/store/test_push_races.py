"""Push tokens when many register at once: one token, one device, and nobody waits for ever."""

import uuid
from functools import partial

import pytest

from imsite.core import clock
from push import tokens
from push.models import PushToken
from tests.cast import Person
from tests.store.test_races import together

ROUNDS = 8


@pytest.fixture(scope="module")
def people(database) -> list[Person]:
    """Some with a device each."""
    return [Person.new("racer") for _ in range(6)]


def register(person: Person, token: str) -> None:
    person.post("push/tokens", {"provider": "fcm", "token": token})


def test_a_token_that_all_register_at_once_has_one_device(people):
    for _ in range(ROUNDS):
        token = uuid.uuid4().hex
        together(*(partial(register, person, token) for person in people))
        [row] = PushToken.objects.filter(token=token)
        found = tokens.targets([each.id for each in people], now=clock.now())
        assert [each.device_id for each in found[row.user_id]] == [row.device_id]


def test_tokens_that_go_round_do_not_block_each_other(people):
    ring = [uuid.uuid4().hex for _ in people]
    for n in range(ROUNDS * 2):
        turned = ring[n % len(ring) :] + ring[: n % len(ring)]
        together(
            *(partial(register, person, each) for person, each in zip(people, turned, strict=True))
        )
        kept = PushToken.objects.filter(token__in=ring)
        assert len(kept) == len({row.token for row in kept}) >= 1
        # Whoever came last with a token has it: nobody holds one that he did not ask for this time.
        asked = {person.device_id: each for person, each in zip(people, turned, strict=True)}
        assert all(asked[row.device_id] == row.token for row in kept)


def test_a_device_that_registers_twice_at_once_has_one_of_both(people):
    [one, *_] = people
    for _ in range(ROUNDS):
        pair = [uuid.uuid4().hex, uuid.uuid4().hex]
        together(*(partial(register, one, token) for token in pair))
        [row] = PushToken.objects.filter(device_id=one.device_id)
        assert row.token in pair


def test_nothing_is_registered_behind_the_end_of_a_device(people):
    for _ in range(ROUNDS):
        goer = Person.new("goer")
        body = {"provider": "fcm", "token": uuid.uuid4().hex}
        together(
            partial(goer.request, "POST", "push/tokens", body),
            partial(goer.post, "accounts/logout"),
        )
        assert not PushToken.objects.filter(device_id=goer.device_id).exists()
