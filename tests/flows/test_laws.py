"""The laws of counting and syncing, under whatever people do (Hypothesis drives the public API)."""

import uuid

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.cast import Person, Talk, talk_of

MENTIONS = st.sampled_from([None, "all", "other"])


@pytest.fixture(scope="module")
def people(database) -> list[Person]:
    return [Person.new(f"law{n}") for n in range(3)]


class World(RuleBasedStateMachine):
    """A group, a direct conversation, three people: each holds a chain of sync cursors."""

    people: list[Person] = []

    @initialize(history=st.sampled_from(["since_join", "all"]))
    def open(self, history: str) -> None:
        self.begin(history)

    def begin(self, history: str) -> None:
        self.owner, self.other, self.third = self.people
        self.talk = talk_of(self.owner, self.other, history=history, join="open")
        head = self.owner.post("conversations", {"kind": "direct", "user_id": self.other.id})
        self.direct = Talk(head["id"], self.owner)
        self.held: dict[int, dict[int, dict]] = {}
        self.cursors: dict[int, str] = {}
        for person in self.people:
            self.held[person.id], self.cursors[person.id] = person.sync_all()
        self.sent: list[tuple[Person, int]] = []

    def members(self) -> list[Person]:
        return [each for each in self.people if self.state(each) == "active"]

    def state(self, who: Person) -> str:
        answer = who.request("GET", self.talk.path)
        return answer.json()["data"]["state"] if answer.status_code == 200 else "none"

    @rule(n=st.integers(0, 2), mention=MENTIONS, count=st.integers(1, 3))
    def say(self, n: int, mention: str | None, count: int) -> None:
        who = self.people[n]
        if self.state(who) != "active":
            return
        others = [each.id for each in self.members() if each is not who]
        told = others[:1] if mention == "other" else mention
        for _ in range(count):
            receipt = self.talk.say(who, "hi", mentions=told)
            self.sent.append((who, receipt["seq"]))

    @rule(n=st.integers(0, 1))
    def whisper(self, n: int) -> None:
        self.direct.say(self.people[n], "psst")

    @rule(pick=st.integers(0, 50), by_owner=st.booleans())
    def recall(self, pick: int, by_owner: bool) -> None:
        if self.sent:
            who, seq = self.sent[pick % len(self.sent)]
            actor = self.owner if by_owner else who
            actor.request("POST", f"{self.talk.path}/messages/{seq}/recall", {})

    @rule(pick=st.integers(0, 50), mention=MENTIONS)
    def edit(self, pick: int, mention: str | None) -> None:
        if self.sent:
            who, seq = self.sent[pick % len(self.sent)]
            told = [self.other.id] if mention == "other" else mention
            body = {"text": "better", "mentions": told}
            who.request("POST", f"{self.talk.path}/messages/{seq}/edit", body)

    @rule(n=st.integers(0, 2), seq=st.integers(0, 40), force=st.booleans())
    def read(self, n: int, seq: int, force: bool) -> None:
        body = {"seq": seq, "force": force}
        self.people[n].request("POST", f"{self.talk.path}/read", body)

    @rule(n=st.integers(0, 1), seq=st.integers(0, 9), force=st.booleans())
    def read_direct(self, n: int, seq: int, force: bool) -> None:
        self.people[n].post(f"{self.direct.path}/read", {"seq": seq, "force": force})

    @rule(n=st.integers(1, 2))
    def leave(self, n: int) -> None:
        self.people[n].request("POST", f"{self.talk.path}/leave", {})

    @rule(n=st.integers(1, 2))
    def remove(self, n: int) -> None:
        body = {"user_ids": [self.people[n].id]}
        self.owner.request("POST", f"{self.talk.path}/members/remove", body)

    @rule(n=st.integers(1, 2))
    def join(self, n: int) -> None:
        self.people[n].request("POST", f"{self.talk.path}/join", {})

    @rule(history=st.sampled_from(["since_join", "all"]))
    def open_history(self, history: str) -> None:
        self.owner.post(f"{self.talk.path}/update", {"history": history})

    @rule(n=st.integers(0, 2), limit=st.integers(1, 3))
    def poll(self, n: int, limit: int) -> None:
        """One poll, perhaps in the middle of a pass: the chain goes on from there."""
        who = self.people[n]
        answer = who.get(f"sync?cursor={self.cursors[who.id]}&limit={limit}")
        self.apply(who, answer["items"])
        self.cursors[who.id] = answer["cursor"]
        assert answer["unread_total"] == who.get("sync")["unread_total"]

    def apply(self, who: Person, heads: list[dict]) -> None:
        for head in heads:
            kept = self.held[who.id].get(head["id"])
            if kept and kept["version"] == head["version"]:
                assert kept == head, "one version is one content"
            if not kept or head["version"] >= kept["version"]:
                self.held[who.id][head["id"]] = head

    @invariant()
    def unread_is_the_brute_force_count(self) -> None:
        if not hasattr(self, "talk"):
            return
        for who in self.members():
            self.check_counts(who, self.talk)
        for who in (self.owner, self.other):
            self.check_counts(who, self.direct)

    def check_counts(self, who: Person, talk: Talk) -> None:
        head = who.head(talk.id)
        items = talk.all(who, limit=7)
        seqs = list(range(head["floor_seq"] + 1, head["last_seq"] + 1))
        assert [item["seq"] for item in items] == seqs, "dense, from the floor to the head"
        countable = [item for item in items if not item.get("event")]
        unread = [
            item
            for item in countable
            if item["seq"] > head["read_seq"]
            and item["sender_id"] != who.id
            and "recalled_at" not in item
        ]
        told = [i for i in unread if i.get("mentions") == "all" or who.id in i.get("mentions", [])]
        assert head["unread"] == len(unread)
        assert head["mentions"] == len(told)
        newest = countable[-1] if countable else None
        assert (head["preview"] and head["preview"]["seq"]) == (newest and newest["seq"])
        if newest:
            assert head["preview"]["text"] == newest.get("text")

    def teardown(self) -> None:
        if not hasattr(self, "talk"):
            return
        for who in self.people:
            while True:
                answer = who.get(f"sync?cursor={self.cursors[who.id]}&limit=2")
                self.apply(who, answer["items"])
                self.cursors[who.id] = answer["cursor"]
                if not answer["more"]:
                    break
            fresh, _ = who.sync_all()
            held = {k: v for k, v in self.held[who.id].items() if v["state"] == "active"}
            assert held == fresh, "a chain of cursors ends where a fresh sync does"
            total = sum(head["unread"] for head in fresh.values())
            assert who.get("sync")["unread_total"] == total


def test_the_laws_hold(people):
    World.people = people
    machine = World.TestCase
    machine.settings = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("view", ["log", "chat"])
def test_paging_equals_reading_all(talk, alice, bob, limit, view):
    for n in range(7):
        receipt = talk.say(alice, f"message {n}")
        if n % 2:
            path = f"{talk.path}/messages/{receipt['seq']}/react"
            bob.post(path, {"emoji": "👍", "op": "add"})
    everything = talk.page(bob, f"?after=0&limit=200&view={view}")["items"]
    assert talk.all(bob, limit, view) == everything
    backward, before = [], 10**6
    while True:
        page = talk.page(bob, f"?before={before}&limit={limit}&view={view}")
        backward = page["items"] + backward
        before = page["from_seq"]
        if not page["has_before"]:
            break
    assert backward == everything


def test_a_retry_is_the_first_answer(talk, alice):
    message = {"client_id": str(uuid.uuid4()), "text": "once"}
    first = alice.post(f"{talk.path}/messages", message)
    again = alice.post(
        f"{talk.path}/messages", message | {"client_id": message["client_id"].upper()}
    )
    assert again == first | {"duplicate": True}
    assert alice.refused("POST", f"{talk.path}/messages", message | {"text": "twice"}) == (
        "client_id_conflict"
    )
