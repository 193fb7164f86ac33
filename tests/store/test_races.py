"""What one writer at a time would hide: acts that read, decide and write beside each other."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connections, transaction

from conversations import access, headview, markers, members, opening
from conversations.models import Membership
from imsite.core import clock
from messages import drafts, log
from tests.cast import PASSWORD, Person, talk_of

ROUNDS = 25


def together(*acts: Callable[[], object]) -> None:
    """Run these at the same moment, and raise what the first of them raised."""
    start, wrong = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except BaseException as error:  # handed on below
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]


class Watcher:
    """Looks at a head again and again: versions never go back, and one version is one content."""

    def __init__(self, who: Person, path: str) -> None:
        self.who, self.path = who, path
        self.seen: dict[int, dict] = {}
        self.last = 0

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            head = self.who.head(int(self.path.split("/")[1]))
            assert head["version"] >= self.last, "a head went back"
            self.last = head["version"]
            kept = self.seen.setdefault(head["version"], head)
            assert kept == head, "one version with two contents"


def test_a_name_changes_while_its_peers_send(alice, bob, carol):
    talks = [
        alice.post("conversations", {"kind": "direct", "user_id": each.id}) for each in (bob, carol)
    ]
    first, second = (talk["id"] for talk in talks)
    # Of two rows the younger belongs to the older conversation, so that both orders are not one.
    seat = Membership.objects.get(conversation_id=first, user_id=bob.id)
    seat.delete()
    seat.pk = None
    seat.save(force_insert=True)

    def rename() -> None:
        for n in range(ROUNDS):
            alice.post("accounts/me", {"display_name": f"Alice {n}"})

    def send() -> None:
        for _ in range(ROUNDS):
            sent = [_draft(first, bob.id), _draft(second, carol.id)]
            results = log.append_many(sent, now=clock.now())
            assert [type(each) for each in results] == [log.Receipt] * 2

    together(rename, send, send)


def _draft(conversation_id: int, sender_id: int) -> drafts.Draft:
    return drafts.parse(
        conversation_id, sender_id, {"client_id": str(uuid.uuid4()), "text": "hello"}
    )


def test_a_marker_moves_while_roles_change(alice, bob, carol):
    talk = talk_of(alice, bob, carol)
    for n in range(ROUNDS * 2):
        talk.say(alice, str(n))
    watcher = Watcher(bob, talk.path)
    for n in range(ROUNDS):
        role = "admin" if n % 2 == 0 else "member"
        together(
            lambda n=n: bob.post(f"{talk.path}/read", {"seq": 2 * n + 4}),
            lambda role=role: alice.post(
                f"{talk.path}/members/role", {"user_id": bob.id, "role": role}
            ),
            lambda n=n: bob.post(f"{talk.path}/settings", {"nickname": f"bob {n}"}),
            lambda: watcher.look(4),
        )
        watcher.look()
        before = watcher.last
        # Each of the three changed something that the head shows.
        assert watcher.seen[before]["membership"]["role"] == role
        assert watcher.seen[before]["membership"]["nickname"] == f"bob {n}"


def test_versions_do_not_go_back_when_a_reader_is_removed(alice, bob):
    for _ in range(ROUNDS):
        talk = talk_of(alice, bob)
        for n in range(6):
            talk.say(alice, str(n))
        top = [0]

        def read(talk=talk, top=top) -> None:
            for seq in range(2, 9):
                answer = bob.request("POST", f"{talk.path}/read", {"seq": seq})
                if answer.status_code == 200:
                    top[0] = max(top[0], answer.json()["data"]["version"])

        path, body = f"{talk.path}/members/remove", {"user_ids": [bob.id]}
        together(read, partial(alice.post, path, body))
        head = bob.head(talk.id)
        assert head["state"] == "removed" and head["version"] >= top[0]


def test_two_who_read_a_direct_conversation_at_once_both_do(alice, bob, direct):
    for n in range(ROUNDS):
        seqs = [direct.say(who, str(n))["seq"] for who in (alice, bob, alice, bob)]
        together(
            lambda seqs=seqs: alice.post(f"{direct.path}/read", {"seq": seqs[-1]}),
            lambda seqs=seqs: bob.post(f"{direct.path}/read", {"seq": seqs[-1]}),
            lambda: direct.say(alice, "meanwhile"),
            lambda: alice.post("accounts/me", {"display_name": uuid.uuid4().hex}),
        )
    for who in (alice, bob):
        assert who.head(direct.id)["read_seq"] >= seqs[-1]


def test_many_markers_of_both_at_once(alice, bob, direct):
    """Each moves two rows; taken in two orders they would wait for each other."""
    top = max(direct.say(alice, str(n))["seq"] for n in range(ROUNDS * 4))
    for seq in range(1, top):
        together(
            partial(markers.move, alice.id, direct.id, seq=seq, force=seq % 3 == 0),
            partial(markers.move, bob.id, direct.id, seq=seq, force=seq % 3 == 0),
        )


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[None]:
    """Begin the block's transaction, run this beside it, and let it end after it if it must wait."""
    thread = threading.Thread(target=lambda: together(act))
    with transaction.atomic():
        yield
        thread.start()
        # On SQLite everybody waits; on PostgreSQL this is long for whoever does not.
        thread.join(1.5)
    thread.join()


def test_an_act_adds_to_the_version_that_it_finds(alice, bob):
    talk = talk_of(alice, bob)
    before = bob.head(talk.id)["version"]
    seq = talk.say(alice, "read me")["seq"]
    with access.acting(alice.id, talk.id, now=clock.now()) as act:
        [seat] = act.seats([bob.id])
        thread = threading.Thread(
            target=together, args=[partial(bob.post, f"{talk.path}/read", {"seq": seq})]
        )
        thread.start()
        thread.join(1.5)
        act.write(seat, muted_until=None, role="admin")
    thread.join()
    head = bob.head(talk.id)
    # The send, the marker and the role.
    assert head["version"] == before + 3
    assert (head["read_seq"], head["membership"]["role"]) == (seq, "admin")


def test_a_new_name_is_not_shown_under_an_old_version(alice):
    peer, name = Person.new("renamed"), uuid.uuid4().hex
    with beside(partial(peer.post, "accounts/me", {"display_name": name})):
        conversation_id, _ = opening.direct(alice.id, peer_id=peer.id, now=clock.now())
        before = headview.one(alice.id, conversation_id)
    after = alice.head(conversation_id)
    assert before["title"] != after["title"] == name
    assert after["version"] > before["version"]


def test_nobody_is_let_in_who_is_leaving_for_good(alice):
    talk, goer = talk_of(alice), Person.new("goer")
    with beside(partial(goer.post, "accounts/delete", {"password": PASSWORD})):
        members.add(alice.id, talk.id, user_ids=[goer.id], now=clock.now())
    assert alice.head(talk.id)["member_count"] == 1


def test_a_group_is_not_made_with_somebody_who_is_leaving_for_good(alice):
    goer = Person.new("goer")
    with beside(partial(goer.post, "accounts/delete", {"password": PASSWORD})):
        wanted = opening.Group(title="Late", member_ids=(goer.id,))
        conversation_id, _ = opening.group(alice.id, wanted, now=clock.now())
    assert alice.head(conversation_id)["member_count"] == 1


def test_two_who_end_their_accounts_leave_each_others_groups(alice):
    for _ in range(6):
        one, two = Person.new("one"), Person.new("two")
        talks = [talk_of(one, two, alice), talk_of(two, one, alice), talk_of(alice, one, two)]
        together(
            lambda one=one: one.post("accounts/delete", {"password": PASSWORD}),
            lambda two=two: two.post("accounts/delete", {"password": PASSWORD}),
        )
        for talk in talks:
            head = alice.head(talk.id)
            assert (head["member_count"], head["membership"]["role"]) == (1, "owner")


def test_requests_and_invitations_of_one_person_meet(alice, bob):
    for _ in range(ROUNDS):
        talk = talk_of(alice, join="approve")
        together(
            lambda talk=talk: bob.request("POST", f"{talk.path}/join", {}),
            lambda talk=talk: bob.request("POST", f"{talk.path}/join", {}),
            lambda talk=talk: alice.post(f"{talk.path}/members/add", {"user_ids": [bob.id]}),
        )
        assert alice.get(f"{talk.path}/requests")["items"] == []
        assert alice.head(talk.id)["member_count"] == 2
