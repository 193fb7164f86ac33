"""Content rules on what people call themselves and their groups: refused by every way in, or flagged."""

import time
import uuid

import pytest
from django.test import Client

from accounts.models import User
from conversations.models import Conversation
from imsite.core.errors import InvalidRequest
from messages.models import Case, Held, Report
from messages.moderation import cases
from messages.moderation.cases import Outcome
from messages.policy import tallies
from tests.cast import Talk, talk_of
from tests.rules import ruled
from tests.staff import warrant


@pytest.fixture
def word() -> str:
    """A word that no other test says: rules about names hold everywhere."""
    return f"vile{uuid.uuid4().hex[:8]}"


def register(**fields) -> dict:
    told = {"username": f"n{uuid.uuid4().hex[:12]}", "password": "correct horse battery", **fields}
    answer = Client().post("/api/v1/accounts/register", told, content_type="application/json")
    return answer.json()


def hits(rule) -> int:
    """Return how often a rule hit; a write that is under way in another thread is waited for."""
    for _ in range(100):
        tallies.flush()
        rule.refresh_from_db()
        if rule.hits:
            break
        time.sleep(0.05)
    return rule.hits


def everywhere(word: str, **more) -> dict:
    return {"patterns": f"*{word}*", **more}


WAYS = {
    "display_name": ("accounts/me", "display_name"),
    "bio": ("accounts/me", "bio"),
    "nickname": ("{path}/settings", "nickname"),
    "title": ("{path}/update", "title"),
    "announcement": ("{path}/update", "announcement"),
}


@pytest.mark.parametrize("action", ["reject", "hold", "mask"])
@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_a_rule_stops_is_refused_and_changes_nothing(
    talk, alice, bob, word, way, action
):
    path, name = WAYS[way]
    before = (alice.head(talk.id), alice.get("accounts/me"), talk.all(bob))
    with ruled(everywhere(word, action=action, told="Choose another.")) as [rule]:
        said = alice.request("POST", path.format(path=talk.path), {name: f"so {word.upper()}"})
        assert said.status_code == 403
        told = said.json()
        assert (told["error"], told["message"]) == ("rejected_by_policy", "Choose another.")
        assert told["data"] == {"held": False, "id": None, "reason": None}
        assert (alice.head(talk.id), alice.get("accounts/me"), talk.all(bob)) == before
        alice.post(path.format(path=talk.path), {name: "something kind"})
        assert hits(rule) == 1
    assert not Held.objects.filter(sender_id=alice.id).exists()


def test_nobody_registers_under_such_a_name(word):
    with ruled(everywhere(word)):
        for fields in ({"username": f"x{word}"}, {"display_name": f"a {word}"}):
            told = register(**fields)
            assert (told["code"], told["error"]) == (40304, "rejected_by_policy")
        assert register(display_name="somebody")["code"] == 0
    assert not User.objects.filter(username=f"x{word}").exists()


def test_no_group_begins_under_such_a_title_and_its_client_id_stays_free(alice, word):
    group = {"kind": "group", "client_id": str(uuid.uuid4())}
    wrong = [{"title": f"The {word}"}, {"title": "Fine", "settings": {"announcement": word}}]
    with ruled(everywhere(word, scope="group")):
        for each in wrong:
            assert alice.refused("POST", "conversations", group | each) == "rejected_by_policy"
        assert alice.post("conversations", group | {"title": "Fine"})["title"] == "Fine"


def test_a_scope_and_those_who_are_spared_mean_the_same_as_for_messages(alice, bob, word):
    here, there = talk_of(alice, bob), talk_of(alice, bob)
    place = {"scope": "conversation", "conversation_id": here.id, "patterns": word}
    with ruled(place):
        assert alice.refused("POST", f"{here.path}/update", {"title": word}) == "rejected_by_policy"
        assert alice.post(f"{there.path}/update", {"title": word})["title"] == word
        # The names of people are in no place.
        alice.post("accounts/me", {"bio": word})
    with ruled({**place, "exempt_admins": True}):
        assert alice.post(f"{here.path}/update", {"title": word})["title"] == word
        bob_named = {"nickname": word}
        assert bob.refused("POST", f"{here.path}/settings", bob_named) == "rejected_by_policy"
        assert alice.post(f"{here.path}/settings", {"nickname": word})


def test_what_stood_before_the_rule_is_in_the_way_of_no_other_change(talk, alice, word):
    alice.post("accounts/me", {"display_name": word})
    alice.post(f"{talk.path}/update", {"title": word})
    with ruled(everywhere(word)):
        assert alice.post("accounts/me", {"display_name": word, "bio": "new"})["bio"] == "new"
        changed = alice.post(f"{talk.path}/update", {"title": word, "join": "open"})
        assert changed["settings"]["join"] == "open"


@pytest.mark.parametrize("made_so", [True, False], ids=["created", "changed"])
def test_a_flagged_title_becomes_a_case_against_who_gave_it(alice, bob, word, made_so):
    with ruled(everywhere(word, action="flag", name="vile titles")):
        if made_so:
            body = {"kind": "group", "title": word, "member_ids": [bob.id]}
            talk = Talk(alice.post("conversations", body)["id"], alice)
        else:
            talk = talk_of(alice, bob)
            alice.post(f"{talk.path}/update", {"title": word, "announcement": f"so {word}"})
    found = list(Report.objects.filter(conversation_id=talk.id).order_by("seq"))
    assert len(found) == (1 if made_so else 2)
    assert {each.reason for each in found} == {"rule: vile titles"}
    assert all(word in each.excerpt and each.original is None for each in found)
    cases.adopt(now=warrant().now)
    case = Case.objects.get(conversation_id=talk.id, seq=found[0].seq)
    assert case.accused_id == alice.id
    with pytest.raises(InvalidRequest):
        cases.close(warrant(), case.pk, Outcome(name="recall"))
    cases.close(warrant(), case.pk, Outcome(name="dissolve"))
    assert Conversation.objects.get(pk=talk.id).dissolved_at is not None


def test_flags_and_floods_do_not_stop_a_name(alice, talk, word):
    with ruled(everywhere(word, action="flag"), {"kind": "flood", "times": 1, "least": 1}):
        for _ in range(3):
            assert alice.post("accounts/me", {"bio": word})["bio"] == word
            alice.post("accounts/me", {"bio": "x"})
