"""Cases under many hands: one open case an entry, one moderator a case, one letter a reporter."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.db import connections

from accounts import herald
from accounts.authority import Untouchable
from accounts.models import AuditEntry
from imsite.core import clock
from imsite.core.errors import AppError, Forbidden, InvalidRequest, NotFound
from messages import flags, wire
from messages.models import Case, Letter, Report
from messages.moderation import cases, dossier, letters, upkeep
from messages.moderation.cases import Claimed, Closed, Outcome
from tests.cast import Person, talk_of
from tests.staff import member_of_staff, warrant

DISMISS = Outcome(name="dismiss")


def race(*acts: Callable[[], object]) -> list[object]:
    """Run these at the same moment and return what each gave or raised of ours."""
    start, found = threading.Barrier(len(acts)), [None] * len(acts)

    def run(n: int, act: Callable[[], object]) -> None:
        start.wait()
        try:
            found[n] = act()
        except Exception as error:
            found[n] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broken = [
        each for each in found if isinstance(each, Exception) and not isinstance(each, AppError)
    ]
    if broken:
        raise broken[0]
    return found


def report(who: Person, talk, seq: int, **more) -> int:
    return who.post(f"{talk.path}/messages/{seq}/report", {"reason": "spam", **more})["id"]


def case_of(talk, seq: int) -> Case:
    return Case.objects.get(conversation_id=talk.id, seq=seq, closed_at=None)


@pytest.fixture
def reported(alice, bob, talk) -> Case:
    """Bob's words, reported by Alice."""
    seq = talk.say(bob, "buy my pills")["seq"]
    report(alice, talk, seq)
    return case_of(talk, seq)


def test_reports_of_one_message_at_once_make_one_case(alice):
    people = [Person.new(f"witness{n}") for n in range(6)]
    talk = talk_of(alice, *people)
    for n in range(5):
        seq = talk.say(alice, f"message {n}")["seq"]
        found = race(*(partial(report, who, talk, seq) for who in people))
        assert len(set(found)) == len(people)
        assert case_of(talk, seq).reports.count() == len(people)


def test_a_report_and_the_closing_of_its_case_at_once_leave_none_behind(alice, bob, talk):
    late = Person.new("late")
    alice.post(f"{talk.path}/members/add", {"user_ids": [late.id]})
    moderator = member_of_staff(cases.HANDLE)
    for n in range(8):
        seq = talk.say(bob, f"spam {n}")["seq"]
        alice.post(f"{talk.path}/update", {"history": "all"})
        report(alice, talk, seq)
        case = case_of(talk, seq)
        act = warrant(actor=moderator)
        race(
            partial(report, late, talk, seq),
            partial(cases.close, act, case.pk, DISMISS),
        )
        standing = Report.objects.filter(conversation_id=talk.id, seq=seq, closed_at=None)
        assert all(each.case.closed_at is None for each in standing)
        assert Case.objects.filter(conversation_id=talk.id, seq=seq).count() == 1 + len(standing)


def test_of_many_who_claim_a_case_one_gets_it(reported):
    staff = [member_of_staff(cases.HANDLE) for _ in range(8)]
    now = clock.now()
    found = race(*(partial(cases.claim, each.pk, reported.pk, now=now) for each in staff))
    assert sum(isinstance(each, Claimed) for each in found) == len(staff) - 1
    [winner] = [
        each for each, got in zip(staff, found, strict=True) if not isinstance(got, Claimed)
    ]
    reported.refresh_from_db()
    assert reported.claimed_by_id == winner.pk
    others = [each for each in staff if each != winner]
    with pytest.raises(Claimed):
        cases.close(warrant(actor=others[0]), reported.pk, DISMISS)
    # A claim ends by itself, and again one gets it.
    later = now + timedelta(minutes=settings.IM_CLAIM_MINUTES)
    found = race(*(partial(cases.claim, each.pk, reported.pk, now=later) for each in others))
    assert sum(isinstance(each, Claimed) for each in found) == len(others) - 1


def test_a_claim_can_be_renewed_and_given_back(reported):
    one, two = member_of_staff(cases.HANDLE), member_of_staff(cases.HANDLE)
    until = cases.claim(one.pk, reported.pk, now=clock.now())
    assert cases.claim(one.pk, reported.pk, now=clock.now()) >= until
    cases.release(two.pk, reported.pk)
    with pytest.raises(Claimed):
        cases.claim(two.pk, reported.pk, now=clock.now())
    cases.release(one.pk, reported.pk)
    cases.claim(two.pk, reported.pk, now=clock.now())


def test_a_case_is_closed_once(reported, alice):
    acts = [warrant(actor=member_of_staff(cases.HANDLE)) for _ in range(4)]
    found = race(*(partial(cases.close, act, reported.pk, DISMISS) for act in acts))
    assert sum(isinstance(each, Closed) for each in found) == len(acts) - 1
    written = AuditEntry.objects.filter(target=f"case:{reported.pk}")
    assert [each.act for each in written] == ["report.dismiss"]
    reported.refresh_from_db()
    assert (reported.outcome, reported.reason) == ("dismiss", "spam")
    assert not Report.objects.filter(case=reported, closed_at=None).exists()
    assert len(_told(alice)) == 1


def _told(who: Person) -> list[str]:
    """Return what the herald said to somebody."""
    heads, _ = who.sync_all()
    found = []
    for head in heads.values():
        if head["kind"] == "direct" and head["title"] == "System":
            assert who.get(f"accounts/users/{head['peer_id']}")["kind"] == "bot"
            page = who.get(f"conversations/{head['id']}/messages")
            found += [item["text"] for item in page["items"]]
    return found


def test_each_reporter_is_told_once_however_often_letters_are_sent(alice):
    people = [Person.new(f"teller{n}") for n in range(4)]
    talk = talk_of(alice, *people)
    seq = talk.say(alice, "rude")["seq"]
    for who in people:
        report(who, talk, seq)
    # Letters are owed by the commit that closes the case; here its sender died right after.
    act = warrant()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cases.letters, "deliver", lambda **_: 0)
        cases.close(act, case_of(talk, seq).pk, DISMISS)
    assert all(_told(who) == [] for who in people)
    race(*[partial(letters.deliver, now=clock.now())] * 4)
    upkeep.tend(now=clock.now())
    for who in people:
        [text] = _told(who)
        assert text.startswith("Thank you for your report.")


def test_a_letter_that_cannot_be_sent_is_settled(reported, alice):
    alice.post("accounts/blocks/add", {"user_id": herald.user_id(now=clock.now())})
    cases.close(warrant(), reported.pk, DISMISS)
    upkeep.tend(now=clock.now())
    assert _told(alice) == []
    [about] = [f"report:{each.pk}" for each in Report.objects.filter(case=reported)]
    assert letters.refusals([about]) == {about: "blocked"}
    assert not Letter.objects.filter(to_id=alice.id, sent_at=None).exists()


def test_what_a_rule_flagged_becomes_a_case_and_nobody_is_told(alice, bob, talk):
    seq = talk.say(bob, "flagged words")["seq"]
    [item] = talk.page(alice, f"?around={seq}&limit=1")["items"]
    flag = flags.Flag(
        conversation_id=talk.id,
        seq=seq,
        sender_id=bob.id,
        wire=wire.encode(item),
        reason="phrases",
    )
    flags.file([flag], now=clock.now())
    upkeep.tend(now=clock.now())
    report(alice, talk, seq)
    case = case_of(talk, seq)
    assert case.accused_id == bob.id and case.reports.count() == 2
    cases.close(warrant(), case.pk, DISMISS)
    assert len(_told(alice)) == 1


def test_the_excerpt_survives_edit_and_recall(reported, bob, talk, alice):
    bob.post(f"{talk.path}/messages/{reported.seq}/edit", {"text": "flowers"})
    bob.post(f"{talk.path}/messages/{reported.seq}/recall")
    seen = dossier.one(member_of_staff(cases.HANDLE).pk, reported.pk, now=clock.now())
    assert seen.excerpt["text"] == "buy my pills"
    assert "text" not in seen.current and "recalled_at" in seen.current


def test_the_context_is_ten_before_and_ten_after(alice, bob, talk):
    for n in range(15):
        talk.say(alice, f"before {n}")
    seq = talk.say(bob, "the one")["seq"]
    for n in range(15):
        after = talk.say(alice, f"after {n}")["seq"]
        alice.post(f"{talk.path}/messages/{after}/react", {"emoji": "👍", "op": "add"})
    report(alice, talk, seq)
    seen = dossier.one(member_of_staff(cases.HANDLE).pk, case_of(talk, seq).pk, now=clock.now())
    assert [item["text"] for item in seen.before] == [f"before {n}" for n in range(5, 15)]
    assert [item["text"] for item in seen.after] == [f"after {n}" for n in range(10)]


def test_a_new_report_after_the_closing_opens_another_case_with_the_history(reported, alice, talk):
    late = Person.new("late")
    alice.post(f"{talk.path}/members/add", {"user_ids": [late.id]})
    alice.post(f"{talk.path}/update", {"history": "all"})
    cases.close(warrant(reason="not so bad"), reported.pk, DISMISS)
    first = report(alice, talk, reported.seq)
    assert not Case.objects.filter(seq=reported.seq, conversation_id=talk.id, closed_at=None)
    assert report(late, talk, reported.seq) != first
    seen = dossier.one(
        member_of_staff(cases.HANDLE).pk, case_of(talk, reported.seq).pk, now=clock.now()
    )
    assert [(each.pk, each.outcome, each.reason) for each in seen.earlier] == [
        (reported.pk, "dismiss", "not so bad")
    ]


def test_the_queue_is_read_oldest_first_in_pages(alice, bob, talk):
    for n in range(5):
        report(alice, talk, talk.say(bob, f"bad {n}")["seq"])
    moderator = member_of_staff(cases.HANDLE)
    whole, after = [], 0
    while True:
        page = dossier.queue(moderator.pk, after=after, limit=2, now=clock.now())
        whole += [each.pk for each in page.cases]
        assert all(each.report_count >= 1 for each in page.cases)
        if page.next is None:
            break
        after = page.next
    open_cases = Case.objects.filter(closed_at=None).order_by("pk")
    assert whole == list(open_cases.values_list("pk", flat=True))


@pytest.mark.parametrize("limit", [2, 50])
def test_the_queue_costs_the_same_whatever_it_holds(
    alice, bob, talk, limit, django_assert_num_queries
):
    report(alice, talk, talk.say(bob, "bad")["seq"])
    moderator = member_of_staff(superuser=True)
    with django_assert_num_queries(2):
        dossier.queue(moderator.pk, limit=limit, now=clock.now())


def test_nobody_closes_a_case_against_himself_or_against_staff(alice, bob, talk):
    """Not even to dismiss it."""
    seq = talk.say(bob, "I am staff")["seq"]
    report(alice, talk, seq)
    case = case_of(talk, seq)
    user = member_of_staff(cases.HANDLE)
    Case.objects.filter(pk=case.pk).update(accused_id=user.pk)
    with pytest.raises(Untouchable):
        cases.close(warrant(actor=user), case.pk, DISMISS)
    with pytest.raises(Untouchable):
        cases.close(warrant(), case.pk, DISMISS)
    cases.close(warrant(superuser=True), case.pk, DISMISS)


@pytest.mark.parametrize("name", ["recall", "mute", "ban", "dissolve"])
def test_an_outcome_needs_the_permission_of_its_act_and_leaves_no_half(reported, name):
    only = warrant(cases.HANDLE)
    with pytest.raises(Forbidden):
        cases.close(only, reported.pk, Outcome(name=name, seconds=60))
    reported.refresh_from_db()
    assert reported.closed_at is None
    assert not AuditEntry.objects.filter(actor_id=only.actor_id).exists()


@pytest.mark.parametrize("reason", ["", "  ", "\u200b", "x" * 501])
def test_an_act_needs_a_reason_that_says_something(reported, reason):
    with pytest.raises(InvalidRequest):
        cases.close(warrant(reason=reason), reported.pk, DISMISS)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(name="mute"),
        Outcome(name="mute", seconds=0),
        Outcome(name="ban", seconds=-5),
        Outcome(name="pardon"),
        Outcome(name="warn", words="x" * 4001),
        Outcome(name="warn", words="\u200b"),
    ],
    ids=str,
)
def test_an_outcome_that_makes_no_sense_is_refused(reported, outcome):
    with pytest.raises(InvalidRequest):
        cases.close(warrant(), reported.pk, outcome)
    reported.refresh_from_db()
    assert reported.closed_at is None


def test_there_is_no_case_without_a_report():
    with pytest.raises(NotFound):
        cases.close(warrant(), 2**40, DISMISS)
    with pytest.raises(NotFound):
        cases.claim(member_of_staff(cases.HANDLE).pk, 2**40, now=clock.now())
