"""A message that a rule holds, over a real socket: its error, a retry's, and what release brings."""

import asyncio

import pytest

from messages.models import Held
from messages.policy import releasing
from tests.rules import ruled
from tests.staff import warrant
from tests.ws.wire import Wire

WORD = "heldoverthewire"


@pytest.fixture
def rule(talk):
    """A rule that holds; the server's processes know of it within a second or two."""
    with ruled({"conversation_id": talk.id, "patterns": WORD, "action": "hold"}):
        yield


async def test_a_held_send_is_told_so_and_reaches_both_when_it_is_let_through(
    server, talk, alice, bob, rule
):
    await asyncio.sleep(1.1)
    a, b = await Wire.open(server, alice), await Wire.open(server, bob)
    cursors = [who.sync_all()[1] for who in (alice, bob)]
    before = alice.head(talk.id)["last_seq"]
    client_id = await a.send(7, talk.id, f"say {WORD}", mentions=[bob.id])
    told = await a.next("err", n=7)
    held = Held.objects.get(conversation_id=talk.id)
    assert told == {
        "t": "err", "n": 7, "code": 40304, "error": "rejected_by_policy",
        "message": told["message"], "data": {"held": True, "id": held.pk, "reason": None},
        "retry_after_ms": None,
    }  # fmt: skip
    assert alice.head(talk.id)["last_seq"] == before

    # Again under its client_id: the same answer; other content: a conflict; both keep one.
    await a.send(8, talk.id, f"say {WORD}", client_id=client_id, mentions=[bob.id])
    assert (await a.next("err", n=8)) == {**told, "n": 8}
    await a.send(9, talk.id, f"{WORD} else", client_id=client_id)
    assert (await a.next("err", n=9))["error"] == "client_id_conflict"
    assert Held.objects.filter(conversation_id=talk.id).count() == 1

    await a.send(10, talk.id, "meanwhile")
    ack = await a.next("ack", n=10)
    seq = releasing.release(warrant(), held.pk)
    assert seq == ack["seq"] + 1
    for wire, who, cursor in ((a, alice, cursors[0]), (b, bob, cursors[1])):
        await wire.told(talk.id, seq)
        heads, _ = who.sync_all(cursor)
        assert heads[talk.id]["last_seq"] == seq
        item = talk.page(who, f"?after={seq - 1}")["items"][0]
        assert (item["sender_id"], item["client_id"]) == (alice.id, client_id)
        assert item["text"] == f"say {WORD}"
    assert bob.head(talk.id)["mentions"] == 1
    await a.send(11, talk.id, f"say {WORD}", client_id=client_id, mentions=[bob.id])
    again = await a.next("ack", n=11)
    assert (again["seq"], again["duplicate"]) == (seq, True)
    await a.close()
    await b.close()


async def test_a_refused_one_tells_its_sender_why_and_nobody_else(server, talk, alice, bob, rule):
    await asyncio.sleep(1.1)
    a, b = await Wire.open(server, alice), await Wire.open(server, bob)
    client_id = await a.send(1, talk.id, WORD)
    held_id = (await a.next("err", n=1))["data"]["id"]
    releasing.refuse(warrant(reason="no adverts"), held_id)
    await a.send(2, talk.id, WORD, client_id=client_id)
    told = await a.next("err", n=2)
    assert told["data"] == {"held": False, "id": None, "reason": "no adverts"}
    assert b.newest(talk.id) == 0
    assert WORD not in str(talk.all(bob)) + str(a.frames) + str(b.frames)
    await a.close()
    await b.close()
