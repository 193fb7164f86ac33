"""Many senders at once, each send tried twice, on the real database."""

import threading
import uuid

import pytest
from django.db import connections

from tests.cast import Person, talk_of


@pytest.fixture(scope="module")
def crowd(database):
    return [Person.new("crowd") for _ in range(8)]


def test_dense_seqs_under_concurrent_senders(crowd):
    talk = talk_of(crowd[0], *crowd[1:])
    receipts: list[tuple[int, str, dict]] = []

    def send(who: Person) -> None:
        for n in range(15):
            text = f"{who.id} says {n}"
            client_id = str(uuid.uuid4())
            for _ in range(2):
                receipts.append((who.id, text, talk.say(who, text, client_id=client_id)))
        connections.close_all()

    threads = [threading.Thread(target=send, args=[who]) for who in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    items = talk.all(crowd[1])
    assert [item["seq"] for item in items] == list(range(1, 8 * 15 + 2))
    by_seq = {item["seq"]: item for item in items}
    for sender_id, text, receipt in receipts:
        item = by_seq[receipt["seq"]]
        assert (item["sender_id"], item["text"]) == (sender_id, text)
        assert item["ordinal"] == receipt["ordinal"]
    assert sum(receipt["duplicate"] for *_, receipt in receipts) == len(receipts) // 2


def test_two_at_once_open_one_direct_conversation(crowd):
    alice, bob = crowd[0], crowd[1]
    found = []

    def open_with(who: Person, other: Person) -> None:
        found.append(who.post("conversations", {"kind": "direct", "user_id": other.id})["id"])
        connections.close_all()

    threads = [
        threading.Thread(target=open_with, args=pair) for pair in [(alice, bob), (bob, alice)] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_a_retry_racing_its_first_send_is_one_entry(crowd):
    talk = talk_of(crowd[0], crowd[1])
    client_id = str(uuid.uuid4())
    receipts = []

    def send() -> None:
        receipts.append(talk.say(crowd[0], "once", client_id=client_id))
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({receipt["seq"] for receipt in receipts}) == 1
    assert [receipt["duplicate"] for receipt in receipts].count(False) == 1
    assert len(talk.all(crowd[1])) == 2
