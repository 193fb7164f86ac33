"""Orders to recall under crashes, races, changed keys and purges: each entry once, or not at all."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.authority import Untouchable, Warrant
from accounts.models import AuditEntry, User
from conversations.models import Conversation
from imsite.core import clock
from imsite.core.errors import AppError, Forbidden, InvalidRequest
from messages import log, seals, tasks
from messages.drafts import parse
from messages.models import Entry, RecallOrder, Sealed, packed
from messages.moderation import orders, selection, upkeep
from messages.moderation.selection import Selection
from tests.cast import Person, Talk, talk_of
from tests.conftest import ROOT
from tests.staff import ALL, warrant


def fill(talk: Talk, who: Person, count: int, text: str = "buy my pills") -> None:
    """Have somebody say many things at once."""
    for start in range(0, count, 200):
        drafts = [
            parse(talk.id, who.id, {"client_id": str(uuid.uuid4()), "text": f"{text} {start + n}"})
            for n in range(min(200, count - start))
        ]
        found = log.append_many(drafts, now=clock.now())
        assert not [each for each in found if isinstance(each, AppError)]


def work(order_id: int) -> None:
    while orders.step(order_id, now=clock.now()):
        pass


def recalls(talk: Talk, who: Person) -> list[int]:
    """Return the targets of all recalls told in the log, in their order."""
    return [i["body"]["target"] for i in talk.all(who) if i["kind"] == "recall"]


@contextmanager
def working() -> Iterator[subprocess.Popen]:
    """Run a real worker on the session's database and valkey, in a group of its own."""
    argv = [sys.executable, "-m", "imsite.roles", "worker"]
    environment = {**os.environ, "IM_WORKERS": "1"}
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.01)


def test_a_worker_that_is_killed_recalls_each_of_two_thousand_once(valkey, alice, bob):
    """Celery's processes die in a step; what they left is taken up by those of the next worker."""
    talk = talk_of(alice, bob)
    first = alice.head(talk.id)["last_seq"] + 1
    fill(talk, bob, 2_000)
    before = alice.head(talk.id)
    actor = warrant()
    order_id = orders.place(actor, Selection(conversation_id=talk.id, sender_id=bob.id))

    def now() -> RecallOrder:
        return RecallOrder.objects.get(pk=order_id)

    tasks.ring(order_id)
    with working():
        until(lambda: now().recalled >= 2 * orders.STEP)
        # Somewhere in a step, whose transaction is lost with it.
        time.sleep(0.02)
    left = now()
    assert left.done_at is None
    assert recalls(talk, alice) == list(range(first, first + left.recalled))
    # A worker at work is not disturbed; one that is silent for a minute is followed by another.
    assert order_id not in orders.stalled(now=clock.now())
    RecallOrder.objects.filter(pk=order_id).update(touched_at=clock.now() - orders.STALLED)
    tasks.tend_moderation.apply_async()
    with working():
        until(lambda: now().done_at is not None)
    assert now().recalled == 2_000 == Sealed.objects.filter(order_id=order_id).count()
    assert recalls(talk, alice) == list(range(first, first + 2_000))
    head = alice.head(talk.id)
    assert (before["unread"], head["unread"]) == (2_000, 0)
    assert AuditEntry.objects.filter(target=f"order:{order_id}").count() == 1
    assert AuditEntry.objects.filter(actor_id=actor.actor_id).count() == 1
    assert order_id not in orders.stalled(now=clock.now() + orders.STALLED)


def test_two_workers_on_one_order_recall_each_once(alice, bob):
    talk = talk_of(alice, bob)
    fill(talk, bob, 1_000)
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    wrong = _together([partial(work, order_id)] * 3)
    assert not wrong
    targets = recalls(talk, alice)
    assert len(targets) == len(set(targets)) == 1_000
    assert RecallOrder.objects.get(pk=order_id).recalled == 1_000


def _together(acts: list) -> list[BaseException]:
    wrong: list[BaseException] = []

    def run(act) -> None:
        try:
            act()
        except BaseException as error:
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def test_recalls_edits_undoing_and_readers_at_once_leave_the_counts_exact(alice, bob):
    talk = talk_of(alice, bob)
    for _ in range(3):
        fill(talk, bob, 60)
        seqs = [i["seq"] for i in talk.all(alice) if not i.get("event") and "text" in i]
        order_id = orders.place(warrant(), Selection(conversation_id=talk.id))

        def by_owner(seqs=seqs) -> None:
            for seq in seqs[::3]:
                alice.post(f"{talk.path}/messages/{seq}/recall")

        def edits(seqs=seqs) -> None:
            for seq in seqs[::4]:
                bob.request("POST", f"{talk.path}/messages/{seq}/edit", {"text": "better"})

        def there_and_back(order_id=order_id) -> None:
            work(order_id)
            orders.undo(warrant(), order_id)
            work(order_id)

        def reads() -> None:
            for seq in range(0, 200, 5):
                alice.post(f"{talk.path}/read", {"seq": seq, "force": seq % 2 == 0})

        assert not _together([by_owner, edits, there_and_back, reads])
        _exact(talk, alice, gone=set(seqs[::3]))


def _exact(talk: Talk, who: Person, *, gone: set[int]) -> None:
    items = [i for i in talk.all(who) if not i.get("event")]
    head = who.head(talk.id)
    unread = [
        i
        for i in items
        if i["seq"] > head["read_seq"] and i["sender_id"] != who.id and "recalled_at" not in i
    ]
    assert head["unread"] == len(unread)
    # What the owner took, before or after moderators did, is gone for good.
    assert not [i for i in items if i["seq"] in gone and "recalled_at" not in i]
    shown = items[-1].get("text")
    assert head["preview"]["text"] == shown


def test_an_undo_stops_an_order_that_still_runs(alice, bob):
    talk = talk_of(alice, bob)
    fill(talk, bob, 3 * orders.STEP)
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    assert orders.step(order_id, now=clock.now())
    orders.undo(warrant(), order_id)
    work(order_id)
    order = RecallOrder.objects.get(pk=order_id)
    assert (order.recalled, order.restored) == (orders.STEP, orders.STEP)
    assert all("text" in i for i in talk.all(alice) if not i.get("event"))
    with pytest.raises(orders.UndoneAlready):
        orders.undo(warrant(), order_id)


def test_an_undo_needs_the_permission_by_which_it_was_recalled(alice, bob, talk):
    seq = talk.say(bob, "one")["seq"]
    one = orders.recall_one(warrant(), talk.id, seq)
    talk.say(bob, "many")
    many = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(many)
    for order_id, permission in ((one, orders.ONE), (many, orders.MANY)):
        with pytest.raises(Forbidden):
            orders.undo(warrant(*(each for each in ALL if each != permission)), order_id)
        with pytest.raises(InvalidRequest):
            orders.undo(warrant(permission, reason=" "), order_id)
        assert RecallOrder.objects.get(pk=order_id).undone_at is None
        orders.undo(warrant(permission), order_id)
        work(order_id)
    assert [i["text"] for i in talk.all(alice) if "text" in i] == ["one", "many"]


def test_nobody_puts_back_what_he_or_a_colleague_wrote(alice, bob, talk):
    """Neither by himself nor by the hand of another moderator; whoever may act on them can."""
    talk.say(bob, "from before I was staff")
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    User.objects.filter(pk=bob.id).update(is_staff=True, is_superuser=True)
    himself = Warrant(actor_id=bob.id, reason="mine", address="::1", now=clock.now())
    for act in (himself, warrant()):
        with pytest.raises(Untouchable):
            orders.undo(act, order_id)
    assert not [i for i in talk.all(alice) if "text" in i]
    orders.undo(warrant(superuser=True), order_id)


def test_an_undo_is_on_record_with_who_did_it_and_what_stood_before(alice, bob, talk):
    for text in ("one", "two"):
        talk.say(bob, text)
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    act = warrant(reason="it was satire")
    orders.undo(act, order_id)
    work(order_id)
    order = RecallOrder.objects.get(pk=order_id)
    assert (order.undone_by_id, order.undone_at) == (act.actor_id, act.now)
    assert (order.recalled, order.restored) == (2, 2)
    [written] = AuditEntry.objects.filter(actor_id=act.actor_id)
    assert (written.act, written.target) == ("messages.restore", f"order:{order_id}")
    assert (written.reason, written.before) == ("it was satire", '{"recalled":2}')


def test_an_undo_that_nobody_carries_out_is_taken_up(alice, bob):
    """And goes on in steps, each of which counts."""
    talk = talk_of(alice, bob)
    fill(talk, bob, orders.STEP + 50)
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    orders.undo(warrant(), order_id)
    assert orders.step(order_id, now=clock.now())
    assert order_id in orders.stalled(now=clock.now() + orders.STALLED)
    assert not orders.step(order_id, now=clock.now())
    assert RecallOrder.objects.get(pk=order_id).restored == orders.STEP + 50
    assert order_id not in orders.stalled(now=clock.now() + orders.STALLED)
    # Done is done: one step more tells nobody anything.
    before, settled = alice.head(talk.id), RecallOrder.objects.get(pk=order_id).settled_at
    assert not orders.step(order_id, now=clock.now())
    assert alice.head(talk.id) == before
    assert RecallOrder.objects.get(pk=order_id).settled_at == settled


def test_a_dissolved_log_gets_its_contents_back_without_a_word(alice, bob, talk):
    talk.say(bob, "in the archive")
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    alice.post(f"{talk.path}/dissolve")
    before = Entry.objects.filter(conversation_id=talk.id).count()
    orders.undo(warrant(), order_id)
    work(order_id)
    assert Entry.objects.filter(conversation_id=talk.id).count() == before
    assert [m["text"] for m in bob.get("accounts/export")["messages"]] == ["in the archive"]


def test_what_was_sent_after_the_order_is_left_alone(alice, bob, talk):
    talk.say(bob, "before")
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    time.sleep(0.005)
    seq = talk.say(bob, "after")["seq"]
    work(order_id)
    assert [i["seq"] for i in talk.all(alice) if "text" in i] == [seq]


def test_a_person_is_recalled_wherever_they_were_between_two_times(alice, bob):
    talks = [talk_of(alice, bob) for _ in range(3)]
    for talk in talks:
        talk.say(bob, "early")
    time.sleep(0.005)
    since = clock.now()
    seqs = {talk.id: talk.say(bob, "meant")["seq"] for talk in talks}
    bob.post(f"{talks[0].path}/leave")
    until = clock.now()
    time.sleep(0.005)
    talks[1].say(bob, "late")
    talks[1].say(alice, "another's")
    chosen = Selection(sender_id=bob.id, since=since, until=until)
    seen = orders.look(warrant(), chosen)
    assert (seen.count, seen.more, seen.people, seen.conversations) == (3, False, 1, 3)
    assert [(i["conversation_id"], i["text"]) for i in seen.sample] == [
        (talk.id, "meant") for talk in talks
    ]
    work(orders.place(warrant(), chosen))
    for talk in talks:
        gone = {i["seq"] for i in talk.all(alice) if "recalled_at" in i}
        assert gone == {seqs[talk.id]}


def test_a_phrase_is_found_everywhere_whole_and_in_order(alice, bob, talk, direct):
    one, two = uuid.uuid4().hex, uuid.uuid4().hex
    for text in (
        f"{one} {two}",
        f"look: {one.upper()}, {two}!",
        f"{two} {one}",
        f"{one} and {two}",
    ):
        talk.say(bob, text)
        direct.say(bob, text)
    seen = orders.look(warrant(), Selection(phrase=f"{one} {two}"))
    assert (seen.count, seen.conversations) == (4, 2)


def test_a_preview_is_bounded_and_says_so(alice, bob, monkeypatch):
    talk = talk_of(alice, bob)
    fill(talk, bob, 100)
    monkeypatch.setattr(selection, "PREVIEW_MOST", 60)
    seen = orders.look(warrant(), Selection(conversation_id=talk.id))
    assert (seen.count, seen.more) == (60, True)
    assert len(seen.sample) == 20


@pytest.mark.parametrize(
    "chosen",
    [Selection(), Selection(since=clock.now()), Selection(phrase="!?", sender_id=1)],
    ids=["nothing", "a time alone", "no word"],
)
def test_a_selection_of_the_whole_site_is_refused(chosen):
    for act in (orders.look, orders.place):
        with pytest.raises(InvalidRequest):
            act(warrant(), chosen)


def test_nothing_comes_back_after_its_time(alice, bob, talk):
    talk.say(bob, "gone")
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    late = clock.now() + timedelta(days=settings.IM_UNDO_DAYS, minutes=1)
    assert seals.held(order_id, most=1, now=late) == []
    Sealed.objects.filter(order_id=order_id).update(until=clock.now())
    with pytest.raises(orders.NothingToUndo):
        orders.undo(warrant(), order_id)
    upkeep.tend(now=clock.now())
    assert not Sealed.objects.filter(order_id=order_id).exists()


def test_nothing_comes_back_from_below_the_floor(alice, bob, talk):
    below = talk.say(bob, "purged")["seq"]
    seq = talk.say(bob, "kept")["seq"]
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    Conversation.objects.filter(pk=talk.id).update(floor_seq=seq - 1)
    orders.undo(warrant(), order_id)
    work(order_id)
    assert [i["text"] for i in talk.all(alice) if "text" in i] == ["kept"]
    # Nor where nobody of the talk could read it: rows below may stand until they are purged.
    assert "purged" not in Entry.objects.get(pk=packed(talk.id, below)).wire
    assert [i["body"] for i in talk.all(alice) if i["kind"] == "edit"] == [{"target": seq}]
    assert not Sealed.objects.filter(order_id=order_id).exists()


def test_a_purge_takes_the_seals_too(alice, bob, talk):
    seq = talk.say(bob, "purged")["seq"]
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    Conversation.objects.filter(pk=talk.id).update(floor_seq=seq)
    seals.sweep(now=clock.now())
    assert not Sealed.objects.filter(order_id=order_id).exists()


def test_a_seal_opens_with_an_old_key_that_is_listed_and_with_no_other(alice, bob, talk, settings):
    seq = talk.say(bob, "under the old key")["seq"]
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    key, old = (talk.id << 32) + seq, settings.SECRET_KEY
    settings.SECRET_KEY = "another key, as long as it has to be, and then some"
    assert seals.contents([key]) == {}
    settings.SECRET_KEY_FALLBACKS = [old]
    assert b"under the old key" in seals.contents([key])[key]


def test_a_seal_opens_for_no_other_entry(alice, bob, talk):
    seqs = [talk.say(bob, text)["seq"] for text in ("one", "two")]
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    one, two = ((talk.id << 32) + seq for seq in seqs)
    stolen = Sealed.objects.get(pk=one).content
    Sealed.objects.filter(pk=two).update(content=stolen)
    assert seals.contents([one, two]).keys() == {one}


def test_a_dissolved_log_is_recalled_without_a_word(alice, bob, talk):
    seq = talk.say(bob, "in the archive")["seq"]
    alice.post(f"{talk.path}/dissolve")
    before = alice.head(talk.id)
    order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
    work(order_id)
    assert alice.head(talk.id) == before
    exported = [m for m in bob.get("accounts/export")["messages"] if m["seq"] == seq]
    assert [m for m in exported if m["conversation_id"] == talk.id and "text" in m] == []


def test_a_step_costs_the_same_whatever_it_holds(alice, bob):
    costs = set()
    for size in (20, 150):
        talk = talk_of(alice, bob)
        fill(talk, bob, size)
        order_id = orders.place(warrant(), Selection(conversation_id=talk.id))
        with CaptureQueriesContext(connection) as captured:
            orders.step(order_id, now=clock.now())
        costs.add(len(captured))
    assert len(costs) == 1 and max(costs) <= 25
