"""Who is pushed is what API §7 says, by a model that knows nothing of how it is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts import presence
from imsite.core import clock
from push import rousing
from tests.cast import Person, Talk, talk_of
from tests.pushing import Phone, phones, push, wake

MEMBERS = 3
ALL_DAY = {"start": "00:00", "end": "00:00", "tz": "UTC"}
LEVELS = ["all", "mentions", "none"]
WHO = st.integers(0, MEMBERS - 1)
ACTS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, MEMBERS), st.sampled_from(["one", "all"])),
    st.tuples(st.just("say"), st.integers(0, MEMBERS), st.just("")),
    st.tuples(st.just("push")),
    st.tuples(st.just("push")),
    st.tuples(st.just("recall"), st.integers(0, 3)),
    st.tuples(st.just("read"), WHO, st.integers(0, 1)),
    st.tuples(st.just("pull"), WHO),
    st.tuples(st.just("notify"), WHO, st.sampled_from(LEVELS)),
    st.tuples(st.just("quiet"), WHO, st.booleans()),
    st.tuples(st.just("socket"), WHO),
    st.tuples(st.just("leave"), WHO),
    st.tuples(st.just("join"), WHO),
)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "valkey was not told"
        time.sleep(0.005)


@dataclass
class Member:
    """What the model knows of a member, who has one device."""

    who: Person
    here: bool = True
    # Read, or not visible, up to here.
    read: int = 0
    pulled: int = 0
    notify: str = "all"
    quiet: bool = False
    socket: bool = False
    told: int = 0
    # Something was found for the device and is still to be told.
    owed: bool = False

    def newest(self, items: list[dict], above: int = 0) -> int:
        """Return the newest entry of these that this member is to be told of, 0 for none."""
        if not self.here or self.notify == "none":
            return 0
        found = 0
        for item in items:
            named = item.get("mentions") or []
            wanted = self.notify == "all" or named == "all" or self.who.id in named
            stands = "recalled_at" not in item and not item.get("event")
            foreign = item["sender_id"] != self.who.id
            if stands and foreign and wanted and item["seq"] > max(self.read, above):
                found = item["seq"]
        return found

    def expect(self, items: list[dict], looked: int) -> int:
        """Return what the device is pushed now, 0 for nothing; entries up to `looked` are old."""
        if not self.socket and self.newest(items, looked) > max(self.told, self.pulled):
            self.owed = True
        newest = self.newest(items)
        if newest <= max(self.told, self.pulled):
            self.owed = False
        if not self.owed or self.socket or self.quiet:
            return 0
        self.owed, self.told = False, newest
        return newest


@dataclass
class World:
    """A talk, its people, and what was said, by the public API alone."""

    phone: Phone
    owner: Person
    members: list[Member]
    talk: Talk
    looked: int = 0
    said: list[int] = field(default_factory=list)

    def head(self) -> int:
        return self.owner.head(self.talk.id)["last_seq"]

    def say(self, n: int, mention: str) -> None:
        speaker = self.members[n] if n < MEMBERS else None
        if speaker and not speaker.here:
            return
        named = {"": [], "one": [self.members[0].who.id], "all": "all"}[mention]
        if mention == "one" and not self.members[0].here:
            named = []
        who = speaker.who if speaker else self.owner
        seq = self.talk.say(who, "words", mentions=named)["seq"]
        self.said.append(seq)
        if speaker:
            speaker.read = seq

    def recall(self, back: int) -> None:
        if back < len(self.said):
            self.owner.post(f"{self.talk.path}/messages/{self.said[-1 - back]}/recall")

    def read(self, n: int, back: int) -> None:
        member = self.members[n]
        if member.here and (seq := self.head() - back) > member.read:
            member.who.post(f"{self.talk.path}/read", {"seq": seq})
            member.read = seq

    def pull(self, n: int) -> None:
        member = self.members[n]
        if member.here:
            self.talk.page(member.who)
            member.pulled = self.head()
            pair = (member.who.device_id, self.talk.id)
            until(lambda: presence.pulled_to([pair]).get(pair) == member.pulled)

    def notify(self, n: int, level: str) -> None:
        member = self.members[n]
        if member.here:
            member.who.post(f"{self.talk.path}/settings", {"notify": level})
            member.notify = level

    def quiet(self, n: int, on: bool) -> None:
        member = self.members[n]
        hours = ALL_DAY if on else None
        member.who.post("push/settings", {"preview": True, "quiet_hours": hours})
        member.quiet = on

    def socket(self, n: int) -> None:
        member = self.members[n]
        member.socket = not member.socket
        (presence.opened if member.socket else presence.closed)(member.who.device_id)
        device = member.who.device_id
        until(lambda: (presence.online([device]) == {device}) == member.socket)

    def leave(self, n: int) -> None:
        member = self.members[n]
        if member.here:
            member.who.post(f"{self.talk.path}/leave")
            member.here = False

    def join(self, n: int) -> None:
        member = self.members[n]
        if not member.here:
            path, body = f"{self.talk.path}/members/add", {"user_ids": [member.who.id]}
            self.owner.post(path, body)
            member.here, member.notify, member.read = True, "all", self.head()

    def push(self) -> None:
        """Push, and compare with what the model says."""
        items = self.talk.all(self.owner)
        expected = [member.expect(items, self.looked) for member in self.members]
        self.looked = items[-1]["seq"]
        before = [len(self.phone.seqs(m.who, self.talk.id)) for m in self.members]
        # Debts that wait for the end of quiet hours or of a socket are looked at as if it were time.
        rousing.people([member.who.id for member in self.members], now=clock.now())
        push()
        for member, seq, count in zip(self.members, expected, before, strict=True):
            told = self.phone.seqs(member.who, self.talk.id)[count:]
            assert told == ([seq] if seq else []), member


@pytest.fixture(scope="module")
def crowd(database) -> list[Person]:
    return [wake(Person.new("law")) for _ in range(MEMBERS + 1)]


# What changes between the noting of a debt and its end of waiting, each by itself.
LAST = MEMBERS - 1
CHANGES = [
    ("read", LAST, 0),
    ("recall", 0),
    ("leave", LAST),
    ("notify", LAST, "none"),
    ("notify", LAST, "mentions"),
    ("pull", LAST),
    ("say", LAST, ""),
    ("say", MEMBERS, "all"),
]


def _each_change(test):
    for change in CHANGES:
        waits = [("quiet", LAST, True), ("say", MEMBERS, ""), ("push",)]
        test = example(acts=[*waits, change, ("quiet", LAST, False)], level="all")(test)
    return test


@_each_change
@settings(max_examples=12, deadline=None)
@given(acts=st.lists(ACTS, min_size=12, max_size=30), level=st.sampled_from(LEVELS))
def test_who_is_pushed_is_what_the_contract_says(valkey, crowd, acts, level):
    [owner, *others] = crowd
    with phones() as phone:
        talk = talk_of(owner, *others)
        world = World(phone, owner, [Member(who) for who in others], talk)
        try:
            world.notify(0, "mentions")
            world.notify(1, level)
            world.push()
            for name, *more in [*acts, ("push",)]:
                getattr(world, name)(*more)
            world.push()
        finally:
            for n, member in enumerate(world.members):
                if member.socket:
                    world.socket(n)
                world.quiet(n, False)
