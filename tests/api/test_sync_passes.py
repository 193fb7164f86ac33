"""A pass of several pages is not over before it shows what changed behind it."""

import pytest

from tests.cast import Person, talk_of


def pull(who, cursor, limit):
    """Pull one page of a chain."""
    query = f"&cursor={cursor}" if cursor else ""
    return who.get(f"sync?limit={limit}{query}")


def finish(who, page, limit, held):
    """Go on until there is no more; keep the newest heads."""
    while True:
        for head in page["items"]:
            held[head["id"]] = head
        if not page["more"]:
            return page["cursor"]
        page = pull(who, page["cursor"], limit)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_what_changes_during_the_first_pass_is_in_it(alice, limit):
    bob = Person.new("bob")
    talks = [talk_of(alice, bob) for _ in range(5)]
    page = pull(bob, None, limit)
    # One that was shown, one that leaves its place for the top, and a new one.
    for talk in (talks[4], talks[0]):
        talk.say(alice)
    added = talk_of(alice, bob)
    held: dict[int, dict] = {}
    finish(bob, page, limit, held)
    assert held == {talk.id: bob.head(talk.id) for talk in [*talks, added]}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_what_changes_during_a_later_pass_is_in_it(alice, limit):
    bob = Person.new("bob")
    talks = [talk_of(alice, bob) for _ in range(5)]
    held, cursor = bob.sync_all()
    for talk in talks:
        talk.say(alice)
    page = pull(bob, cursor, limit)
    talks[0].say(alice)
    bob.post(f"{talks[1].path}/read", {"seq": 2})
    finish(bob, page, limit, held)
    assert held == {talk.id: bob.head(talk.id) for talk in talks}


def test_a_chain_comes_to_rest(alice):
    bob = Person.new("bob")
    talks = [talk_of(alice, bob) for _ in range(4)]
    page = pull(bob, None, 2)
    talks[3].say(alice)
    cursor = finish(bob, page, 2, {})
    pages = []
    for _ in range(3):
        pages.append(pull(bob, cursor, 2))
        cursor = pages[-1]["cursor"]
    assert [page["items"] for page in pages[1:]] == [[], []]
    assert pages[1]["cursor"] == pages[2]["cursor"]
