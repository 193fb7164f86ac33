"""A pass of several pages is not over before it shows what changed behind it."""

import pytest

from conversations.sync import Position
from imsite.core import cursor as cursors
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


def test_a_quiet_answer_tells_the_total_that_a_fresh_one_does(alice):
    """It is not counted anew, so whatever changes it must end the quiet."""
    bob = Person.new("bob")
    talks = [talk_of(alice, bob) for _ in range(3)]
    _, cursor = bob.sync_all()
    sent = talks[0].say(alice)
    for change in (
        lambda: talks[1].say(alice),
        lambda: talks[1].say(alice),
        lambda: alice.post(f"{talks[0].path}/messages/{sent['seq']}/recall"),
        lambda: bob.post(f"{talks[1].path}/read", {"seq": 3}),
        lambda: bob.post(f"{talks[1].path}/read", {"seq": 1, "force": True}),
        lambda: bob.post(f"{talks[1].path}/settings", {"notify": "none"}),
        lambda: talks[2].say(alice),
        lambda: talks[2].say(bob),
        lambda: bob.post(f"{talks[1].path}/settings", {"notify": "all", "hidden": True}),
        lambda: bob.post(f"{talks[1].path}/settings", {"hidden": False}),
        lambda: alice.post(f"{talks[1].path}/members/remove", {"user_ids": [bob.id]}),
    ):
        change()
        cursor = finish(bob, pull(bob, cursor, 2), 2, {})
        quiet = pull(bob, pull(bob, cursor, 2)["cursor"], 2)
        assert quiet["items"] == []
        assert quiet["unread_total"] == bob.get("sync")["unread_total"]


def test_a_cursor_that_tells_no_total_goes_on_working(alice):
    """As cursors were before they told it."""
    bob = Person.new("bob")
    talk = talk_of(alice, bob)
    talk.say(alice)
    _, cursor = bob.sync_all()
    cursor = pull(bob, cursor, 2)["cursor"]
    *before, total = cursors.unseal("sync", bob.id, cursor)
    assert total == Position.unseal(bob.id, cursor).total == 1
    old = cursors.seal("sync", bob.id, before)
    quiet = pull(bob, old, 2)
    assert (quiet["items"], quiet["unread_total"], quiet["cursor"]) == ([], 1, old)
    talk.say(alice)
    assert [head["id"] for head in pull(bob, old, 2)["items"]] == [talk.id]
