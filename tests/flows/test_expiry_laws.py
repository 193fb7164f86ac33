"""The laws of counting and syncing with expiry in the mix: days pass, floors rise, rows go or wait."""

import uuid
from contextlib import ExitStack

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from imsite.core import clock
from imsite.core.chores import Done
from imsite.core.pace import Pace
from messages.retention import floors
from tests.aging import calendar
from tests.cast import Person
from tests.flows.test_laws import MENTIONS, World

OFFLINE = 7


class Aging(World):
    """The world of the laws, in which time passes; its group keeps its history for some days."""

    @initialize(history=st.sampled_from(["since_join", "all"]), term=st.integers(1, 12))
    def open(self, history: str, term: int) -> None:
        self.stack = ExitStack()
        self.days = self.stack.enter_context(calendar(*self.people))
        self.begin(history)
        self.term = term
        self.owner.post(f"{self.talk.path}/update", {"retention_days": term})
        self.said: dict[str, int] = {}
        self.day_of: dict[int, int] = {}

    def note_days(self) -> None:
        """Remember on which day each entry was said."""
        last = self.owner.head(self.talk.id)["last_seq"]
        for seq in range(len(self.day_of) + 1, last + 1):
            self.day_of[seq] = clock.now().toordinal()

    def before(self, day: int) -> int:
        """Return the seq up to which all was said before a day."""
        kept = [seq for seq, said in self.day_of.items() if said >= day]
        return min(kept) - 1 if kept else len(self.day_of)

    @rule(n=st.integers(0, 2), mention=MENTIONS)
    def say_a_word(self, n: int, mention: str | None) -> None:
        who, word = self.people[n], f"w{uuid.uuid4().hex}"
        if self.state(who) == "active":
            told = None if mention == "other" else mention
            self.said[word] = self.talk.say(who, word, mentions=told)["seq"]

    @rule(days=st.integers(1, 5))
    def days_pass(self, days: int) -> None:
        self.note_days()
        self.days.go_on(days)

    @rule(n=st.integers(0, 2), words=st.integers(1, 3))
    def all_that_is_unread_expires(self, n: int, words: int) -> None:
        """Said, read by nobody, and gone: what most easily leaves a badge behind."""
        for _ in range(words):
            self.say_a_word(n, "all")
        self.note_days()
        self.days.go_on(self.term + 1)
        self.all_expires()
        for who in self.members():
            head = who.head(self.talk.id)
            assert (head["unread"], head["mentions"], head["preview"]) == (0, 0, None)

    @rule()
    def floors_rise_and_no_more(self) -> None:
        self.note_days()
        floors.raise_all(Done(), now=clock.now(), pace=Pace(rest=0))
        self.check_floor()

    @rule()
    def all_expires(self) -> None:
        self.note_days()
        self.days.expire()
        self.check_floor()
        today, head = clock.now().toordinal(), self.owner.head(self.talk.id)
        assert head["backlog_from"] == max(self.before(today - OFFLINE), head["floor_seq"]) + 1

    def check_floor(self) -> None:
        floor = self.owner.head(self.talk.id)["floor_seq"]
        assert floor == self.before(clock.now().toordinal() - self.term)
        for who in self.people:
            self.check_gone(who, {word for word, seq in self.said.items() if seq <= floor})

    def check_gone(self, who: Person, words: set[str]) -> None:
        """What expired is on no route, whether its rows are gone or wait."""
        paths = ["sync?messages=20", "conversations", "accounts/export"]
        paths += [
            f"{self.talk.path}/messages?after=0&limit=200{view}" for view in ("", "&view=chat")
        ]
        paths += [f"messages/search?q={word}" for word in list(words)[-2:]]
        shown = b"".join(who.request("GET", path).content for path in paths).decode()
        assert not [word for word in words if word in shown]

    @precondition(lambda self: bool(getattr(self, "day_of", None)))
    @rule(pick=st.integers(0, 50))
    def act_on_something(self, pick: int) -> None:
        """What expired says so to those who were there; nothing answers 500."""
        seq = 1 + pick % len(self.day_of)
        path = f"{self.talk.path}/messages/{seq}/react"
        answer = self.owner.request("POST", path, {"emoji": "👍", "op": "add"})
        expired = seq <= self.owner.head(self.talk.id)["floor_seq"]
        assert (answer.status_code == 410) == expired and answer.status_code < 500

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            # However few of its rules were picked: at the end of each story it happens once.
            self.all_that_is_unread_expires(0, 2)
            self.unread_is_the_brute_force_count()
            super().teardown()
            self.stack.close()


def test_the_laws_hold_while_all_expires(database):
    Aging.people = [Person.new(f"aging{n}") for n in range(3)]
    machine = Aging.TestCase
    machine.settings = settings(
        max_examples=8,
        stateful_step_count=16,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()
