"""The entries behind a badge are as many as the badge says, whatever was read, recalled or muted."""

import random

import pytest

from accounts.authority import Warrant
from accounts.models import User
from imsite.core import clock
from imsite.core.errors import Forbidden
from messages import badge
from tests import desk
from tests.cast import Person, talk_of


def warrant(actor: User, reason: str = "asked by mail") -> Warrant:
    return Warrant(actor_id=actor.pk, reason=reason, address="::1", now=clock.now())


@pytest.fixture(scope="module")
def support(database):
    return desk.new_staff("Support")


def act(rng: random.Random, people: list[Person], talks: list) -> None:
    """Do something that changes counts."""
    talk, who = rng.choice(talks), rng.choice(people)
    head = who.head(talk.id)
    newest = head["last_seq"]
    match rng.randrange(8):
        case 0 | 1 | 2 | 3:
            talk.say(who)
        case 4:
            who.post(
                f"{talk.path}/read", {"seq": rng.randint(0, newest), "force": rng.random() < 0.5}
            )
        case 5:
            page = talk.page(who)
            own = [i for i in page["items"] if i["sender_id"] == who.id and "event" not in i]
            if own:
                who.post(f"{talk.path}/messages/{rng.choice(own)['seq']}/recall")
        case 6:
            who.post(f"{talk.path}/settings", {"hidden": rng.random() < 0.3})
        case _:
            who.post(f"{talk.path}/settings", {"notify": rng.choice(["all", "none", "mentions"])})


@pytest.mark.parametrize("seed", range(4))
def test_the_entries_are_as_many_as_the_badge_says(support, seed):
    rng = random.Random(seed)
    people = [Person.new("p") for _ in range(3)]
    talks = [talk_of(*rng.sample(people, 3)) for _ in range(3)]
    for _ in range(40):
        act(rng, people, talks)
    for who in people:
        told = who.get("sync")
        found = badge.explain(warrant(support), who.id)
        assert found.total == told["unread_total"]
        assert found.total == sum(len(part.items) for part in found.parts if not part.why_not)
        unread = {head["id"]: head["unread"] for head in told["items"] if head["unread"]}
        assert {part.conversation_id: len(part.items) for part in found.parts} == unread
        for part in found.parts:
            assert all(item["sender_id"] != who.id for item in part.items)
            assert all("recalled_at" not in item for item in part.items)


def test_it_is_for_support_and_on_record(support):
    alice = Person.new()
    with pytest.raises(Forbidden):
        badge.explain(warrant(desk.new_staff("Moderator")), alice.id)
    with pytest.raises(Forbidden):
        badge.explain(warrant(support), desk.new_staff("Moderator").pk)
    badge.explain(warrant(support), alice.id)
    last = desk.last_act(f"user:{alice.id}")
    assert (last.act, last.actor_id) == ("user.badge", support.pk)
