"""How pings merge, how a socket's frames are paced, and what a client may say."""

import asyncio
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import bus, frames
from conversations.bus import Outbox, PersonPing, TalkPing
from conversations.outgoing import Outgoing
from conversations.pacing import Pacer
from imsite.core.textframe import TextFrame

small = st.integers(1, 5)
ids = st.integers(-(2**54), 2**54)
talk_pings = st.builds(
    TalkPing,
    seq=small,
    parted=small,
    sync=st.booleans(),
    reads=st.dictionaries(small, small, max_size=3),
    typing=st.sets(small, max_size=3),
)
person_pings = st.builds(
    PersonPing,
    sync=st.booleans(),
    joined=st.sets(small, max_size=3),
    parted=st.sets(small, max_size=3),
    ended=st.sets(small, max_size=3),
)


@given(st.lists(st.tuples(small, talk_pings), max_size=8), st.randoms())
def test_pings_merge_to_the_same_in_any_order(pings, chance):
    def merged(items):
        outbox = Outbox()
        for conversation_id, ping in items:
            outbox.talk(conversation_id, TalkPing.unwire(ping.wire(conversation_id)["d"]))
        return outbox.talks

    shuffled = list(pings)
    chance.shuffle(shuffled)
    assert merged(pings) == merged(shuffled)


@given(person_pings)
def test_the_wire_keeps_what_is_said(ping):
    assert PersonPing.unwire(ping.wire(1)["d"]) == ping


def test_what_was_not_said_is_kept_once():
    outbox, batch = Outbox(), Outbox()
    for n in range(5):
        batch.talk(n, TalkPing(seq=n, typing={n}))
        batch.person(n, PersonPing(sync=True))
    outbox.talk(4, TalkPing(seq=2, sync=True))
    said = [group for group, _ in batch.portion(6)]
    assert len(set(said)) == 6
    batch.said(6)
    # The seventh was asked for, and perhaps not said: it is kept.
    assert batch.portion(1)[0][0] not in said
    outbox.absorb(batch)
    assert not outbox.people
    assert outbox.talks.keys() == {1, 2, 3, 4}
    assert outbox.talks[4] == TalkPing(seq=4, sync=True)


def test_the_outbox_is_bounded(monkeypatch):
    monkeypatch.setattr(bus, "_MAX_KEPT", 10)
    outbox = Outbox()
    for n in range(100):
        outbox.talk(n, TalkPing(seq=n))
    assert outbox.talks.keys() == set(range(90, 100))


def said(text: str) -> TextFrame:
    return TextFrame(text.encode())


HELLO = said("hello")


class Client:
    """What a socket was told, and when; reads only while it is not blocked."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.times: list[float] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.out = Outgoing(self._take, lambda frame: False, Pacer())

    async def _take(self, message: dict) -> None:
        await self.reads.wait()
        self.told.append(message["text"])
        self.times.append(asyncio.get_running_loop().time())


async def test_the_first_ping_goes_at_once_and_the_others_are_merged():
    client = Client()
    client.out.moved(1, 1)
    await asyncio.sleep(0.02)
    assert client.told == []
    client.out.begin(HELLO)
    await asyncio.sleep(0.01)
    assert client.told == [HELLO.text, frames.seqs(((1, 1),)).text]
    for n in range(2, 200):
        client.out.moved(1 + n % 2, n)
        client.out.sync()
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.4)
    pings, times = client.told[1:], client.times[1:]
    told = [pair for text in pings for pair in frames._loads(text).get("c", [])]
    assert dict(told[-4:]) == {1: 198, 2: 199}
    assert pings.count(frames.SYNC.text) >= 4
    assert 8 <= len(pings) <= 10 * (times[-1] - times[0]) + 2


async def test_answers_are_not_paced():
    client = Client()
    client.out.begin(HELLO)
    for n in range(50):
        client.out.owe()
        client.out.answer(said(str(n)))
    await asyncio.sleep(0.02)
    assert client.told == [HELLO.text, *map(str, range(50))]


async def test_a_client_that_does_not_read_is_not_read_either():
    client = Client()
    client.out.begin(HELLO)
    await asyncio.sleep(0)
    client.reads.clear()
    for n in range(64):
        client.out.owe()
        client.out.answer(said(str(n)))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(client.out.room())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert client.out.stuck_since
    client.reads.set()
    await asyncio.wait_for(waiting, 1)
    await asyncio.sleep(0.01)
    assert not client.out.stuck_since


async def test_what_is_forgotten_is_not_told():
    client = Client()
    client.out.begin(HELLO)
    client.out.sync()
    await asyncio.sleep(0.01)
    client.out.moved(1, 5)
    client.out.moved(2, 6)
    client.out.read(1, 7, 5)
    client.out.forget(1)
    await asyncio.sleep(0.4)
    assert client.told[2:] == [frames.seqs(((2, 6),)).text]


async def test_nothing_is_told_after_the_end():
    client = Client()
    client.out.begin(HELLO)
    client.out.moved(1, 1)
    client.out.stop()
    client.out.answer(said("late"))
    client.out.sync()
    await asyncio.sleep(0.3)
    assert client.told == []


async def test_many_conversations_fit_into_frames():
    client = Client()
    client.out.begin(HELLO)
    for n in range(1200):
        client.out.moved(n, n + 1)
    await asyncio.sleep(0.5)
    told = [pair for text in client.told[1:] for pair in frames._loads(text)["c"]]
    assert sorted(told) == [[n, n + 1] for n in range(1200)]
    assert len(client.told) == 4


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just({}), ids
)
shapes = st.dictionaries(st.sampled_from(["t", "n", "c", "m", "x"]), values, max_size=5)
kinds = st.sampled_from(["send", "typing", "ping", "seq", 1])


@given(shapes, kinds)
def test_a_frame_is_taken_if_and_only_if_it_has_just_its_fields(frame, kind):
    frame["t"] = kind
    number = {key: type(frame.get(key)) is int and abs(frame[key]) <= 2**53 for key in "nc"}
    fields = set(frame)
    good = (
        (kind == "ping" and fields == {"t"})
        or (kind == "typing" and fields == {"t", "c"} and number["c"])
        or (
            (kind == "send" and fields == {"t", "n", "c", "m"} and all(number.values()))
            and isinstance(frame["m"], dict)
        )
    )
    try:
        said = frames.parse(json.dumps(frame))
    except frames.BadFrame:
        assert not good
    else:
        assert good
        assert list(said) == [frame[key] for key in "ncm" if key in frame]


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_any_text_is_a_frame_or_a_bad_one(text):
    try:
        frames.parse(text)
    except frames.BadFrame:
        return


@pytest.mark.parametrize("size", [32_768, 32_769])
def test_the_length_of_a_frame_is_counted_in_bytes(size):
    assert frames.is_too_long("x" * size) == (size > 32_768)
    assert frames.is_too_long(b"x" * size) == (size > 32_768)
    assert frames.is_too_long("é" * (size // 2) + "x" * (size % 2)) == (size > 32_768)


def test_random_bytes_do_no_harm():
    for _ in range(200):
        text = random.randbytes(40).decode("latin-1")
        with pytest.raises(frames.BadFrame):
            frames.parse(text)
