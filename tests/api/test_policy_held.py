"""Held messages: let through once as their sender's, or refused for a reason; sealed meanwhile."""

import threading
import uuid

import pytest
from django.db import connections

from accounts.models import AuditEntry
from imsite.core import clock
from imsite.core.errors import AppError, Code
from messages import drafts, log
from messages.models import Held
from messages.moderation import letters
from messages.policy import gate, releasing
from tests.rules import ruled
from tests.staff import warrant

WORD = "sealedword"


@pytest.fixture
def held(talk, bob):
    """A message of Bob's that waits: (what he sent, its row)."""
    sent = {"client_id": str(uuid.uuid4()), "text": f"some {WORD} of mine"}
    sent["mentions"] = [talk.owner.id]
    with ruled({"conversation_id": talk.id, "patterns": [WORD], "action": "hold"}):
        told = bob.request("POST", f"{talk.path}/messages", sent).json()
    assert told["data"]["held"] is True
    return sent, Held.objects.get(pk=told["data"]["id"])


def test_it_is_let_through_once_as_its_senders_at_the_time_of_release(talk, held, alice, bob):
    sent, row = held
    alice.post(f"{talk.path}/messages", {"client_id": str(uuid.uuid4()), "text": "meanwhile"})
    with ruled({"conversation_id": talk.id, "patterns": [WORD], "action": "reject"}):
        given = warrant()
        seqs = [releasing.release(given, row.pk) for _ in range(3)]
    item = talk.all(alice)[-1]
    assert seqs == [item["seq"]] * 3
    assert (item["sender_id"], item["client_id"]) == (bob.id, sent["client_id"])
    assert (item["text"], item["mentions"]) == (sent["text"], [alice.id])
    assert item["sent_at"] == clock.wire(given.now)
    assert alice.head(talk.id)["mentions"] == 1
    again = bob.request("POST", f"{talk.path}/messages", sent).json()["data"]
    assert (again["seq"], again["duplicate"]) == (item["seq"], True)
    row.refresh_from_db()
    assert (row.state, row.message, row.seq) == ("released", "", item["seq"])
    assert AuditEntry.objects.filter(target=f"held:{row.pk}", act="held.release").count() == 1


def test_it_is_let_through_once_by_many_at_once(talk, held, alice):
    _, row = held
    given, seqs = [warrant() for _ in range(4)], []

    def let(mine) -> None:
        try:
            seqs.append(releasing.release(mine, row.pk))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=let, args=(each,)) for each in given]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(seqs) == 4
    assert len(set(seqs)) == 1
    assert sum(WORD in each.get("text", "") for each in talk.all(alice)) == 1


def test_retries_that_race_are_held_once(talk, bob):
    message = {"client_id": str(uuid.uuid4()), "text": f"racing {WORD}"}
    draft, results = drafts.parse(talk.id, bob.id, message), []

    def send() -> None:
        try:
            verdicts = [gate.judge(draft)]
            results.extend(log.append_many([draft], now=clock.now(), verdicts=verdicts))
        finally:
            connections.close_all()

    with ruled({"conversation_id": talk.id, "patterns": [WORD], "action": "hold"}):
        threads = [threading.Thread(target=send) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    [row] = Held.objects.filter(conversation_id=talk.id)
    assert [each.data for each in results] == [{"held": True, "id": row.pk, "reason": None}] * 6


def test_it_is_refused_for_a_reason_and_gone(talk, held, alice, bob):
    sent, row = held
    for _ in range(2):
        releasing.refuse(warrant(reason="Advertising."), row.pk)
    again = bob.request("POST", f"{talk.path}/messages", sent).json()
    assert (again["error"], again["data"]) == (
        "rejected_by_policy",
        {"held": False, "id": None, "reason": "Advertising."},
    )
    row.refresh_from_db()
    assert (row.state, row.message) == ("refused", "")
    with pytest.raises(releasing.Decided):
        releasing.release(warrant(), row.pk)
    assert not any(WORD in each.get("text", "") for each in talk.all(alice))
    while letters.deliver(now=clock.now()):
        pass
    told = [head for head in bob.sync_all()[0].values() if head["kind"] == "direct"]
    assert any("Advertising." in head["preview"]["text"] for head in told if head["preview"])


def test_what_was_let_through_is_not_refused_after(talk, held):
    _, row = held
    releasing.release(warrant(), row.pk)
    with pytest.raises(releasing.Decided):
        releasing.refuse(warrant(), row.pk)


def test_it_waits_on_while_its_sender_may_not_send(talk, held, alice, bob):
    _, row = held
    alice.post(f"{talk.path}/members/mute", {"user_id": bob.id, "seconds": 600})
    with pytest.raises(AppError) as refused:
        releasing.release(warrant(), row.pk)
    assert refused.value.code is Code.MUTED
    alice.post(f"{talk.path}/members/mute", {"user_id": bob.id, "seconds": None})
    assert releasing.release(warrant(), row.pk)


@pytest.mark.parametrize("act", [releasing.release, releasing.refuse])
def test_it_takes_the_permission_and_a_reason(held, act):
    _, row = held
    for given in (warrant("messagelog.write_rules"), warrant(reason="  ")):
        with pytest.raises(AppError):
            act(given, row.pk)
    with pytest.raises(AppError) as missing:
        act(warrant(), 10**9)
    assert missing.value.code is Code.NOT_FOUND


ROUTES = [
    "accounts/export",
    "sync?messages=20",
    "conversations",
    "{talk}",
    "{talk}/messages",
    "{talk}/messages?view=chat",
    "{talk}/messages/at?time=2020-01-01T00:00:00Z",
    "messages?after={id}:0",
    f"messages/search?q={WORD}",
    f"messages/search?q={WORD}&conversation_id={{id}}",
]


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_tells_its_content(talk, held, alice, bob, route):
    path = route.format(talk=talk.path, id=talk.id)
    for who in (alice, bob):
        response = who.request("GET", path)
        assert response.status_code == 200
        assert WORD.encode() not in response.content.lower().replace(f"q={WORD}".encode(), b"")


def test_an_account_that_closes_takes_along_what_waits(held, bob):
    _, row = held
    bob.post("accounts/delete", {"password": "correct horse battery"})
    assert not Held.objects.filter(pk=row.pk).exists()
