"""Whatever moderators recall and put back, counts, pages, search and previews are those of the log."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from conversations.models import Mention
from imsite.core import clock
from messages.models import Reaction, Sealed
from messages.moderation import orders
from messages.moderation.selection import Selection
from tests.cast import Person, talk_of
from tests.staff import member_of_staff, warrant

WORDS = ["alpha", "beta", "gamma delta"]


def work(order_id: int) -> None:
    """Do all there is to do of an order."""
    while orders.step(order_id, now=clock.now()):
        pass


class Desk(RuleBasedStateMachine):
    """A group of two and a moderator: what is shown is compared with a model of what was said."""

    people: list[Person] = []
    moderator = None

    @initialize()
    def open(self) -> None:
        self.owner, self.other = self.people
        self.talk = talk_of(self.owner, self.other, history="all")
        self.items: dict[int, dict] = {}
        self.gone: set[int] = set()
        # What each order took, and cannot be undone twice.
        self.orders: dict[int, set[int]] = {}
        self.final: set[int] = set()
        for n, word in enumerate(WORDS):
            self.say(n % 2, word, told=True)
            self.react(n, 1 - n % 2)

    def own(self, seq: int) -> Person:
        return next(p for p in self.people if p.id == self.items[seq]["sender_id"])

    def pick(self, n: int) -> int | None:
        return sorted(self.items)[n % len(self.items)] if self.items else None

    def pull(self, seq: int) -> dict:
        [item] = self.talk.page(self.owner, f"?around={seq}&limit=1")["items"]
        return item

    @rule(n=st.integers(0, 1), word=st.sampled_from(WORDS), told=st.booleans())
    def say(self, n: int, word: str, told: bool) -> None:
        who, peer = self.people[n], self.people[1 - n]
        mentions = [peer.id] if told else None
        seq = self.talk.say(who, f"{word} said", mentions=mentions)["seq"]
        self.items[seq] = self.pull(seq)

    @rule(pick=st.integers(0, 30), n=st.integers(0, 1))
    def react(self, pick: int, n: int) -> None:
        seq = self.pick(pick)
        if seq and seq not in self.gone:
            self.people[n].post(
                f"{self.talk.path}/messages/{seq}/react", {"emoji": "👍", "op": "add"}
            )
            self.items[seq] = self.pull(seq)

    @rule(pick=st.integers(0, 30), word=st.sampled_from(WORDS))
    def edit(self, pick: int, word: str) -> None:
        seq = self.pick(pick)
        if seq and seq not in self.gone:
            body = {"text": f"{word} edited"}
            self.own(seq).post(f"{self.talk.path}/messages/{seq}/edit", body)
            self.items[seq] = self.pull(seq)

    @rule(pick=st.integers(0, 30), rarely=st.integers(0, 4))
    def recall_own(self, pick: int, rarely: int) -> None:
        """By its sender it is final, even if moderators had taken it before."""
        if not rarely and (seq := self.pick(pick)):
            self.own(seq).post(f"{self.talk.path}/messages/{seq}/recall")
            self.gone.add(seq)
            self.final.add(seq)

    @precondition(lambda self: self.gone < self.items.keys())
    @rule(who=st.sampled_from([None, 0, 1]), word=st.sampled_from([None, None, *WORDS]))
    def recall(self, who: int | None, word: str | None) -> None:
        sender = None if who is None else self.people[who].id
        chosen = Selection(conversation_id=self.talk.id, sender_id=sender, phrase=word)
        expected = {
            seq
            for seq, item in self.items.items()
            if seq not in self.gone
            and sender in (None, item["sender_id"])
            and (word is None or word in item["text"])
        }
        if not expected:
            with pytest.raises(orders.NothingSelected):
                orders.place(warrant(actor=self.moderator), chosen)
            return
        assert orders.look(warrant(actor=self.moderator), chosen).count == len(expected)
        order_id = orders.place(warrant(actor=self.moderator), chosen)
        work(order_id)
        self.gone |= expected
        self.orders[order_id] = expected

    @precondition(lambda self: self.orders)
    @rule(pick=st.integers(0, 9))
    def undo(self, pick: int) -> None:
        order_id = sorted(self.orders)[pick % len(self.orders)]
        back = self.orders[order_id] - self.final
        if not back:
            with pytest.raises(orders.NothingToUndo):
                orders.undo(warrant(actor=self.moderator), order_id)
            return
        del self.orders[order_id]
        orders.undo(warrant(actor=self.moderator), order_id)
        work(order_id)
        self.gone -= back

    @rule(n=st.integers(0, 1), seq=st.integers(0, 60), force=st.booleans())
    def read(self, n: int, seq: int, force: bool) -> None:
        self.people[n].post(f"{self.talk.path}/read", {"seq": seq, "force": force})

    @invariant()
    def everything_shows_what_was_said_and_not_taken(self) -> None:
        if not hasattr(self, "talk"):
            return
        log = {item["seq"]: item for item in self.talk.all(self.owner)}
        for seq, said in self.items.items():
            self.check_item(log[seq], said)
        for word in WORDS:
            path = f"messages/search?q={word.replace(' ', '%20')}&conversation_id={self.talk.id}"
            found = {item["seq"] for item in self.owner.get(path)["items"]}
            assert found == {
                s for s in self.items if s not in self.gone and word in self.items[s]["text"]
            }
        for who in self.people:
            self.check_head(who)

    def check_item(self, found: dict, said: dict) -> None:
        if said["seq"] not in self.gone:
            assert found == said
            return
        kept = {"seq", "ordinal", "kind", "sender_id", "client_id", "sent_at"}
        assert found.keys() == kept | {"recalled_at", "recalled_by"}

    def check_head(self, who: Person) -> None:
        head = who.head(self.talk.id)
        unread = [
            item
            for seq, item in self.items.items()
            if seq > head["read_seq"] and item["sender_id"] != who.id and seq not in self.gone
        ]
        assert head["unread"] == len(unread)
        assert head["mentions"] == sum(who.id in item.get("mentions", []) for item in unread)
        if self.items:
            newest = max(self.items)
            shown = None if newest in self.gone else self.items[newest]["text"]
            assert head["preview"] and head["preview"]["text"] == shown

    def teardown(self) -> None:
        """Nothing derived is left of what is gone, and no seal of what came back or is final."""
        if not hasattr(self, "talk"):
            return
        gone, here = list(self.gone), {"conversation_id": self.talk.id}
        assert not Mention.objects.filter(**here, seq__in=gone).exists()
        assert not Reaction.objects.filter(**here, seq__in=gone).exists()
        for seq, item in self.items.items():
            rows = Reaction.objects.filter(**here, seq=seq).order_by("id")
            shown = [] if seq in self.gone else item.get("reactions", {}).get("👍", [])
            assert list(rows.values_list("user_id", flat=True)) == shown
        ids = {(self.talk.id << 32) + seq: seq for seq in self.items}
        sealed = Sealed.objects.filter(pk__in=ids).values_list("pk", flat=True)
        assert {ids[each] for each in sealed} == self.gone - self.final


@pytest.fixture(scope="module")
def cast(database) -> None:
    Desk.people = [Person.new(f"desk{n}") for n in range(2)]
    Desk.moderator = member_of_staff("messagelog.recall_many")


def test_the_laws_hold_whatever_is_taken_and_put_back(cast):
    machine = Desk.TestCase
    machine.settings = settings(
        max_examples=20,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()
