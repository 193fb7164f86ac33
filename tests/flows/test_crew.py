"""The processes of the ws role are one server: for pings and presence, when one dies, and when all leave."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from accounts import presence
from tests.cast import Person, talk_of
from tests.environment import ENGINE
from tests.roles import Role
from tests.ws.wire import Wire

# The kernel deals them out by chance: that all fall to one process happens once in 32,768 times.
SOCKETS = 16
PEOPLE = 4
LEAVING = {1001, 1012}
pytestmark = [
    pytest.mark.skipif(ENGINE != "postgresql", reason="roles apart are PostgreSQL's business"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc"),
]


@pytest.fixture(params=["uvicorn", "daphne"])
def role(request, valkey, monkeypatch):
    """A ws role of two processes, on each of its servers."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    role = Role("ws", IM_ASGI_SERVER=request.param, IM_WS_WORKERS="2")
    try:
        yield role.ready()
    finally:
        role.kill()


def workers(role: Role) -> list[int]:
    """Return the processes of a role that are not only waiting to be buried."""
    pid = role.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if runs(int(each))]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(holds, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def homes(people: list[Person]) -> int:
    """Return in how many processes these hold sockets."""
    store, ours = presence._store(), {each.device_id for each in people}
    sets = (store.smembers(key) for key in store.zrange("im:online", 0, -1))
    return sum(bool(ours & set(map(int, found))) for found in sets)


async def hold(role: Role, people: list[Person]) -> list[Wire]:
    """Open the sockets, some for each of these people."""
    server = f"http://127.0.0.1:{role.port}"
    return [await Wire.open(server, people[n % len(people)]) for n in range(SOCKETS)]


async def wait_for_news(role: Role, who: Person) -> int:
    """Return the status of a sync that waits for as long as it may."""
    headers = {"Authorization": f"Bearer {who.access}"}
    base = f"http://127.0.0.1:{role.port}/api/v1/sync"
    async with httpx.AsyncClient(headers=headers, timeout=70) as http:
        cursor = ""
        while (data := (await http.get(base + cursor)).json()["data"])["items"]:
            cursor = f"?cursor={data['cursor']}"
        return (await http.get(f"{base}?cursor={data['cursor']}&wait=50")).status_code


async def test_its_processes_are_one_server(role):
    people = [Person.new("crew") for _ in range(PEOPLE)]
    talk = talk_of(*people)
    wires = await hold(role, people)
    await until(lambda: homes(people) == 2)
    assert presence.online([each.device_id for each in people]) == {
        each.device_id for each in people
    }
    for n, wire in enumerate(wires, 1):
        await wire.send(n, talk.id)
    acks = [await wire.next("ack", n=n) for n, wire in enumerate(wires, 1)]
    assert len({ack["seq"] for ack in acks}) == SOCKETS
    for wire in wires:
        await wire.told(talk.id, max(ack["seq"] for ack in acks))
    await one_dies(role, wires, talk)
    await all_leave(role, wires, people[0])


async def one_dies(role: Role, wires: list[Wire], talk) -> None:
    """Kill a process: the sockets of the other do not notice, and who comes meanwhile waits for it."""
    victim, other = workers(role)
    os.kill(victim, signal.SIGKILL)
    async with httpx.AsyncClient(timeout=60) as http:
        url = f"http://127.0.0.1:{role.port}/healthz"
        answers = await asyncio.gather(*(http.get(url) for _ in range(SOCKETS)))
    assert {answer.status_code for answer in answers} == {200}
    await until(lambda: len(workers(role)) == 2)
    assert other in workers(role)
    assert victim not in workers(role)
    left = [wire for wire in wires if wire.link.close_code is None]
    assert 0 < len(left) < SOCKETS
    seq = await asyncio.to_thread(lambda: talk.say(talk.owner)["seq"])
    for wire in left:
        await wire.told(talk.id, seq)
    wires[:] = left


async def all_leave(role: Role, wires: list[Wire], who: Person) -> None:
    """Tell the role to leave: it closes sockets, answers who waits, and nothing stays behind."""
    waiting = asyncio.create_task(wait_for_news(role, who))
    await asyncio.sleep(2)
    assert not waiting.done()
    pids = workers(role)
    assert await asyncio.to_thread(role.stop) < 12
    codes = Counter([await wire.closed() for wire in wires])
    assert set(codes) <= LEAVING, codes
    assert await waiting == 200
    assert not any(runs(pid) for pid in pids)
