"""Why a message woke a device or did not: what was recorded comes first, then what the log and now say."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from imsite.core import clock
from push import decisions
from push.models import Debt, Decision, Look
from push.reasons import SAYS
from tests.cast import PASSWORD, Person, Talk, talk_of


def ask(who: Person, talk: Talk, seq: int) -> dict:
    """The answer for the one device that asks."""
    found = who.get(f"push/why?conversation_id={talk.id}&seq={seq}")
    assert (found["conversation_id"], found["seq"]) == (talk.id, seq)
    [device] = [each for each in found["devices"] if each["current"]]
    assert device["says"] == SAYS[device["outcome"]]
    return device


def told(device: dict, *names: str) -> tuple:
    return tuple(device[name] for name in ("outcome", "basis", *names))


def token(who: Person) -> None:
    who.post("push/tokens", {"provider": "fcm", "token": uuid.uuid4().hex})


def decide(who: Person, talk: Talk, low: int, high: int, outcome: str, detail: str = "") -> str:
    """Record a decision as a look or a sweep does; return its time as the API writes it."""
    now = clock.now()
    row = decisions.Decided(
        device_id=who.device_id,
        user_id=who.id,
        conversation_id=talk.id,
        from_seq=low,
        to_seq=high,
        outcome=outcome,
        detail=detail,
    )
    decisions.note([row], now=now)
    return clock.wire(now)


def look(talk: Talk, seq: int, *online: Person) -> None:
    ids = [each.device_id for each in online]
    Look.objects.create(
        conversation_id=talk.id,
        from_seq=seq,
        to_seq=seq,
        at=clock.now(),
        online=decisions.pack(ids),
    )


def test_what_the_log_says_needs_no_record(alice, bob, talk):
    mine = talk.say(bob, "mine")["seq"]
    assert told(ask(bob, talk, mine)) == ("own", "recorded")
    assert told(ask(bob, talk, 1)) == ("not_counted", "recorded")
    alice.post(f"{talk.path}/messages/{talk.say(alice, 'no')['seq']}/recall")
    assert told(ask(bob, talk, mine + 1)) == ("recalled", "recorded")


def test_what_lies_before_the_window_is_told_as_that(alice, bob):
    talk = talk_of(alice)
    early = talk.say(alice, "early")["seq"]
    alice.post(f"{talk.path}/members/add", {"user_ids": [bob.id]})
    found = ask(bob, talk, early)
    assert told(found, "at", "detail") == ("before_window", "recorded", None, None)


def test_without_a_record_the_present_answers(alice, bob, talk):
    seq = talk.say(alice, "hello")["seq"]
    assert told(ask(bob, talk, seq)) == ("no_token", "present")
    token(bob)
    assert told(ask(bob, talk, seq), "provider") == ("waiting", "present", "fcm")
    bob.post(f"{talk.path}/settings", {"notify": "mentions"})
    assert told(ask(bob, talk, seq), "detail") == ("muted", "present", "notify is mentions")
    named = talk.say(alice, "@bob", mentions=[bob.id])["seq"]
    everybody = talk.say(alice, "@all", mentions="all")["seq"]
    assert {ask(bob, talk, each)["outcome"] for each in (named, everybody)} == {"waiting"}
    bob.post(f"{talk.path}/settings", {"notify": "none"})
    assert told(ask(bob, talk, named), "detail") == ("muted", "present", "notify is none")
    bob.post(f"{talk.path}/read", {"seq": named})
    assert told(ask(bob, talk, seq)) == ("read", "present")


def test_a_block_is_told(alice, bob, direct):
    seq = direct.say(alice, "hello")["seq"]
    bob.post("accounts/blocks/add", {"user_id": alice.id})
    assert told(ask(bob, direct, seq)) == ("blocked", "present")


def test_what_is_too_old_is_told(alice, bob, talk, monkeypatch):
    seq = talk.say(alice, "hello")["seq"]
    monkeypatch.setattr(settings, "IM_OFFLINE_DAYS", 0)
    assert told(ask(bob, talk, seq), "detail") == ("expired", "present", "0 days")


def test_a_socket_at_the_time_is_told(alice, bob, talk):
    token(bob)
    seq = talk.say(alice, "hello")["seq"]
    look(talk, seq, alice, bob)
    found = ask(bob, talk, seq)
    assert told(found) == ("online", "recorded") and found["at"]


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [("gone", "UNREGISTERED"), ("read", "device 5"), ("given_up", ""), ("quiet", "2026-05-01")],
)
def test_what_was_recorded_outlives_what_holds_now(alice, bob, talk, outcome, detail):
    seq = talk.say(alice, "hello")["seq"]
    at = decide(bob, talk, seq, seq, outcome, detail)
    bob.post(f"{talk.path}/read", {"seq": seq})
    found = ask(bob, talk, seq)
    assert told(found, "detail", "at", "collapsed_into", "next_at") == (
        outcome,
        "recorded",
        detail or None,
        at,
        None,
        None,
    )


def test_each_step_is_told_in_its_order_and_the_last_decides(alice, bob, talk):
    first, second = (talk.say(alice, text)["seq"] for text in ("one", "two"))
    decide(bob, talk, first, first, "failed", "503")
    decide(bob, talk, first, second, "pushed")
    found = ask(bob, talk, first)
    assert told(found, "collapsed_into") == ("pushed", "recorded", second)
    assert [(each["outcome"], each["to_seq"]) for each in found["steps"]] == [
        ("failed", first),
        ("pushed", second),
    ]
    assert [each["detail"] for each in found["steps"]] == ["503", None]
    assert ask(bob, talk, second)["collapsed_into"] is None
    assert len(ask(bob, talk, second)["steps"]) == 1


def test_a_push_for_a_mention_did_not_tell_of_what_was_said_before(alice, bob, talk):
    bob.post(f"{talk.path}/settings", {"notify": "mentions"})
    plain = talk.say(alice, "hello")["seq"]
    named = talk.say(alice, "@bob", mentions=[bob.id])["seq"]
    decide(bob, talk, plain, named, "pushed")
    assert told(ask(bob, talk, plain)) == ("muted", "present")
    assert told(ask(bob, talk, named)) == ("pushed", "recorded")


def test_what_is_still_owed_says_when_it_is_tried(alice, bob, talk):
    first, second = (talk.say(alice, text)["seq"] for text in ("one", "two"))
    due = clock.now() + timedelta(minutes=5)
    Debt.objects.create(
        device_id=bob.device_id,
        user_id=bob.id,
        conversation_id=talk.id,
        provider="fcm",
        from_seq=first,
        seq=second,
        due_at=due,
    )
    found = ask(bob, talk, first)
    assert told(found, "next_at", "collapsed_into") == (
        "owed",
        "recorded",
        clock.wire(due),
        second,
    )
    decide(bob, talk, first, second, "failed", "timeout")
    assert told(ask(bob, talk, first), "next_at") == ("failed", "recorded", clock.wire(due))
    later = talk.say(alice, "three")["seq"]
    assert ask(bob, talk, later)["next_at"] is None


def test_every_device_of_mine_is_there_and_nobody_elses(alice, bob, talk):
    seq = talk.say(alice, "hello")["seq"]
    for who in (alice, bob):
        decide(who, talk, seq, seq, "pulled")
    found = bob.get(f"push/why?conversation_id={talk.id}&seq={seq}")
    assert [each["device_id"] for each in found["devices"]] == [bob.device_id]


def test_a_device_that_has_ended_is_told_if_something_was_decided_for_it(alice, bob, talk):
    seq = talk.say(alice, "hello")["seq"]
    login = {"username": bob.user["username"], "password": PASSWORD}
    second = Person(bob.post("accounts/login", login))
    decide(second, talk, seq, seq, "pushed")
    second.post("accounts/logout")
    devices = bob.get(f"push/why?conversation_id={talk.id}&seq={seq}")["devices"]
    assert {each["device_id"]: each["outcome"] for each in devices} == {
        bob.device_id: "no_token",
        second.device_id: "pushed",
    }


def test_the_export_holds_the_decisions_and_deletion_takes_them(alice, bob, talk):
    seq = talk.say(alice, "hello")["seq"]
    at = decide(bob, talk, seq, seq, "failed", "503")
    assert bob.get("accounts/export")["push_decisions"] == [
        {
            "device_id": bob.device_id,
            "conversation_id": talk.id,
            "from_seq": seq,
            "to_seq": seq,
            "outcome": "failed",
            "detail": "503",
            "at": at,
        }
    ]
    assert alice.get("accounts/export")["push_decisions"] == []
    bob.post("accounts/delete", {"password": PASSWORD})
    assert not Decision.objects.filter(user_id=bob.id).exists()


def test_each_outcome_has_its_sentence_and_its_line_in_the_protocol():
    assert {name for name, _ in Decision.OUTCOMES} < SAYS.keys()
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    assert [name for name in SAYS if f"`{name}`" not in text] == []


def test_strangers_and_unknown_seqs_get_the_same_404_byte_for_byte(alice, bob, carol, talk):
    seq = talk.say(alice, "hello")["seq"]
    leaver = talk_of(alice, bob)
    bob.post(f"{leaver.path}/leave")
    asked = [
        (carol, talk.id, seq),
        (bob, talk.id, seq + 1),
        (bob, talk.id, 0),
        (bob, talk.id, 2**53 - 1),
        (bob, leaver.id, 1),
        (bob, 2**53 - 1, 1),
        (bob, 0, 1),
    ]
    answers = {
        who.request(
            "GET", f"push/why?conversation_id={cid}&seq={at}", None, **{"X-Request-Id": "same"}
        ).content
        for who, cid, at in asked
    }
    [answer] = answers
    assert b'"error":"not_found"' in answer


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?seq=1",
        "?conversation_id=1",
        "?conversation_id=a&seq=1",
        "?conversation_id=1&seq=-1",
        "?conversation_id=1&seq=9007199254740992",
        "?conversation_id=1&seq=1&seq=1",
        "?conversation_id=1&seq=1&user_id=1",
    ],
)
def test_refuses_a_question_that_is_none(bob, query):
    assert bob.refused("GET", f"push/why{query}") == "invalid_request"
