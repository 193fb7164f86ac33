"""Frames reach a client the same whichever way they go, in turns and paced: all laws by a leaping clock."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from conversations import frames, pacing
from conversations.bus import TalkPing
from conversations.crowd import Person, Talk
from conversations.outgoing import Outgoing
from conversations.pacing import Pacer
from imsite.core.textframe import TextFrame

LONG = 60.0


@given(st.text(max_size=200), st.sampled_from([0, 125, 126, 65_535, 65_536]))
def test_a_frame_is_what_the_library_makes_of_the_text(text, size):
    payload = text.encode() + b"x" * size
    made = TextFrame(payload)
    assert made.wire == Frame(Opcode.TEXT, payload).serialize(mask=False)
    assert made.text == payload.decode()


class Leaping(asyncio.SelectorEventLoop):
    """A loop whose clock leaps over the time in which nothing happens."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Leaper(self))

    def time(self) -> float:
        return self.now


class _Leaper(selectors.SelectSelector):
    def __init__(self, loop: Leaping) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        self._loop.now += timeout or 0.0
        return super().select(0)


def leap(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=Leaping) as runner:
        runner.run(story())


class Client:
    """A client with what it was told and when; reads, or takes up no more."""

    def __init__(self, pacer: Pacer, *, writes: bool) -> None:
        self.told: list[str] = []
        self.times: list[float] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.out = Outgoing(self.say, self.write if writes else lambda frame: False, pacer)

    def write(self, frame: bytes) -> bool:
        if self.reads.is_set():
            self._take(frame[2 if frame[1] < 126 else 4 :].decode())
        return self.reads.is_set()

    async def say(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self._take(message["text"])

    def _take(self, text: str) -> None:
        self.told.append(text)
        self.times.append(asyncio.get_running_loop().time())


ids = st.integers(1, 3)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("moved"), ids, st.integers(1, 9)),
        st.tuples(st.just("read"), ids, ids, st.integers(1, 9)),
        st.tuples(st.just("typing"), ids, ids),
        st.tuples(st.just("forget"), ids),
        st.tuples(st.sampled_from(["sync", "answer", "reads", "reads not"])),
        st.tuples(st.just("sleep"), st.sampled_from([0.01, 0.04, 0.2, 3.0])),
    ),
    max_size=30,
)


async def act(clients: list[Client], what: str, *args: Any) -> None:
    """Do the same to all."""
    if what == "sleep":
        await asyncio.sleep(*args)
    elif what == "reads not":
        # What was on its way before is read.
        await asyncio.sleep(0.001)
    for client in clients:
        if what == "answer":
            client.out.owe()
            client.out.answer(TextFrame(b"answer"))
        elif what.startswith("reads"):
            (client.reads.set if what == "reads" else client.reads.clear)()
        elif what != "sleep":
            getattr(client.out, what)(*args)


@settings(deadline=None)
@given(acts)
def test_all_ways_tell_the_same_in_the_same_order(story):
    async def run() -> None:
        pacer = Pacer()
        clients = [Client(pacer, writes=writes) for writes in (True, False)]
        for client in clients:
            client.out.begin(TextFrame(b"hello"))
        for each in [*story, ("reads",), ("sleep", LONG)]:
            await act(clients, *each)
        written, said = clients
        assert written.told == said.told
        assert written.told[0] == "hello"
        assert not written.out.stuck_since and not said.out.stuck_since
        pings = [
            at
            for text, at in zip(written.told, written.times, strict=True)
            if text not in "hello answer"
        ]
        # However the acts fall, no second has more than ten, nor has one that comes a little late.
        assert all(pings[n + 10] - pings[n] >= 1.09 for n in range(len(pings) - 10))

    leap(run)


@pytest.mark.parametrize("writes", [True, False])
def test_who_does_not_read_is_stuck_owes_no_more_and_misses_no_answer(writes):
    async def run() -> None:
        client = Client(Pacer(), writes=writes)
        client.out.begin(TextFrame(b"hello"))
        await asyncio.sleep(1)
        client.reads.clear()
        began = asyncio.get_running_loop().time()
        for n in range(64):
            await client.out.room()
            client.out.owe()
            client.out.answer(TextFrame(b"%d" % n))
            client.out.moved(1, n + 1)
        full = asyncio.create_task(client.out.room())
        await asyncio.sleep(11)
        assert not full.done()
        assert client.told == ["hello"]
        # What `tick` drops a socket for after 10 s.
        assert 0 <= client.out.stuck_since - began < 0.1
        client.reads.set()
        await full
        await asyncio.sleep(1)
        assert client.told[1:] == [*map(str, range(64)), frames.seqs(((1, 64),)).text]

    leap(run)


def test_a_thousand_are_told_in_turns_and_all_of_them():
    async def run() -> None:
        pacer = Pacer()
        clients = [Client(pacer, writes=n % 2 == 0) for n in range(1000)]
        for client in clients:
            client.out.begin(TextFrame(b"hello"))
        await asyncio.sleep(1)
        for client in clients:
            client.out.moved(1, 2)
        heard = []
        while not heard or heard[-1] < 1000:
            await asyncio.sleep(0)
            heard.append(sum(len(client.told) == 2 for client in clients))
        # The loop had time for others in between, and so for writing to the network.
        assert len(heard) >= 1000 / pacing.AT_ONCE
        assert all(now - before <= pacing.AT_ONCE for before, now in pairwise(heard))

    leap(run)


def test_one_that_breaks_takes_no_turn_from_the_others():
    async def run() -> None:
        pacer, broken = Pacer(), []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: broken.append(about))
        clients = [Client(pacer, writes=True) for _ in range(200)]
        for client in clients:
            client.out.begin(TextFrame(b"hello"))
        clients[70].out._queue["nonsense"] = None
        clients[70].out._hurry()
        for client in clients:
            client.out.moved(1, 2)
        await asyncio.sleep(1)
        assert len(broken) == 1
        assert sum(len(client.told) == 2 for client in clients) == 199

    leap(run)


def test_who_is_behind_pings_less():
    async def run() -> None:
        loop, pacer = asyncio.get_running_loop(), Pacer()
        assert isinstance(loop, Leaping)
        clients = [Client(pacer, writes=True) for _ in range(640)]
        for client in clients:
            client.out.begin(TextFrame(b"hello"))

        def slow(frame: bytes) -> bool:
            loop.now += 0.001
            return True

        for client in clients:
            client.out._write = slow
            client.out.moved(1, 2)
        await asyncio.sleep(0.7)
        # They took 640 ms in all.
        assert pacer.interval > 1
        await act(clients, "sleep", LONG)
        for client in clients[:2]:
            client.out.moved(1, 3)
        await asyncio.sleep(1)
        assert pacer.interval == pacing.EVERY

    leap(run)


class Listener:
    """A watcher that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.heard.append((name, *args))


async def test_a_large_group_is_told_in_turns_but_nobody_who_left_meanwhile():
    talk, people = Talk(now=0.0), [Person(n, now=0.0) for n in range(1, 301)]
    ears = {person.id: Listener() for person in people}
    for person in people:
        person.watchers[ears[person.id]] = None
        talk.enter(person, seq=1, parted=0)
    talk.tell(7, TalkPing(seq=2, sync=True))
    told = [number for number, ear in ears.items() if ear.heard]
    assert told == list(range(1, pacing.AT_ONCE + 1))
    # One who was told already leaves, too.
    del talk.people[1], talk.people[200]
    talk.tell(7, TalkPing(seq=3, reads={1: 2, 2: 2}))
    talk.tell(7, TalkPing(seq=4, typing={2}))
    await asyncio.sleep(0.05)
    first = [("moved", 7, 2), ("sync",)]
    then = [("moved", 7, 4), ("read", 7, 1, 2), ("read", 7, 2, 2), ("typing", 7, 2)]
    heard = {number: first + then for number in ears}
    heard[1], heard[2], heard[200] = first, first + then[:2], []
    assert {number: ear.heard for number, ear in ears.items()} == heard
    talk.tell(7, TalkPing(seq=4))
    await asyncio.sleep(0.05)
    assert ears[300].heard == heard[300]
