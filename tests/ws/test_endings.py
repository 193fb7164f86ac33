"""How the server ends sockets that are silent, do not read, or can no longer be served."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import cycle
from typing import Any

import orjson
import pytest
from django.db import OperationalError

from accounts import callers
from conversations import consumers, hub, members, outgoing, sweep
from conversations.consumers import Socket
from conversations.incoming import Way
from imsite import asgi
from imsite.asgi import application, bridge
from imsite.core.textframe import EXTENSION
from messages import frames, writer
from tests.cast import Person


class Link:
    """The server's side of one connection, in this process."""

    def __init__(self, person: Person, *, takes_frames: bool = False) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: list[dict[str, Any]] = []
        self.hand_over: Callable[[str], bool] = lambda text: False
        self.open = asyncio.Event()
        self.open.set()
        headers = [(b"authorization", f"Bearer {person.access}".encode())]
        offered = {EXTENSION: {"link": self}} if takes_frames else {}
        scope = {
            "type": "websocket",
            "path": "/ws",
            "query_string": b"",
            "headers": headers,
            "extensions": offered,
        }
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(application(scope, self.inbox.get, self.take))

    async def take(self, message: dict[str, Any]) -> None:
        """Play the server: wait while the client does not read, and confirm a close."""
        await self.open.wait()
        self.outbox.append(message)
        if message["type"] == "websocket.close":
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": message.get("code")})

    def write(self, frame: bytes) -> bool:
        """Play a server that takes whole frames, while the client reads."""
        if self.open.is_set():
            text = frame[2 if frame[1] < 126 else 4 :].decode()
            self.outbox.append({"type": "websocket.send", "text": text})
        return self.open.is_set()

    def listen(self, take: Any) -> None:
        """Play a server that hands texts over."""
        self.hand_over = take

    def say(self, frame: Any) -> None:
        """Send a frame: handed over if nothing is queued and it is taken, else queued."""
        text = orjson.dumps(frame).decode()
        if not (self.inbox.empty() and self.hand_over(text)):
            self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What was refused; pings may come before and after."""
        return [frame for frame in self.frames if frame["t"] == "err"]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """What the client was told."""
        return [orjson.loads(each["text"]) for each in self.outbox if "text" in each]

    async def until(self, ready: Any, seconds: float = 5) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, self.outbox
            await asyncio.sleep(0.01)

    async def ended(self, seconds: float) -> int | None:
        """Wait for the end; return the code, or None if the connection was dropped."""
        await asyncio.wait_for(self.task, seconds)
        return self.outbox[-1].get("code")


@pytest.fixture
async def opened(valkey, alice, request) -> AsyncIterator[Link]:
    """Open a socket of Alice, up to its hello; on a server that takes whole frames if asked for."""
    link = Link(alice, takes_frames=getattr(request, "param", False))
    await link.until(lambda: link.frames)
    yield link
    link.inbox.put_nowait({"type": "websocket.disconnect"})
    await asyncio.wait_for(link.task, 5)
    await hub.stop()


async def test_silence_is_closed(opened, monkeypatch):
    monkeypatch.setattr(consumers, "SILENCE", 2.0)
    for _ in range(3):
        await asyncio.sleep(0.8)
        opened.say({"t": "ping"})
    assert not opened.task.done()
    began = time.monotonic()
    assert await opened.ended(5) == 4408
    assert time.monotonic() - began > 1


@pytest.mark.parametrize("opened", [False, True], indirect=True, ids=["said", "written"])
async def test_a_client_that_does_not_read_is_dropped(opened, monkeypatch):
    monkeypatch.setattr(consumers, "_STUCK", 1.0)
    opened.open.clear()
    for _ in range(200):
        opened.say({"t": "ping"})
    assert await opened.ended(5) is None
    # No more were taken in than answers may wait.
    assert opened.inbox.qsize() > 100


@pytest.mark.parametrize("opened", [False, True], indirect=True, ids=["said", "written"])
async def test_a_send_waits_for_room_and_loses_nothing(opened, alice, talk, monkeypatch):
    monkeypatch.setattr(outgoing, "_MAX_OWED", 4)
    for n in range(20):
        text = {"client_id": f"00000000-0000-4000-8000-{n:012}", "text": str(n)}
        opened.say({"t": "send", "n": n, "c": talk.id, "m": text})
    await opened.until(lambda: sum(each["t"] == "ack" for each in opened.frames) == 20)
    acks = {each["n"]: each["seq"] for each in opened.frames if each["t"] == "ack"}
    assert [acks[n] for n in range(20)] == sorted(acks.values())


async def test_a_send_waits_for_a_question_to_the_database_only(valkey, alice, talk, monkeypatch):
    way = Way(partial(frames.send, on_loop=bridge.fibers is not None), bridge.fibers)
    way.at_once, asked, run = True, [], way.run

    async def counted(*args: Any) -> None:
        asked.append(args)
        await run(*args)

    way.run = counted
    monkeypatch.setattr(asgi, "socket", Socket.as_asgi(way=way))
    link = Link(alice, takes_frames=True)
    await link.until(lambda: link.frames)

    async def send(n: int) -> None:
        link.say({"t": "send", "n": n, "c": talk.id, "m": _text()})
        await link.until(lambda: any(each.get("n") == n for each in link.frames))

    monkeypatch.setattr(callers, "_FRESH", 60.0)
    await send(1)
    assert asked == []
    monkeypatch.setattr(callers, "_FRESH", 0.0)
    for n in range(2, 5):
        link.say({"t": "send", "n": n, "c": talk.id, "m": _text()})
    await send(5)
    assert len(asked) == 4
    # Whichever way each takes, none overtakes another: a second writer would be seen by being slow.
    append = writer.ThreadWriter.append
    monkeypatch.setattr(
        writer.ThreadWriter, "append", lambda self, group: (time.sleep(0.05), append(self, group))
    )
    known, ways = callers.admit_known, cycle([True, True, False, True, False])
    monkeypatch.setattr(callers, "_FRESH", 60.0)
    monkeypatch.setattr(callers, "admit_known", lambda *a, **kw: next(ways) and known(*a, **kw))
    for n in range(6, 60):
        link.say({"t": "send", "n": n, "c": talk.id, "m": _text()})
        if n % 7 == 0:
            await asyncio.sleep(0.01)
    await send(60)
    monkeypatch.setattr(callers, "admit_known", known)
    acks = {each["n"]: each["seq"] for each in link.frames if each["t"] == "ack"}
    assert [acks[n] for n in range(1, 61)] == sorted(acks.values())
    alice.post("accounts/logout")
    link.say({"t": "send", "n": 61, "c": talk.id, "m": _text()})
    assert await link.ended(5) == 4401
    await hub.stop()


async def test_a_writer_that_is_behind_tells_when_to_come_back(opened, talk, settings):
    settings.IM_WRITER_QUEUE = 0
    opened.say({"t": "send", "n": 1, "c": talk.id, "m": _text()})
    await opened.until(lambda: opened.errors)
    [error] = opened.errors
    assert (error["n"], error["error"]) == (1, "unavailable")
    assert error["retry_after_ms"] == 1000


async def test_a_send_is_refused_as_a_post_is(opened, talk, settings, monkeypatch):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the disk is gone")

    monkeypatch.setattr(writer.log, "append_many", broken)
    opened.say({"t": "send", "n": 1, "c": talk.id, "m": _text()})
    await opened.until(lambda: opened.errors)
    assert opened.errors[0]["error"] == "unavailable"
    assert "disk" not in str(opened.frames)


async def test_sockets_close_when_nobody_can_be_asked(opened, monkeypatch):
    def broken(*args: Any) -> None:
        raise OperationalError("away")

    began = time.monotonic()
    monkeypatch.setattr(members, "socket_view", broken)
    monkeypatch.setattr(members, "heads", broken)
    monkeypatch.setattr(sweep.Sweep, "_memberships", broken)
    assert await opened.ended(9) == 1013
    assert time.monotonic() - began < 7


async def test_who_leaves_waits_for_nobody_who_hangs(opened, monkeypatch):
    monkeypatch.setattr(hub, "_PATIENCE", 0.2)
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    hub.the_hub().spawn(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(hub.stop(), 10)
    over.set()


async def test_a_lost_ping_is_told_by_the_sweep(opened, talk, alice, monkeypatch):
    the = hub.the_hub()
    monkeypatch.setattr(the.ear, "_heard", lambda message: None)
    talk.say(alice)
    seq = talk.say(alice)["seq"]
    began = time.monotonic()
    told = [[talk.id, seq]]
    # The conversation is younger than the socket: the sweep that reads it anew is due at once.
    the.people[alice.id].is_stale = True
    await opened.until(lambda: any(each.get("c") == told for each in opened.frames), 6)
    later = talk.say(alice)["seq"]
    await opened.until(
        lambda: any(each.get("c") == [[talk.id, later]] for each in opened.frames), 6
    )
    assert time.monotonic() - began < 9


def _text() -> dict[str, str]:
    return {"client_id": "00000000-0000-4000-8000-000000000001", "text": "hello"}
