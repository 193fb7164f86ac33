"""Each role is restarted under load, one process after another: nobody loses anything but a connection."""

import asyncio
import contextlib
import importlib.util
import itertools
import json
import sys
import time
import uuid
from collections import Counter
from contextlib import ExitStack

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.cast import PASSWORD, Person, talk_of
from tests.conftest import ROOT
from tests.environment import ENGINE
from tests.roles import Role

FILE = ROOT / "clients" / "python" / "imclient.py"
_spec = importlib.util.spec_from_file_location("imclient", FILE)
imclient = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("imclient", imclient)
_spec.loader.exec_module(imclient)

SENDERS = 4
SOCKETS = 8
# What a client may see of a restart; it tries again after each.
RETRIED = {503}
LEAVING = {1001, 1012}


class Balancer:
    """A TCP proxy: each connection goes to the next process that takes it."""

    def __init__(self, roles: list[Role]) -> None:
        self._ports = itertools.cycle([role.port for role in roles])
        self._count = len(roles)
        self._relays: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Balancer":
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relays.add(asyncio.current_task())
        try:
            for _ in range(self._count):
                with contextlib.suppress(OSError):
                    there = await asyncio.open_connection("127.0.0.1", next(self._ports))
                    await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
                    return
        finally:
            writer.close()
            self._relays.discard(asyncio.current_task())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        # One side is gone, so the other is let go.
        return
    finally:
        writer.close()


async def _beat(socket: ClientConnection) -> None:
    """Ping as clients must; a restart of all may take longer than the silence that is borne."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.send('{"t":"ping"}')
            await asyncio.sleep(25)


class Load:
    """Senders, sockets and a reference client, and what they were told."""

    def __init__(self, api: str, ws: str, people: list[Person], conversation_id: int) -> None:
        self.api, self.ws = api, ws
        self.people = people
        self.conversation_id = conversation_id
        self.acknowledged: dict[str, int] = {}
        self.answers: Counter[str] = Counter()
        self.codes: Counter[int | None] = Counter()
        self.told: list[int] = [0] * SOCKETS
        self.opened: list[int] = [0] * SOCKETS
        self.leaving = False

    async def send(self, who: Person) -> None:
        """Send one after another, each until it is acknowledged."""
        url = f"http://{self.api}/api/v1/conversations/{self.conversation_id}/messages"
        headers = {"Authorization": f"Bearer {who.access}"}
        async with httpx.AsyncClient(timeout=15, headers=headers) as http:
            while not self.leaving:
                body = {"client_id": str(uuid.uuid4()), "text": "on we go"}
                while (seq := await self._once(http, url, body)) is None:
                    await asyncio.sleep(0.05)
                self.acknowledged[body["client_id"]] = seq
                await asyncio.sleep(0.05)

    async def _once(self, http: httpx.AsyncClient, url: str, body: dict) -> int | None:
        try:
            answer = await http.post(url, json=body)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in RETRIED:
            return None
        assert answer.is_success, answer.text
        return answer.json()["data"]["seq"]

    async def listen(self, n: int, who: Person) -> None:
        """Hold a socket open, and open it again whenever it is closed."""
        headers = {"Authorization": f"Bearer {who.access}"}
        while True:
            try:
                async with connect(f"ws://{self.ws}/ws", additional_headers=headers) as socket:
                    self.opened[n] += 1
                    beating = asyncio.create_task(_beat(socket))
                    try:
                        async for text in socket:
                            self._hear(n, json.loads(text))
                    finally:
                        beating.cancel()
                    self.codes[socket.close_code] += 1
            except ConnectionClosed as closed:
                self.codes[closed.rcvd and closed.rcvd.code] += 1
            except (OSError, InvalidHandshake, EOFError):
                await asyncio.sleep(0.1)

    def _hear(self, n: int, frame: dict) -> None:
        for conversation_id, seq in frame.get("c", []) if frame["t"] == "seq" else []:
            assert conversation_id == self.conversation_id
            self.told[n] = max(self.told[n], seq)


async def until(true, seconds: float, what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


async def restart(roles: list[Role], load: Load) -> None:
    """Restart each process, the next once the one before serves again."""
    for role in roles:
        assert await asyncio.to_thread(role.stop) < 12
        role.start()
        await asyncio.to_thread(role.ready)
        before = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > before + 20, 30, "sends do not go on")  # noqa: B023


async def story(
    api: list[Role], ws: list[Role], people: list[Person], conversation_id: int
) -> Load:
    """Restart all under load; return when everybody has heard of the last send."""
    await asyncio.gather(*(asyncio.to_thread(role.ready) for role in [*api, *ws]))
    async with (
        Balancer(api) as front,
        Balancer(ws) as socket_front,
        imclient.Client(f"http://{socket_front.address}") as reader,
    ):
        load = Load(front.address, socket_front.address, people, conversation_id)
        await reader.login(people[0].user["username"], PASSWORD)
        senders = [asyncio.create_task(load.send(who)) for who in people]
        others = [asyncio.create_task(load.listen(n, people[n % SENDERS])) for n in range(SOCKETS)]
        others.append(asyncio.create_task(read_all(reader)))
        await until(lambda: all(load.opened), 30, "sockets do not open")
        await restart([*api, *ws], load)
        load.leaving = True
        await asyncio.gather(*senders)
        await settled(load, reader)
        for task in others:
            assert not task.done() or task.exception() is None, task.exception()
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return load


async def read_all(reader) -> None:
    """Keep the reference client's store in step."""
    async for _ in reader.watch():
        pass


async def settled(load: Load, reader) -> None:
    """Wait until sockets and the reference client know of the last seq."""
    last = max(load.acknowledged.values())

    def holds() -> bool:
        span = reader.store.span(load.conversation_id)
        return span is not None and span.last >= last

    await until(lambda: min(load.told) >= last, 30, "not all sockets were told of the last")
    await until(holds, 30, "the client does not hold the last")


@pytest.mark.skipif(ENGINE != "postgresql", reason="roles apart are PostgreSQL's business")
@pytest.mark.timeout(300)
def test_a_rolling_restart_loses_nothing(valkey):
    people = [Person.new("roll") for _ in range(SENDERS)]
    talk = talk_of(people[0], *people[1:])
    with ExitStack() as stack:
        api = [
            Role("api", IM_API_SERVER=server, IM_API_WORKERS="1", IM_API_THREADS="8")
            for server in ("uvicorn", "granian")
        ]
        ws = [
            Role("ws", IM_ASGI_SERVER=server, IM_WS_WORKERS="2") for server in ("uvicorn", "daphne")
        ]
        for role in [*api, *ws]:
            stack.callback(role.kill)
        load = asyncio.run(story(api, ws, people, talk.id))
        held = {
            item["client_id"]: item["seq"] for item in talk.all(talk.owner) if "client_id" in item
        }
    assert held == load.acknowledged
    assert all(opened >= 2 for opened in load.opened)
    assert set(load.codes) <= LEAVING, load.codes
