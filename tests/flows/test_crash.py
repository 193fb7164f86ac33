"""A kill -9 of the server in the middle of sends loses nothing that was acknowledged."""

import asyncio
import itertools
import os
import signal
import uuid
from functools import partial

import httpx
import pytest

from tests.cast import Person, talk_of
from tests.conftest import serving
from tests.ports import free_port

ROUNDS = int(os.environ.get("IM_TEST_KILLS", "10"))
SENDERS = 8


class Crowd:
    """Senders that go on until the server dies, each retrying nothing."""

    def __init__(self, people: list[Person], conversation_id: int, port: int) -> None:
        self.people = people
        self.url = f"http://127.0.0.1:{port}/api/v1/conversations/{conversation_id}/messages"
        self.acknowledged: list[tuple[str, str, int]] = []
        self.unknown: list[tuple[Person, str, str]] = []

    async def run(self, kill, enough: int) -> None:
        """Send from all at once; kill the server when so many were acknowledged."""
        async with httpx.AsyncClient(timeout=10) as http:
            senders = [asyncio.create_task(self.send(http, who)) for who in self.people]
            while len(self.acknowledged) < enough:
                await asyncio.sleep(0.002)
            kill()
            await asyncio.gather(*senders)

    async def send(self, http: httpx.AsyncClient, who: Person) -> None:
        """Send one after another; what got no answer is unknown."""
        headers = {"Authorization": f"Bearer {who.access}"}
        for n in itertools.count():
            client_id, text = str(uuid.uuid4()), f"{who.id}: {n}"
            body = {"client_id": client_id, "text": text}
            try:
                answer = await http.post(self.url, json=body, headers=headers)
            except httpx.HTTPError:
                self.unknown.append((who, client_id, text))
                return
            assert answer.status_code == 201, answer.text
            self.acknowledged.append((client_id, text, answer.json()["data"]["seq"]))


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_kill_9(valkey):
    people = [Person.new("kill") for _ in range(SENDERS)]
    talk = talk_of(people[0], *people[1:])
    for n in range(ROUNDS):
        port = free_port()
        crowd = Crowd(people, talk.id, port)
        with serving(port) as server:
            # From the first commits of a process to groups in full swing.
            asyncio.run(crowd.run(partial(os.kill, server.pid, signal.SIGKILL), 1 + 7 * n % 60))
        check(talk, crowd)


def check(talk, crowd: Crowd) -> None:
    """Hold the log against what was acknowledged; retries of the unknown settle them, once each."""
    by_id = {item["client_id"]: item for item in talk.all(talk.owner) if "client_id" in item}
    for client_id, text, seq in crowd.acknowledged:
        assert (by_id[client_id]["seq"], by_id[client_id]["text"]) == (seq, text)
    for who, client_id, text in crowd.unknown:
        receipt = talk.say(who, text, client_id=client_id)
        assert receipt["duplicate"] == (client_id in by_id)
        if receipt["duplicate"]:
            assert receipt["seq"] == by_id[client_id]["seq"]
    seqs = [item["seq"] for item in talk.all(talk.owner)]
    assert seqs == list(range(1, len(seqs) + 1))
