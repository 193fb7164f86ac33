"""`sync?wait=`: held until something changes, and never longer than asked."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

# Seconds: far less than what is asked to be waited, far more than a loaded machine needs.
SOON = 10


class Poller:
    """Polls with a cursor over real HTTP."""

    def __init__(self, server: str, person) -> None:
        headers = {"Authorization": f"Bearer {person.access}"}
        self.http = httpx.AsyncClient(base_url=server, headers=headers, timeout=30)
        self.cursor = ""

    async def settle(self) -> "Poller":
        """Poll until there is nothing new."""
        for _ in range(5):
            if not (await self.poll())["items"]:
                return self
        raise AssertionError("the chain does not become empty")

    async def poll(self, wait: int = 0) -> dict:
        params = {"wait": str(wait), **({"cursor": self.cursor} if self.cursor else {})}
        response = await self.http.get("/api/v1/sync", params=params)
        assert response.status_code == 200, response.text
        assert "im-quiet" not in response.headers
        data = response.json()["data"]
        self.cursor = data["cursor"]
        return data


@pytest.fixture
async def polling(server) -> AsyncIterator:
    """Return how to make pollers, and hang up afterwards."""
    made = []

    def make(person) -> Poller:
        made.append(Poller(server, person))
        return made[-1]

    yield make
    for poller in made:
        await poller.http.aclose()


async def test_it_answers_when_something_moves(polling, talk, alice, bob):
    poller = await polling(bob).settle()
    began = time.monotonic()
    waiting = asyncio.create_task(poller.poll(20))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    seq = await asyncio.to_thread(lambda: talk.say(alice)["seq"])
    [head] = (await waiting)["items"]
    assert (head["id"], head["last_seq"]) == (talk.id, seq)
    assert time.monotonic() - began < SOON


async def test_it_answers_when_one_is_let_in_or_put_out(polling, talk, alice, carol):
    poller = await polling(carol).settle()
    for act, state in (("add", "active"), ("remove", "removed")):
        waiting = asyncio.create_task(poller.poll(20))
        await asyncio.sleep(0.3)
        alice.post(f"{talk.path}/members/{act}", {"user_ids": [carol.id]})
        [head] = (await asyncio.wait_for(waiting, 6))["items"]
        assert head["state"] == state
        await poller.settle()


async def test_it_answers_at_once_when_there_is_something(polling, talk, alice, bob):
    poller = await polling(bob).settle()
    talk.say(alice)
    began = time.monotonic()
    assert (await poller.poll(20))["items"]
    assert time.monotonic() - began < SOON


async def test_it_gives_up_in_time(polling, bob):
    poller = await polling(bob).settle()
    began = time.monotonic()
    assert not (await poller.poll(1))["items"]
    assert 0.9 < time.monotonic() - began < SOON


async def test_an_etag_is_waited_on_too(polling, talk, alice, bob):
    poller = await polling(bob).settle()
    params = {"cursor": poller.cursor, "wait": "1"}
    etag = (await poller.http.get("/api/v1/sync", params=params)).headers["etag"]
    began = time.monotonic()
    same = await poller.http.get("/api/v1/sync", params=params, headers={"If-None-Match": etag})
    assert same.status_code == 304
    assert not same.content
    assert time.monotonic() - began > 0.9


async def test_what_the_door_refuses_is_refused_at_once(server, alice):
    async with httpx.AsyncClient(base_url=server, timeout=5) as http:
        good = {"Authorization": f"Bearer {alice.access}"}
        assert (await http.get("/api/v1/sync?wait=x", headers=good)).status_code == 400
        assert (await http.get("/api/v1/sync?wait=5&wait=5", headers=good)).status_code == 400
        assert (await http.get("/api/v1/sync?wait=5&cursor=x", headers=good)).status_code == 400
        assert (await http.get("/api/v1/sync?wait=5")).status_code == 401
        bad = {"Authorization": "Bearer nonsense"}
        assert (await http.get("/api/v1/sync?wait=5", headers=bad)).status_code == 401


async def test_many_may_wait_and_leave(polling, bob):
    poller = await polling(bob).settle()
    waiting = [asyncio.create_task(poller.poll(50)) for _ in range(60)]
    await asyncio.sleep(0.5)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    began = time.monotonic()
    await polling(bob).poll()
    assert time.monotonic() - began < SOON
