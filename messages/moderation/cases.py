"""Cases: reports of one entry gathered, claimed by one moderator at a time, closed with an outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts import authority, bans
from accounts.authority import Warrant
from conversations import stewardship
from imsite.core.errors import Conflict, InvalidRequest, NotFound
from messages import wire
from messages.models import Case, Report
from messages.moderation import letters, orders

HANDLE = "messagelog.handle_reports"
_DONE = "Thank you for your report. Our moderators looked at the message and took action."
_FINE = "Thank you for your report. Our moderators looked at the message and found it in order."


class Claimed(Conflict):
    """Another moderator works on this case."""


class Closed(Conflict):
    """This case is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a case is closed.

    `seconds` is how long a mute or ban lasts (None: for good, bans only); `words` is what a warned
    person reads (None: the reason).
    """

    name: str
    seconds: int | None = None
    words: str | None = None

    def until(self, now: datetime) -> datetime | None:
        """Return when it ends."""
        return None if self.seconds is None else now + timedelta(seconds=self.seconds)


def joined(conversation_id: int, seq: int, *, excerpt: str, now: datetime) -> Case:
    """Return the open case of this entry, locked, so that it cannot close before the commit.

    Two who report at once make one: the later finds the earlier's at the unique constraint.
    """
    place = {"conversation_id": conversation_id, "seq": seq, "closed_at": None}
    while True:
        case = Case.objects.select_for_update(no_key=True).filter(**place).first()
        if case is not None:
            return case
        item = wire.decode(excerpt)
        try:
            with transaction.atomic():
                return Case.objects.create(
                    **place, accused_id=item["sender_id"], excerpt=excerpt, opened_at=now
                )
        except IntegrityError:
            continue


def leave(case: Case) -> None:
    """Forget a case that was opened for a report that was there already."""
    if not case.reports.exists():
        case.delete()


def adopt(*, now: datetime) -> int:
    """Give a case to reports without one, as content rules and an older release file them."""
    lost = Report.objects.filter(case=None, closed_at=None).order_by("pk")[:100]
    for report in lost:
        with transaction.atomic():
            case = joined(report.conversation_id, report.seq, excerpt=report.excerpt, now=now)
            Report.objects.filter(pk=report.pk).update(case=case)
    return len(lost)


def claim(actor_id: int, case_id: int, *, now: datetime) -> datetime:
    """Make the case this moderator's for a while, or longer, and return until when.

    Conflict if it is another's by now: of two at once one gets it.
    """
    authority.require(actor_id, HANDLE, now=now)
    until = now + timedelta(minutes=settings.IM_CLAIM_MINUTES)
    free = Q(claimed_by=None) | Q(claimed_by=actor_id) | Q(claimed_until__lte=now)
    mine = Case.objects.filter(free, pk=case_id, closed_at=None)
    if not mine.update(claimed_by=actor_id, claimed_until=until):
        raise _why_not(case_id)
    return until


def release(actor_id: int, case_id: int) -> None:
    """Give the case back to the queue, if it is this moderator's."""
    mine = Case.objects.filter(pk=case_id, claimed_by=actor_id, closed_at=None)
    mine.update(claimed_by=None, claimed_until=None)


def _why_not(case_id: int) -> Exception:
    case = Case.objects.filter(pk=case_id).first()
    if case is None:
        return NotFound()
    return Claimed() if case.closed_at is None else Closed()


def close(warrant: Warrant, case_id: int, outcome: Outcome) -> None:
    """Do what the outcome says, close the case and its reports, and tell the reporters.

    All or nothing; refused while another moderator has claimed it.
    """
    warrant.require(HANDLE)
    act = _ACTS.get(outcome.name)
    if act is None:
        raise InvalidRequest.field("outcome", "there is no such outcome")
    with transaction.atomic():
        case = _held(warrant, case_id)
        warrant.over(case.accused_id)
        act(warrant, case, outcome)
        _finish(warrant, case, outcome)
    letters.deliver(now=warrant.now)


def _held(warrant: Warrant, case_id: int) -> Case:
    case = Case.objects.select_for_update(no_key=True).filter(pk=case_id, closed_at=None).first()
    if case is None:
        raise _why_not(case_id)
    theirs = case.claimed_by_id not in (None, warrant.actor_id)
    if theirs and case.claimed_until is not None and case.claimed_until > warrant.now:
        raise Claimed
    return case


def _finish(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    case.closed_at, case.closed_by_id = warrant.now, warrant.actor_id
    case.outcome, case.reason = outcome.name, warrant.reason
    case.claimed_by = case.claimed_until = None
    case.save()
    # From here on the entry is no longer held from expiry.
    reports = Report.objects.filter(case=case)
    reports.filter(closed_at=None).update(closed_at=warrant.now, original=None)
    text = _FINE if outcome.name == "dismiss" else _DONE
    # What a content rule flagged has no reporter.
    told = reports.exclude(reporter=None).values_list("pk", "reporter_id")
    letters.owe([(reporter_id, f"report:{pk}", text) for pk, reporter_id in told], now=warrant.now)
    act = "report.dismiss" if outcome.name == "dismiss" else "report.close"
    after = {"outcome": outcome.name, "seconds": outcome.seconds, "user_id": case.accused_id}
    warrant.record(act, f"case:{case.pk}", after=after)


def _dismiss(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    """Leave everything as it is."""


def _recall(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    if wire.decode(case.excerpt).get("event"):
        raise InvalidRequest.field("outcome", "a title or an announcement cannot be recalled")
    orders.recall_one(warrant, case.conversation_id, case.seq)


def _warn(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    text = outcome.words or warrant.reason
    letters.owe_warning(warrant, case.accused_id, about=f"case:{case.pk}", text=text)


def _mute(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    until = outcome.until(warrant.now)
    if until is None:
        raise InvalidRequest.field("seconds", "a mute needs an end")
    stewardship.mute(warrant, case.conversation_id, target_id=case.accused_id, until=until)


def _ban(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    bans.ban(warrant, case.accused_id, until=outcome.until(warrant.now))


def _dissolve(warrant: Warrant, case: Case, outcome: Outcome) -> None:
    stewardship.dissolve(warrant, case.conversation_id)


_ACTS: dict[str, Callable[[Warrant, Case, Outcome], None]] = {
    "dismiss": _dismiss,
    "recall": _recall,
    "warn": _warn,
    "mute": _mute,
    "ban": _ban,
    "dissolve": _dissolve,
}
