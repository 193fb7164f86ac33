"""Who may: load a conversation for somebody, or answer as if it did not exist."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.wording import Place
from conversations import heads, logbook
from conversations.models import Membership
from imsite.core import stamps
from imsite.core.errors import AppError, Code, Forbidden, NotFound

RANKS = {"member": 0, "admin": 1, "owner": 2}
# Members above which a group is so large that newcomers are told of their mentions only.
LARGE = 500


class Muted(AppError):
    """You may not send here for now."""

    code = Code.MUTED


@dataclass(slots=True)
class Act:
    """A change of one conversation under its lock: who acts, and what goes into the log."""

    head: heads.Head
    actor_id: int
    seat: Membership | None
    stamp: int
    now: datetime
    touched: bool = False
    notices: list[logbook.Notice] = field(default_factory=list)

    @property
    def rank(self) -> int:
        """How high the actor stands."""
        return RANKS[self.seat.role] if self.seat else -1

    @property
    def place(self) -> Place:
        """Where the actor says something, as what."""
        role = self.seat.role if self.seat else ""
        return Place(conversation_id=self.head.id, kind=self.head.kind, role=role)

    def require(self, role: str) -> None:
        """Refuse unless the actor of a group has at least this role."""
        if self.head.kind != "group" or self.rank < RANKS[role]:
            raise Forbidden

    def seats(self, user_ids: list[int]) -> list[Membership]:
        """Return the memberships of these people in the order asked; NotFound if one is missing."""
        found = {
            seat.user_id: seat
            for seat in Membership.objects.filter(
                conversation_id=self.head.id, user_id__in=user_ids, state="active"
            )
        }
        if any(user_id not in found for user_id in user_ids):
            raise NotFound
        return [found[user_id] for user_id in dict.fromkeys(user_ids)]

    def above(self, seats: list[Membership]) -> list[Membership]:
        """Refuse unless every target stands below the actor."""
        if any(RANKS[seat.role] >= self.rank for seat in seats):
            raise Forbidden
        return seats

    def notice(self, kind: str, **body: object) -> None:
        """Put a notice into the log; all of an act's are appended at its end."""
        self.notices.append(logbook.Notice(kind=kind, sender_id=self.actor_id, body=body))
        self.touched = True

    def log_notices(self) -> None:
        """Append what was noted so far, for acts that need to know the seqs."""
        if self.notices:
            logbook.the_log().append_notices(self.head, self.notices, now=self.now)
            self.notices = []

    def write(self, seat: Membership, *, bump: int = 1, **changes: object) -> None:
        """Change a membership, `bump` versions on; its owner's sync shows it."""
        for name, value in changes.items():
            setattr(seat, name, value)
        # Added to what is stored: a member moves the marker without a lock on the head.
        Membership.objects.filter(pk=seat.pk).update(
            **changes, version=F("version") + bump, stamp=self.stamp
        )


def refuse_frozen(head: heads.Head) -> None:
    """Refuse to add anything to a conversation that moderators made read-only."""
    if head.frozen_at is not None:
        raise Muted(data={"until": None})


@contextmanager
def acting(
    user_id: int, conversation_id: int, *, now: datetime, outsider: bool = False
) -> Iterator[Act]:
    """Lock the conversation and yield the act; save the head and append the notices at its end.

    A caller who is no active member gets NotFound, unless `outsider` (for joining).
    """
    with transaction.atomic():
        head = heads.lock([conversation_id]).get(conversation_id)
        if head is None or head.dissolved_at:
            raise NotFound
        seat = Membership.objects.filter(
            conversation_id=conversation_id, user_id=user_id, state="active"
        ).first()
        if seat is None and not outsider:
            raise NotFound
        act = Act(head=head, actor_id=user_id, seat=seat, stamp=stamps.take(), now=now)
        yield act
        act.log_notices()
        if act.touched:
            heads.save([head], stamp=act.stamp)


def seat_of(user_id: int, conversation_id: int) -> Membership:
    """Return the active membership with its conversation, or NotFound."""
    seat = (
        Membership.objects.select_related("conversation")
        .filter(
            user_id=user_id,
            conversation_id=conversation_id,
            state="active",
            conversation__dissolved_at=None,
        )
        .first()
    )
    if seat is None:
        raise NotFound
    return seat


def notify_in(member_count: int) -> str:
    """Return the notify level that somebody begins with in a conversation of this size."""
    return "mentions" if member_count > LARGE else "all"
