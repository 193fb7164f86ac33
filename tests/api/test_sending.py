"""POST …/messages and POST /messages: once, in order, or refused without a trace."""

import uuid

import pytest

from tests.cast import Person, talk_of


def message(**more) -> dict:
    return {"client_id": str(uuid.uuid4()), "text": "hello", **more}


def test_it_answers_with_the_place_and_the_log_holds_it(talk, alice, bob):
    sent = message(text="  kept as\nsent\t ", mentions=[bob.id])
    response = alice.request("POST", f"{talk.path}/messages", sent)
    assert response.status_code == 201
    receipt = response.json()["data"]
    assert set(receipt) == {"seq", "ordinal", "sent_at", "duplicate"}
    item = talk.all(bob)[-1]
    assert item == {
        "seq": receipt["seq"],
        "ordinal": receipt["ordinal"],
        "kind": "text",
        "sender_id": alice.id,
        "sent_at": receipt["sent_at"],
        "client_id": sent["client_id"],
        "text": sent["text"],
        "mentions": [bob.id],
    }


def test_a_stranger_cannot_tell_absent_from_forbidden(talk, carol):
    answers = []
    for path in (talk.path, "conversations/999999999"):
        for method, route in [
            ("GET", ""),
            ("POST", "/messages"),
            ("GET", "/messages"),
            ("POST", "/read"),
        ]:
            body = (
                {"/messages": message(), "/read": {"seq": 1}}.get(route)
                if method == "POST"
                else None
            )
            response = carol.request(method, path + route, body, **{"X-Request-Id": "same"})
            assert response.status_code == 404
            answers.append(response.content)
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"text": ""},
        {"text": " \u200b\u2060\ufeff"},
        {"text": "x" * 4001},
        {"text": "nul\x00"},
        {"text": 5},
        {"text": None},
        {"kind": "nothing"},
        {"kind": "recall", "body": {"target": 1}},
        {"kind": "image", "body": {"media_id": 1}},
        {"body": {"a": 1}},
        {"client_id": "no-uuid"},
        {"reply_to": 99},
        {"reply_to": "1"},
        {"reply_to": 2**53},
        {"mentions": [10**9]},
        {"mentions": "some"},
        {"mentions": [True]},
        {"unknown": 1},
    ],
)
def test_what_is_wrong_is_refused_and_nowhere(talk, alice, change):
    before = talk.all(alice)
    sent = message(**change)
    assert alice.refused("POST", f"{talk.path}/messages", sent) == "invalid_request"
    assert talk.all(alice) == before
    if sent["client_id"] != "no-uuid":
        good = {"client_id": sent["client_id"], "text": "the id stays free"}
        assert alice.post(f"{talk.path}/messages", good)["seq"] == len(before) + 1


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"client_id": "\\ud800"}', 400),
        (b'{"\\u0000": 1}', 400),
        (b'{"n": 1e999}', 400),
        (b'{"n": NaN}', 400),
        (b'{"n": 9007199254740993}', 400),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400),
        (b"\xff\xfe", 400),
        (b'{"text":"' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_bodies_that_cannot_be_kept(talk, alice, raw, status):
    response = alice.http.generic(
        "POST",
        f"/api/v1/{talk.path}/messages",
        raw,
        "application/json",
        headers={"Authorization": f"Bearer {alice.access}"},
    )
    assert response.status_code == status
    assert response.json()["code"] // 100 == status
    assert response.json()["request_id"] == response.headers["X-Request-Id"]


def test_a_batch_keeps_its_order_and_fails_one_by_one(talk, direct, alice):
    items = [message(conversation_id=talk.id, text=f"{n}") for n in range(5)]
    items.insert(2, message(conversation_id=10**9))
    items.insert(3, {"conversation_id": talk.id})
    items.append(message(conversation_id=direct.id))
    items.append(items[0])
    answer = alice.post("messages", {"items": items})["items"]
    assert [each["ok"] for each in answer] == [True, True, False, False] + [True] * 5
    seqs = [each["seq"] for each in answer[:7] if each["ok"]]
    assert seqs == list(range(seqs[0], seqs[0] + 5))
    assert (answer[2]["error"], answer[3]["error"]) == ("not_found", "invalid_request")
    assert answer[-1]["duplicate"] and answer[-1]["seq"] == seqs[0]
    assert alice.refused("POST", "messages", {"items": []}) == "invalid_request"
    assert alice.refused("POST", "messages", {"items": items * 20}) == "invalid_request"


def test_mentioning_all_is_for_those_who_run_a_large_group(alice):
    others = [Person.new("many") for _ in range(2)]
    small = talk_of(alice, *others)
    assert small.say(others[0], mentions="all")["seq"]
    assert others[1].head(small.id)["mentions"] == 1
    assert others[0].head(small.id)["mentions"] == 0


def test_blocks_and_mutes(talk, direct, alice, bob):
    kept = message()
    first = bob.post(f"{direct.path}/messages", kept)
    alice.post("accounts/blocks/add", {"user_id": bob.id})
    assert bob.refused("POST", f"{direct.path}/messages", message()) == "blocked"
    assert alice.refused("POST", f"{direct.path}/messages", message()) == "blocked"
    assert bob.post(f"{direct.path}/messages", kept) == first | {"duplicate": True}
    talk.say(bob)
    alice.post(f"{talk.path}/members/mute", {"user_id": bob.id, "seconds": 60})
    answer = bob.request("POST", f"{talk.path}/messages", message()).json()
    assert answer["error"] == "muted"
    assert answer["data"]["until"] == bob.head(talk.id)["membership"]["muted_until"]
    alice.post(f"{talk.path}/members/mute", {"user_id": bob.id, "seconds": None})
    talk.say(bob)
    alice.post(f"{talk.path}/update", {"mute_all": True})
    answer = bob.request("POST", f"{talk.path}/messages", message()).json()
    assert (answer["error"], answer["data"]) == ("muted", {"until": None})
    talk.say(alice)
