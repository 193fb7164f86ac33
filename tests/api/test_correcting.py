"""Recall, edit, react, pin, report: the item as it stands, and an entry that says what happened."""

import pytest

from tests.cast import talk_of


@pytest.fixture
def said(talk, bob) -> int:
    """The seq of something that Bob said."""
    return talk.say(bob, "secret words")["seq"]


def item_path(talk, seq: int, act: str) -> str:
    return f"{talk.path}/messages/{seq}/{act}"


def test_recall_leaves_a_stub_everywhere(talk, alice, bob, said):
    bob.post(item_path(talk, said, "react"), {"emoji": "👍", "op": "add"})
    stub = bob.post(item_path(talk, said, "recall"))
    assert set(stub) == {
        "seq", "ordinal", "kind", "sender_id", "client_id", "sent_at", "recalled_at", "recalled_by",
    }  # fmt: skip
    assert bob.post(item_path(talk, said, "recall")) == stub
    items = {item["seq"]: item for item in talk.all(alice)}
    assert items[said] == stub
    assert [item["kind"] for item in items.values()] == ["created", "text", "reaction", "recall"]
    head = alice.head(talk.id)
    assert (head["unread"], head["preview"]["text"], head["preview"]["seq"]) == (0, None, said)
    assert "secret" not in str(alice.get("messages/search?q=secret"))
    for act, body in [("edit", {"text": "x"}), ("react", {"emoji": "👍", "op": "add"})]:
        assert bob.refused("POST", item_path(talk, said, act), body) == "conflict"
    assert alice.refused("POST", item_path(talk, said, "pin")) == "conflict"


def test_who_may(talk, alice, bob, carol, said):
    assert carol.refused("POST", item_path(talk, said, "recall")) == "not_found"
    assert alice.refused("POST", item_path(talk, said, "edit"), {"text": "x"}) == "forbidden"
    assert bob.refused("POST", item_path(talk, said, "pin")) == "forbidden"
    assert bob.refused("POST", item_path(talk, 1, "recall")) == "invalid_request"
    assert bob.refused("POST", item_path(talk, 99, "recall")) == "not_found"
    own = talk.say(alice)["seq"]
    assert bob.refused("POST", item_path(talk, own, "recall")) == "forbidden"
    assert alice.post(item_path(talk, said, "recall"))["recalled_by"] == alice.id


def test_edit_rewrites_and_says_so(talk, alice, bob, said):
    item = bob.post(item_path(talk, said, "edit"), {"text": "better", "mentions": [alice.id]})
    assert (item["text"], item["mentions"]) == ("better", [alice.id])
    assert item["edited_at"]
    assert talk.all(alice)[said - 1] == item
    event = talk.all(alice)[-1]
    assert (event["kind"], event["event"], event["body"]) == ("edit", True, {"target": said})
    head = alice.head(talk.id)
    assert (head["preview"]["text"], head["unread"], head["mentions"]) == ("better", 1, 1)
    for body in ({}, {"text": ""}, {"body": {"a": 1}}, {"text": "x", "kind": "text"}):
        assert bob.refused("POST", item_path(talk, said, "edit"), body) == "invalid_request"


def test_reactions_are_once_per_person_and_emoji(talk, alice, bob, said):
    for who in (alice, bob, alice):
        item = who.post(item_path(talk, said, "react"), {"emoji": "👨‍👩‍👧", "op": "add"})
    assert item["reactions"] == {"👨‍👩‍👧": [alice.id, bob.id]}
    assert [each["kind"] for each in talk.all(alice)].count("reaction") == 2
    alice.post(item_path(talk, said, "react"), {"emoji": "👨‍👩‍👧", "op": "remove"})
    item = bob.post(item_path(talk, said, "react"), {"emoji": "👨‍👩‍👧", "op": "remove"})
    assert "reactions" not in item
    for emoji in ("", "ab", "👍👍", " "):
        body = {"emoji": emoji, "op": "add"}
        assert bob.refused("POST", item_path(talk, said, "react"), body) == "invalid_request"


def test_pin_and_unpin(talk, direct, alice, bob, said):
    assert alice.post(item_path(talk, said, "pin"))["pinned"] is True
    assert alice.post(item_path(talk, said, "pin"))["pinned"] is True
    assert "pinned" not in alice.post(item_path(talk, said, "unpin"))
    events = [each["body"] for each in talk.all(bob) if each["kind"] == "pin"]
    assert events == [{"target": said, "op": "add"}, {"target": said, "op": "remove"}]
    seq = direct.say(alice)["seq"]
    assert bob.post(item_path(direct, seq, "pin"))["pinned"] is True


def test_report_is_one_per_person(talk, alice, bob, said):
    body = {"reason": "spam", "note": "look"}
    first = alice.post(item_path(talk, said, "report"), body)
    assert alice.post(item_path(talk, said, "report"), body) == first
    assert bob.post(item_path(talk, said, "report"), {"reason": "mine"}) != first
    assert alice.refused("POST", item_path(talk, said, "report"), {}) == "invalid_request"


def test_recall_and_edit_have_their_windows(alice, bob, monkeypatch):
    """The clock is the one thing that a test may not wait for."""
    from datetime import timedelta

    from messages import corrections

    monkeypatch.setattr(corrections, "RECALL_WINDOW", timedelta(seconds=-1))
    monkeypatch.setattr(corrections, "EDIT_WINDOW", timedelta(seconds=-1))
    talk = talk_of(alice, bob)
    seq = talk.say(bob)["seq"]
    assert bob.refused("POST", item_path(talk, seq, "recall")) == "too_late"
    assert bob.refused("POST", item_path(talk, seq, "edit"), {"text": "x"}) == "too_late"
    assert alice.post(item_path(talk, seq, "recall"))["recalled_at"]
