"""What staff does with a conversation that it is no member of: mute, freeze, dissolve, hand over.

The log and the heads tell of it in the herald's name, so that no client learns who the moderator is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from accounts import herald
from accounts.authority import Warrant
from conversations import access, governing, pings
from conversations.access import Act
from conversations.models import Conversation, Membership
from imsite.core import clock
from imsite.core.errors import Conflict, InvalidRequest

MUTE = "conversations.mute_member"
FREEZE = "conversations.freeze_conversation"
DISSOLVE = "conversations.dissolve_conversation"
HAND_OVER = "conversations.hand_over_conversation"


class OnlyGroups(Conflict):
    """A direct conversation belongs to its two people: this is for groups."""


class OwnsAlready(Conflict):
    """This member is the owner already."""


@contextmanager
def _acting(warrant: Warrant, permission: str, conversation_id: int) -> Iterator[Act]:
    """Open the conversation to staff; whoever uses it records what was done, after it."""
    warrant.require(permission)
    site = herald.user_id(now=warrant.now)
    with access.acting(site, conversation_id, now=warrant.now, outsider=True) as act:
        yield act


def mute(warrant: Warrant, conversation_id: int, *, target_id: int, until: datetime) -> None:
    """Keep a member from sending here until then, whatever their role."""
    if until <= warrant.now:
        raise InvalidRequest.field("until", "must lie ahead")
    _mute(warrant, conversation_id, target_id, until, act="user.mute")


def unmute(warrant: Warrant, conversation_id: int, *, target_id: int) -> None:
    """Let a member send here again."""
    _mute(warrant, conversation_id, target_id, None, act="user.unmute")


def _mute(
    warrant: Warrant, conversation_id: int, target_id: int, until: datetime | None, *, act: str
) -> None:
    with transaction.atomic():
        with _acting(warrant, MUTE, conversation_id) as turn:
            [seat] = turn.seats([target_id])
            warrant.over(target_id)
            before = seat.muted_until
            turn.write(seat, muted_until=until)
        transaction.on_commit(lambda: pings.user_changed(target_id))
        told = [{"conversation_id": conversation_id, "until": _told(at)} for at in (before, until)]
        warrant.record(act, f"user:{target_id}", before=told[0], after=told[1])


def freeze(warrant: Warrant, conversation_id: int) -> None:
    """Make a conversation read-only for all its members, until it is thawed; twice is once."""
    _freeze(warrant, conversation_id, warrant.now, act="conversation.freeze")


def thaw(warrant: Warrant, conversation_id: int) -> None:
    """Let a conversation go on."""
    _freeze(warrant, conversation_id, None, act="conversation.thaw")


def _freeze(warrant: Warrant, conversation_id: int, at: datetime | None, *, act: str) -> None:
    with transaction.atomic():
        with _acting(warrant, FREEZE, conversation_id) as turn:
            before = turn.head.frozen_at is not None
            Conversation.objects.filter(pk=conversation_id).update(frozen_at=at)
            # Heads show it as mute_all.
            turn.touched = True
        transaction.on_commit(lambda: pings.head_changed(conversation_id))
        warrant.record(
            act,
            f"conversation:{conversation_id}",
            before={"frozen": before},
            after={"frozen": at is not None},
        )


def dissolve(warrant: Warrant, conversation_id: int) -> None:
    """End a group for all; its log stays for the archive and is closed."""
    with transaction.atomic():
        with _acting(warrant, DISSOLVE, conversation_id) as turn:
            _over_owner(warrant, turn)
            members = turn.head.member_count
            governing.close(turn)
        warrant.record(
            "conversation.dissolve",
            f"conversation:{conversation_id}",
            before={"title": turn.head.title, "member_count": members},
        )


def hand_over(warrant: Warrant, conversation_id: int, *, target_id: int) -> None:
    """Make another member the owner of a group; the old owner becomes an admin."""
    with transaction.atomic():
        with _acting(warrant, HAND_OVER, conversation_id) as turn:
            owner = _over_owner(warrant, turn)
            [seat] = turn.seats([target_id])
            if seat.role == "owner":
                raise OwnsAlready
            if owner:
                governing.give(turn, owner, "admin")
            governing.give(turn, seat, "owner")
        warrant.record(
            "conversation.hand_over",
            f"conversation:{conversation_id}",
            before={"owner_id": owner and owner.user_id},
            after={"owner_id": target_id},
        )


def _over_owner(warrant: Warrant, turn: Act) -> Membership | None:
    """Return the owner's place, if there is one; refuse what is none of this actor's business."""
    if turn.head.kind != "group":
        raise OnlyGroups
    owner = Membership.objects.filter(
        conversation_id=turn.head.id, role="owner", state="active"
    ).first()
    if owner:
        warrant.over(owner.user_id)
    return owner


def _told(until: datetime | None) -> str | None:
    return clock.wire_or_none(until)
