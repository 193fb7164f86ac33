"""The queue of held messages: a moderator lets one through, or refuses it and says why."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.authority import Warrant
from imsite.core.errors import AppError, Conflict, NotFound
from messages import log
from messages.models import Held
from messages.moderation import letters
from messages.policy import held, standing

DECIDE = "messagelog.decide_held"
# For so long a retry of what was refused hears that it was.
REMEMBERED = timedelta(days=30)
_REFUSED = "A message of yours was not let through by our moderators."


class Decided(Conflict):
    """This message was decided upon already."""


def release(warrant: Warrant, held_id: int) -> int:
    """Append a held message as its sender, now, and return its seq; twice is once.

    Content rules are not applied again; whatever else forbids the sender to send is raised, and the
    message waits on. Call it outside of a transaction: the log pings when it has committed.
    """
    warrant.require(DECIDE)
    row = _claimed(warrant, held_id)
    if row.seq is not None:
        return row.seq
    [result] = log.append_many([held.draft_of(row)], now=warrant.now)
    if isinstance(result, AppError):
        Held.objects.filter(pk=held_id, state="releasing").update(state="waiting")
        raise result
    with transaction.atomic():
        # Whoever dies before this leaves it `releasing`: released again, it stands in the log once.
        if _decide(warrant, held_id, "releasing", state="released", seq=result.seq):
            warrant.record("held.release", f"held:{held_id}", after=_shape(row, seq=result.seq))
    return result.seq


def _claimed(warrant: Warrant, held_id: int) -> Held:
    """Return the row, from here on nobody's to refuse."""
    with transaction.atomic():
        row = Held.objects.select_for_update().filter(pk=held_id).first()
        if row is None:
            raise NotFound
        if row.state == "refused":
            raise Decided
        warrant.over(row.sender_id)
        if row.state == "waiting":
            Held.objects.filter(pk=held_id).update(state="releasing")
    return row


def refuse(warrant: Warrant, held_id: int) -> None:
    """Drop a held message; its sender is told the reason. Twice is once."""
    warrant.require(DECIDE)
    with transaction.atomic():
        row = Held.objects.select_for_update().filter(pk=held_id).first()
        if row is None:
            raise NotFound
        if row.state == "refused":
            return
        warrant.over(row.sender_id)
        if not _decide(warrant, held_id, "waiting", state="refused"):
            raise Decided
        told = f"{_REFUSED} {warrant.reason}"
        letters.owe([(row.sender_id, f"held:{held_id}", told)], now=warrant.now)
        warrant.record("held.reject", f"held:{held_id}", after=_shape(row, seq=None))


def backlog() -> tuple[int, datetime | None]:
    """Return how many messages wait, counted up to 101, and since when the oldest does."""
    some = list(Held.objects.filter(decided_at=None).order_by("id").values_list("held_at")[:101])
    return len(some), some[0][0] if some else None


def _decide(warrant: Warrant, held_id: int, was: str, **becomes: object) -> int:
    """Note the decision and let go of the content; return 0 if somebody else decided meanwhile."""
    done = Held.objects.filter(pk=held_id, state=was).update(
        decided_at=warrant.now,
        decided_by_id=warrant.actor_id,
        reason=warrant.reason,
        message="",
        **becomes,
    )
    Held.objects.filter(decided_at__lt=warrant.now - REMEMBERED).delete()
    standing.settle_holding()
    return done


def _shape(row: Held, *, seq: int | None) -> dict[str, object]:
    return {
        "conversation_id": row.conversation_id,
        "sender_id": row.sender_id,
        "rule": row.rule_name,
        "seq": seq,
    }
