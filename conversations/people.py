"""What becomes of conversations when a person changes or goes (a follower of accounts)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from conversations import members, pings
from conversations.models import JoinRequest, Membership
from imsite.core import clock, stamps


def profile_changed(user_id: int) -> None:
    """Show the new name in the heads of all who talk with this user directly."""
    pairs = members.peers(user_id)
    if pairs:
        members.touch(pairs, stamp=stamps.take())
        transaction.on_commit(lambda: _ping(pairs))


def _ping(pairs: list[tuple[int, int]]) -> None:
    for _, peer_id in pairs:
        pings.user_changed(peer_id)


def closing(user_id: int, *, now: datetime) -> None:
    """Take the user out of all groups; direct conversations stay, with a deleted user in them."""
    members.leave_all(user_id, now=now)


def exported(user_id: int) -> dict[str, Any]:
    """Return every membership there was, and the requests for more."""
    seats = Membership.objects.filter(user_id=user_id).select_related("conversation")
    asked = JoinRequest.objects.filter(user_id=user_id).values_list("conversation_id", "created_at")
    return {
        "memberships": [_seat(each) for each in seats],
        "join_requests": [
            {"conversation_id": conversation_id, "created_at": clock.wire(created_at)}
            for conversation_id, created_at in asked
        ],
    }


def _seat(seat: Membership) -> dict[str, Any]:
    state = "dissolved" if seat.conversation.dissolved_at else seat.state
    return {
        "conversation_id": seat.conversation_id,
        # Who is no longer in it may not learn what it is called by now.
        "title": seat.conversation.title if state == "active" else None,
        "state": state,
        "role": seat.role,
        "nickname": seat.nickname,
        "notify": seat.notify,
        "joined_at": clock.wire(seat.joined_at),
        "read_seq": seat.read_seq,
    }


def devices_ended(user_id: int, device_ids: Iterable[int]) -> None:
    """Close the sockets of these devices."""
    pings.ended(user_id, list(device_ids))
