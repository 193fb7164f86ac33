"""Profiles, search and blocks."""

import itertools
import uuid

import pytest

from accounts import blocks, profiles
from tests.cast import Person


def test_changes_only_what_is_given(alice):
    before = alice.get("accounts/me")
    assert alice.post("accounts/me", {"bio": "hello"}) == {**before, "bio": "hello"}
    after = alice.post("accounts/me", {"display_name": "Ada L.", "avatar_media_id": None})
    assert after == {**before, "bio": "hello", "display_name": "Ada L."}
    assert alice.post("accounts/me", {}) == after == alice.get("accounts/me")
    assert alice.post("accounts/me", {"bio": ""})["bio"] == ""


def test_keeps_text_as_it_was_sent(alice):
    odd = " e\u0301\u200d👩\u200d👧 \r\n"
    sent = {"display_name": odd, "bio": odd * 10}
    assert sent.items() <= alice.post("accounts/me", sent).items()


@pytest.mark.parametrize(
    "body",
    [
        {"display_name": " \u2800\u200b"},
        {"display_name": ""},
        {"display_name": "x" * 101},
        {"bio": "x" * 501},
        {"bio": 5},
        {"avatar_media_id": 1},
        {"username": "other"},
        {"is_staff": True},
    ],
)
def test_refuses_what_a_profile_cannot_be(alice, body):
    assert alice.refused("POST", "accounts/me", body) == "invalid_request"


def test_users_come_in_the_order_asked_for(alice, bob, carol):
    ids = [carol.id, 2**53 - 1, alice.id, bob.id, carol.id]
    page = alice.get(f"accounts/users?ids={','.join(map(str, ids))}")
    assert page == {"items": [carol.user, alice.user, bob.user], "next": None}


@pytest.mark.parametrize(
    "query",
    ["", "?ids=", "?ids=a", "?ids=1,", "?ids=+1", "?ids=1&ids=2", "?ids=0", "?ids=1&x=1"],
)
def test_refuses_ids_that_are_none(alice, query):
    assert alice.refused("GET", f"accounts/users{query}") == "invalid_request"


def test_takes_a_hundred_ids_and_no_more(alice):
    def asked(count: int) -> str:
        return "accounts/users?ids=" + ",".join(map(str, range(1, count + 1)))

    assert alice.get(asked(100))["next"] is None
    assert alice.refused("GET", asked(101)) == "invalid_request"


def test_who_never_was_is_not_found(alice):
    assert alice.refused("GET", f"accounts/users/{2**53 - 1}") == "not_found"
    assert alice.refused("GET", "accounts/users/nobody") == "not_found"
    assert alice.get(f"accounts/users/{alice.id}") == alice.user


def _found(person: Person, q: str, limit: int = 200) -> list[int]:
    found: list[int] = []
    after = ""
    while after is not None:
        page = person.get(f"accounts/users/search?q={q}&limit={limit}{after}")
        found += [each["id"] for each in page["items"]]
        after = page["next"] and f"&cursor={page['next']}"
    return found


def test_finds_by_the_beginning_of_either_name():
    word = uuid.uuid4().hex[:10]
    by_username, by_display, neither = (Person.new(p) for p in (f"X{word}", "a", f"a{word}"))
    by_display.post("accounts/me", {"display_name": f"ｘ{word.upper()} Smith"})
    wanted = [by_username.id, by_display.id]
    assert _found(neither, f"x{word}") == wanted == _found(neither, f"X{word.upper()}")


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_paging_a_search_equals_the_whole(limit):
    word = "w" + uuid.uuid4().hex[:10]
    people = [Person.new(word) for _ in range(3)]
    assert _found(people[0], word, limit) == [person.id for person in people]


def test_a_wildcard_is_a_letter(alice):
    assert _found(alice, "%25%25") == [] == _found(alice, "__")


def test_the_deleted_are_not_found():
    word = "d" + uuid.uuid4().hex[:10]
    gone, here = Person.new(word), Person.new(word)
    gone.post("accounts/delete", {"password": "correct horse battery"})
    assert _found(here, word) == [here.id]
    assert gone.id not in _found(here, "Deleted%20user")
    assert _found(here, "~1") == []


@pytest.mark.parametrize("query", ["", "?q=", "?q=a", "?q=%20%20", "?q=" + "a" * 101, "?q=a%00"])
def test_refuses_to_search_for_too_little(alice, query):
    assert alice.refused("GET", f"accounts/users/search{query}") == "invalid_request"


def test_a_cursor_is_for_one_user_and_one_search(alice, bob):
    word = "c" + uuid.uuid4().hex[:10]
    people = [Person.new(word) for _ in range(2)]
    cursor = alice.get(f"accounts/users/search?q={word}&limit=1")["next"]
    assert alice.get(f"accounts/users/search?q={word}&cursor={cursor}")["items"] == [people[1].user]
    for person, path in (
        (bob, f"accounts/users/search?q={word}"),
        (alice, "accounts/users/search?q=other"),
        (alice, "accounts/blocks?limit=5"),
    ):
        assert person.refused("GET", f"{path}&cursor={cursor}") == "invalid_cursor"


def test_blocks_are_listed_and_taken_back(alice, bob, carol):
    for _ in range(2):
        assert alice.post("accounts/blocks/add", {"user_id": bob.id}) == {}
    alice.post("accounts/blocks/add", {"user_id": carol.id})
    first = alice.get("accounts/blocks?limit=1")
    assert first["items"] == [bob.user]
    rest = alice.get(f"accounts/blocks?limit=1&cursor={first['next']}")
    assert rest == {"items": [carol.user], "next": None}
    for _ in range(2):
        assert alice.post("accounts/blocks/remove", {"user_id": bob.id}) == {}
    assert alice.get("accounts/blocks") == {"items": [carol.user], "next": None}
    assert bob.get("accounts/blocks")["items"] == []


def test_blocks_know_their_limits(alice):
    for path in ("add", "remove"):
        unknown = {"user_id": 2**53 - 1}
        assert alice.refused("POST", f"accounts/blocks/{path}", unknown) == "not_found"
    myself = {"user_id": alice.id}
    assert alice.refused("POST", "accounts/blocks/add", myself) == "invalid_request"


def test_a_block_counts_either_way(alice, bob, carol, django_assert_num_queries):
    alice.post("accounts/blocks/add", {"user_id": bob.id})
    carol.post("accounts/blocks/add", {"user_id": bob.id})
    pairs = list(itertools.combinations(sorted([alice.id, bob.id, carol.id]), 2))
    with django_assert_num_queries(1):
        found = blocks.pairs(pairs)
    assert found == {pair for pair in pairs if bob.id in pair}
    assert blocks.either_way(bob.id, alice.id) and blocks.either_way(alice.id, bob.id)
    assert not blocks.either_way(alice.id, carol.id)


def test_profiles_in_bulk_cost_one_query(alice, bob, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert profiles.shapes([alice.id, bob.id, 2**40]) == {
            alice.id: alice.user,
            bob.id: bob.user,
        }
    assert profiles.existing([alice.id, 2**40]) == {alice.id}
