"""Content rules as clients meet them: refused, held, masked, flagged, by every way in."""

import uuid

import orjson
import pytest

from messages.models import Entry, Held, Report, packed
from tests.rules import ruled


def message(text: str = "a plain word", **more) -> dict:
    return {"client_id": str(uuid.uuid4()), "text": text, **more}


def answer(who, talk, sent: dict) -> dict:
    return who.request("POST", f"{talk.path}/messages", sent).json()


def in_talk(talk, **fields) -> dict:
    return {"conversation_id": talk.id, "patterns": ["badword"], **fields}


def test_a_rejected_message_is_nowhere_and_leaves_its_client_id_free(talk, alice, bob):
    before = talk.all(bob)
    sent = message("a BadWord here")
    with ruled(in_talk(talk, told="No swearing.")):
        said = answer(alice, talk, sent)
        assert (said["code"], said["error"]) == (40304, "rejected_by_policy")
        assert said["message"] == "No swearing."
        assert said["data"] == {"held": False, "id": None, "reason": None}
        assert talk.all(bob) == before
        assert answer(alice, talk, {**sent, "text": "fine"})["code"] == 0


def test_a_batch_is_judged_item_by_item(talk, alice):
    with ruled(in_talk(talk)):
        items = [message(each, conversation_id=talk.id) for each in ("one", "badword", "three")]
        told = alice.post("messages", {"items": items})["items"]
    assert [each["ok"] for each in told] == [True, False, True]
    assert told[1]["error"] == "rejected_by_policy"
    assert told[2]["seq"] == told[0]["seq"] + 1


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "link", "body": {"url": "https://ok.example", "title": "badword"}},
        {"kind": "link", "body": {"url": "https://ok.example/?badword"}},
        {"kind": "custom", "text": "ok", "body": {"a": [{"b": ["x", "badword"]}]}},
        {"kind": "custom", "text": "ok", "body": {"a": {"badword": 1}}},
        {"kind": "location", "body": {"lat": 1, "lon": 2, "label": "BADWORD"}},
        {"text": "b\u200ba\u00addｗｏｒｄ".replace("add", "ad")},
    ],
)
def test_no_string_of_a_message_is_passed_over(talk, alice, content):
    with ruled(in_talk(talk)):
        sent = {"client_id": str(uuid.uuid4()), **content}
        assert alice.refused("POST", f"{talk.path}/messages", sent) == "rejected_by_policy"
        edited = talk.say(alice, "fine")["seq"]
        path = f"{talk.path}/messages/{edited}/edit"
        assert alice.refused("POST", path, {"text": "badword"}) == "rejected_by_policy"
        assert talk.all(alice)[-1]["text"] == "fine"


def test_a_retry_of_what_was_kept_is_answered_whatever_rules_came_since(talk, alice):
    sent = message("badword")
    first = answer(alice, talk, sent)["data"]
    with ruled(in_talk(talk)):
        again = answer(alice, talk, sent)
        assert again["data"] == {**first, "duplicate": True}
        assert answer(alice, talk, {**sent, "text": "else"})["error"] == "client_id_conflict"


def test_a_masked_message_keeps_its_length_and_its_retry(talk, alice, bob):
    sent = message("so B\u0327ADWORD, é badword!")
    with ruled(in_talk(talk, action="mask")):
        first = answer(alice, talk, sent)["data"]
        assert talk.all(bob)[-1]["text"] == "so *******, é *******!"
        assert answer(alice, talk, sent)["data"] == {**first, "duplicate": True}
        shown = {**sent, "text": "so *******, é *******!"}
        assert answer(alice, talk, shown)["error"] == "client_id_conflict"
    assert bob.get(f"messages/search?q=badword&conversation_id={talk.id}")["items"] == []


def test_what_cannot_be_masked_is_refused(talk, alice):
    rules = [
        in_talk(talk, action="mask"),
        in_talk(talk, action="mask", kind="domains", patterns=["evil.example"]),
    ]
    with ruled(*rules):
        link = {"kind": "link", "body": {"url": "https://x.evil.example/"}}
        named = {"kind": "custom", "text": "ok", "body": {"badword": "ok"}}
        for content in (link, named):
            sent = {"client_id": str(uuid.uuid4()), **content}
            assert alice.refused("POST", f"{talk.path}/messages", sent) == "rejected_by_policy"
        talk.say(alice, "see https://evil.example/offer now")
        assert talk.all(alice)[-1]["text"] == f"see {'*' * 26} now"


def test_a_flagged_message_is_sent_and_reported_by_nobody(talk, alice, bob):
    with ruled(in_talk(talk, action="flag", name="swearing")):
        seq = talk.say(alice, "badword")["seq"]
        edited = talk.say(alice, "fine")["seq"]
        alice.post(f"{talk.path}/messages/{edited}/edit", {"text": "badword too"})
    assert talk.all(bob)[seq - 1]["text"] == "badword"
    found = Report.objects.filter(conversation_id=talk.id).order_by("seq")
    assert [(each.seq, each.reporter_id) for each in found] == [(seq, None), (edited, None)]
    assert found[0].reason == "rule: swearing"
    assert found[0].excerpt == Entry.objects.get(pk=packed(talk.id, seq)).wire


def test_a_held_message_is_held_once_and_its_retry_hears_the_same(talk, alice, bob):
    sent, before = message("badword"), talk.all(bob)
    with ruled(in_talk(talk, action="hold")):
        said = [answer(alice, talk, sent) for _ in range(3)]
        assert answer(alice, talk, {**sent, "text": "else"})["error"] == "client_id_conflict"
    # The rule is gone, the message still waits.
    said.append(answer(alice, talk, sent))
    [held] = Held.objects.filter(conversation_id=talk.id)
    assert {each["code"] for each in said} == {40304}
    assert [each["data"] for each in said] == [{"held": True, "id": held.pk, "reason": None}] * 4
    assert talk.all(bob) == before


def test_a_held_batch_with_the_same_client_id_twice_is_held_once(talk, alice):
    sent = message("badword", conversation_id=talk.id)
    with ruled(in_talk(talk, action="hold")):
        told = alice.post("messages", {"items": [sent, sent]})["items"]
    assert told[0]["data"]["held"] and told[0]["data"] == told[1]["data"]
    assert Held.objects.filter(conversation_id=talk.id).count() == 1


def test_an_edit_cannot_be_held_so_it_is_refused(talk, alice):
    seq = talk.say(alice, "fine")["seq"]
    with ruled(in_talk(talk, action="hold")):
        path = f"{talk.path}/messages/{seq}/edit"
        assert alice.refused("POST", path, {"text": "badword"}) == "rejected_by_policy"
    assert not Held.objects.filter(conversation_id=talk.id).exists()


def test_scopes_and_exemptions(talk, direct, alice, bob):
    """Alice owns the group; Bob is a plain member."""

    def passes(who, where) -> bool:
        return answer(who, where, message("scopedword"))["code"] == 0

    def rule(**fields) -> dict:
        return {"patterns": ["scopedword"], **fields}

    with ruled(rule(scope="direct")):
        assert (passes(bob, talk), passes(bob, direct)) == (True, False)
    with ruled(rule(scope="group", exempt_admins=True)):
        assert (passes(bob, talk), passes(alice, talk), passes(bob, direct)) == (False, True, True)
    with ruled(rule(conversation_id=direct.id)):
        assert (passes(bob, talk), passes(alice, direct)) == (True, False)
    with ruled(rule(exempt_admins=True)):
        assert (passes(alice, talk), passes(alice, direct)) == (True, False)


def test_the_strictest_rule_decides(talk, alice):
    every = [in_talk(talk, action=each) for each in ("flag", "mask", "hold", "reject")]
    with ruled(*every):
        assert answer(alice, talk, message("badword"))["data"]["held"] is False
    with ruled(*every[:3]):
        assert answer(alice, talk, message("badword"))["data"]["held"] is True
    with ruled(*every[:2]):
        answer(alice, talk, message("badword"))
    assert talk.all(alice)[-1]["text"] == "*******"
    # What moderators see is what was kept.
    [report] = Report.objects.filter(conversation_id=talk.id)
    assert orjson.loads(report.excerpt)["text"] == "*******"


def test_without_rules_the_bytes_are_those_sent(talk, alice):
    text = " É\u0301 ＡＢＣ\u200b  ß İ 👩‍👩‍👧 \t x "
    talk.say(alice, text)
    with ruled(in_talk(talk, action="mask"), {"conversation_id": 1, "patterns": ["x"]}):
        talk.say(alice, text)
    assert [each["text"] for each in talk.all(alice)[-2:]] == [text, text]
