"""Every act of moderators reaches two clients by sync alone, under the herald's name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import bans, herald
from accounts.authority import Untouchable
from accounts.models import AuditEntry
from conversations import stewardship
from imsite.core import clock
from imsite.core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from messages.models import Case
from messages.moderation import cases, orders
from messages.moderation.cases import Outcome
from messages.moderation.selection import Selection
from tests.cast import PASSWORD, Person, Talk, talk_of
from tests.staff import ALL, member_of_staff, warrant


class Copy:
    """A client that knows only what sync and the log told it."""

    def __init__(self, who: Person) -> None:
        self.who = who
        self.heads, self.cursor = who.sync_all()
        self.items: dict[int, dict[int, dict]] = {}
        self.follow()

    def follow(self) -> None:
        """Sync, pull what is new, and fetch again what changed."""
        fresh, self.cursor = self.who.sync_all(self.cursor)
        self.heads |= fresh
        for head in self.heads.values():
            if head["state"] == "active":
                self._pull(head)

    def _pull(self, head: dict) -> None:
        held = self.items.setdefault(head["id"], {})
        path = f"conversations/{head['id']}/messages"
        while (after := max(held, default=head["floor_seq"])) < head["last_seq"]:
            for item in self.who.get(f"{path}?after={after}&limit=200")["items"]:
                held[item["seq"]] = item
                target = item.get("body", {}).get("target")
                if target in held:
                    [again] = self.who.get(f"{path}?around={target}&limit=1")["items"]
                    held[target] = again

    def head(self, talk: Talk) -> dict:
        return self.heads[talk.id]

    def item(self, talk: Talk, seq: int) -> dict:
        return self.items[talk.id][seq]


@pytest.fixture
def site(database) -> int:
    return herald.user_id(now=clock.now())


def work(order_id: int) -> None:
    while orders.step(order_id, now=clock.now()):
        pass


def test_a_recall_and_its_undo_reach_both(alice, bob, talk, site):
    seqs = [talk.say(bob, f"spam {n}", mentions=[alice.id])["seq"] for n in range(3)]
    copies = [Copy(alice), Copy(bob)]
    before = [dict(copy.items[talk.id]) for copy in copies]
    counts = (copies[0].head(talk)["unread"], copies[0].head(talk)["mentions"])
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id, sender_id=bob.id))
    work(order_id)
    for copy in copies:
        copy.follow()
        for seq in seqs:
            assert "text" not in copy.item(talk, seq)
            assert copy.item(talk, seq)["recalled_by"] == site
        assert copy.head(talk)["preview"]["text"] is None
    assert (copies[0].head(talk)["unread"], copies[0].head(talk)["mentions"]) == (0, 0)
    orders.undo(warrant(), order_id)
    work(order_id)
    for copy, held in zip(copies, before, strict=True):
        copy.follow()
        assert {seq: copy.item(talk, seq) for seq in held} == held
        told = [i for seq, i in copy.items[talk.id].items() if seq not in held]
        assert [i["kind"] for i in told] == ["recall"] * 3 + ["edit"] * 3
        assert {i["sender_id"] for i in told} == {site}
    assert (copies[0].head(talk)["unread"], copies[0].head(talk)["mentions"]) == counts == (3, 3)


def test_a_freeze_stops_all_writing_and_shows_in_the_head(alice, bob, talk, carol):
    seq = talk.say(alice, "before")["seq"]
    copies = [Copy(alice), Copy(bob)]
    stewardship.freeze(warrant(), talk.id)
    message = {"client_id": "00000000-0000-4000-8000-000000000001", "text": "hello"}
    tries: list[tuple[Person, str, dict[str, Any]]] = [
        (alice, "messages", message),
        (bob, "messages", message),
        (alice, f"messages/{seq}/edit", {"text": "after"}),
        (bob, f"messages/{seq}/react", {"emoji": "👍", "op": "add"}),
        (alice, f"messages/{seq}/pin", {}),
        (alice, "update", {"title": "Free", "mute_all": False}),
        (alice, "members/add", {"user_ids": [carol.id]}),
    ]
    for who, path, body in tries:
        assert who.refused("POST", f"{talk.path}/{path}", body) == "muted", path
    for copy in copies:
        copy.follow()
        assert copy.head(talk)["settings"]["mute_all"] is True
    alice.post(f"{talk.path}/messages/{seq}/recall")
    bob.post(f"{talk.path}/leave")
    stewardship.thaw(warrant(), talk.id)
    talk.say(alice, "after")
    copies[0].follow()
    assert copies[0].head(talk)["settings"]["mute_all"] is False


def test_a_direct_conversation_can_be_frozen_and_its_people_muted(alice, bob, direct):
    stewardship.freeze(warrant(), direct.id)
    assert alice.head(direct.id)["settings"]["mute_all"] is True
    message = {"client_id": "00000000-0000-4000-8000-000000000001", "text": "hello"}
    assert bob.refused("POST", f"{direct.path}/messages", message) == "muted"
    stewardship.thaw(warrant(), direct.id)
    until = clock.now() + timedelta(minutes=5)
    stewardship.mute(warrant(), direct.id, target_id=bob.id, until=until)
    answer = bob.request("POST", f"{direct.path}/messages", message).json()
    assert (answer["error"], answer["data"]) == ("muted", {"until": clock.wire(until)})
    direct.say(alice, "I may")
    stewardship.unmute(warrant(), direct.id, target_id=bob.id)
    direct.say(bob, "I may too")


def test_a_group_that_is_dissolved_ends_for_both(alice, bob, talk, site):
    copies = [Copy(alice), Copy(bob)]
    stewardship.dissolve(warrant(), talk.id)
    for copy in copies:
        copy.follow()
        assert copy.head(talk)["state"] == "dissolved"
        assert copy.who.refused("GET", f"{talk.path}/messages") == "not_found"
    with pytest.raises(NotFound):
        stewardship.dissolve(warrant(), talk.id)


def test_a_handed_over_group_has_one_owner(alice, bob, talk, site):
    copies = [Copy(alice), Copy(bob)]
    stewardship.hand_over(warrant(), talk.id, target_id=bob.id)
    for copy in copies:
        copy.follow()
    assert [copy.head(talk)["membership"]["role"] for copy in copies] == ["admin", "owner"]
    newest = [copies[0].items[talk.id][seq] for seq in sorted(copies[0].items[talk.id])][-2:]
    assert [item["body"] for item in newest] == [
        {"user_id": alice.id, "role": "admin", "by": site},
        {"user_id": bob.id, "role": "owner", "by": site},
    ]
    with pytest.raises(Conflict):
        stewardship.hand_over(warrant(), talk.id, target_id=bob.id)


def _reported(reporter: Person, sender: Person, talk: Talk) -> Case:
    seq = talk.say(sender, "bad words")["seq"]
    reporter.post(f"{talk.path}/messages/{seq}/report", {"reason": "abuse"})
    return Case.objects.get(conversation_id=talk.id, seq=seq, closed_at=None)


@pytest.mark.parametrize(
    ("outcome", "shows"),
    [
        (Outcome(name="dismiss"), lambda copy, talk, seq: copy.item(talk, seq)["text"]),
        (Outcome(name="recall"), lambda copy, talk, seq: "text" not in copy.item(talk, seq)),
        (Outcome(name="dissolve"), lambda copy, talk, seq: copy.head(talk)["state"] == "dissolved"),
    ],
    ids=["dismiss", "recall", "dissolve"],
)
def test_an_outcome_reaches_both_and_the_reporter_hears_of_it(
    alice, bob, talk, outcome: Outcome, shows: Callable[..., Any]
):
    case = _reported(alice, bob, talk)
    copies = [Copy(alice), Copy(bob)]
    cases.close(warrant(), case.pk, outcome)
    for copy in copies:
        copy.follow()
        assert shows(copy, talk, case.seq)
    assert _letters(copies[0]) and not _letters(copies[1])


def _letters(copy: Copy) -> list[str]:
    found = [h for h in copy.heads.values() if h["kind"] == "direct" and h["title"] == "System"]
    return [item["text"] for head in found for item in copy.items[head["id"]].values()]


def test_a_warning_is_a_direct_message_that_counts(alice, bob, talk):
    case = _reported(alice, bob, talk)
    copy = Copy(bob)
    cases.close(warrant(), case.pk, Outcome(name="warn", words="Mind your words."))
    copy.follow()
    assert _letters(copy) == ["Mind your words."]
    [head] = [h for h in copy.heads.values() if h["title"] == "System"]
    assert head["unread"] == 1 and head["membership"]["role"] == "member"
    # The bot's conversation is like any other: it is read, and one may answer into the void.
    bob.post(f"conversations/{head['id']}/read", {"seq": head["last_seq"]})
    Talk(head["id"], bob).say(bob, "sorry")
    assert bob.head(head["id"])["unread"] == 0


def test_a_mute_and_a_ban_as_outcomes(alice, bob, talk):
    case = _reported(alice, bob, talk)
    cases.close(warrant(), case.pk, Outcome(name="mute", seconds=60))
    message = {"client_id": "00000000-0000-4000-8000-000000000001", "text": "hello"}
    assert bob.refused("POST", f"{talk.path}/messages", message) == "muted"
    stewardship.unmute(warrant(), talk.id, target_id=bob.id)
    case = _reported(alice, bob, talk)
    cases.close(warrant(reason="twice"), case.pk, Outcome(name="ban"))
    answer = bob.request("GET", "sync").json()
    assert answer["data"] == {"until": None, "reason": "twice"}
    body = {"username": bob.user["username"], "password": PASSWORD}
    for path, fields in (("login", body), ("token/refresh", {"refresh": bob.refresh})):
        answer = Client().post(f"/api/v1/accounts/{path}", fields, content_type="application/json")
        assert answer.json()["error"] == "banned"
    bans.unban(warrant(), bob.id)
    assert bob.get("accounts/me")["id"] == bob.id
    with pytest.raises(bans.NotBanned):
        bans.unban(warrant(), bob.id)


def test_each_act_is_one_entry_on_record_with_who_why_and_from_where(alice, bob, talk):
    for n in range(3):
        talk.say(bob, f"spam {n}")
    act = warrant(reason="a campaign")
    order_id = orders.place(act, Selection(conversation_id=talk.id))
    work(order_id)
    orders.undo(act, order_id)
    work(order_id)
    stewardship.freeze(act, talk.id)
    bans.ban(act, bob.id, until=None)
    written = AuditEntry.objects.filter(actor_id=act.actor_id).order_by("number")
    assert [(e.act, e.target) for e in written] == [
        ("messages.recall", f"order:{order_id}"),
        ("messages.restore", f"order:{order_id}"),
        ("conversation.freeze", f"conversation:{talk.id}"),
        ("user.ban", f"user:{bob.id}"),
    ]
    assert {(e.reason, e.address) for e in written} == {("a campaign", "192.0.2.7")}


def _acts(target: int, talk: Talk) -> dict[str, Callable[[Any], object]]:
    """Every act on a person, by the permission that it needs."""
    until = clock.now() + timedelta(minutes=5)
    here = {"conversation_id": talk.id, "target_id": target}
    return {
        "accounts.ban_user": lambda act: bans.ban(act, target, until=None),
        "conversations.mute_member": lambda act: stewardship.mute(act, until=until, **here),
        "conversations.hand_over_conversation": lambda act: stewardship.hand_over(act, **here),
        "conversations.freeze_conversation": lambda act: stewardship.freeze(act, talk.id),
        "conversations.dissolve_conversation": lambda act: stewardship.dissolve(act, talk.id),
        "messagelog.recall_many": lambda act: orders.place(act, Selection(sender_id=target)),
    }


@pytest.mark.parametrize("permission", sorted(_acts(0, Talk(0, None))))
def test_an_act_needs_its_own_permission_and_a_reason(alice, bob, talk, permission):
    talk.say(bob, "hello")
    act = _acts(bob.id, talk)[permission]
    others = [each for each in ALL if each != permission]
    with pytest.raises(Forbidden):
        act(warrant(*others))
    with pytest.raises(InvalidRequest):
        act(warrant(permission, reason=" "))
    banned = warrant(permission)
    bans.ban(warrant(superuser=True), banned.actor_id, until=None)
    with pytest.raises(Exception, match="banned"):
        act(banned)
    act(warrant(permission))


@pytest.mark.parametrize(
    "permission",
    ["accounts.ban_user", "conversations.mute_member", "messagelog.recall_many"],
)
def test_nobody_acts_on_himself_on_staff_or_on_the_herald(alice, talk, site, permission):
    act = warrant(permission)
    colleague = member_of_staff()
    for target in (act.actor_id, colleague.pk, site):
        _join(talk, target)
        with pytest.raises(Untouchable):
            _acts(target, talk)[permission](act)


def _join(talk: Talk, user_id: int) -> None:
    members = talk.owner.get(f"{talk.path}/members")["items"]
    if user_id not in {each["user_id"] for each in members}:
        talk.owner.post(f"{talk.path}/members/add", {"user_ids": [user_id]})


def test_an_order_spares_staff_and_the_actor(alice, bob):
    person = Person.new("guard")
    talk = talk_of(alice, bob, person)
    kept = talk.say(person, "free pills are bad for you")["seq"]
    taken = talk.say(bob, "free pills here")["seq"]
    actor = member_of_staff("messagelog.recall_many")
    type(actor).objects.filter(pk=person.id).update(is_staff=True)
    chosen = Selection(phrase="FREE  Pills", conversation_id=talk.id)
    assert orders.look(warrant(actor=actor), chosen).count == 1
    work(orders.place(warrant(actor=actor), chosen))
    items = {item["seq"]: item for item in talk.all(alice)}
    assert "text" in items[kept] and "text" not in items[taken]
    type(actor).objects.filter(pk=person.id).update(is_staff=False)
