"""What staff may do with a conversation and its members from their pages in the admin."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.staffacts import DURATIONS, Do, plainly, warrant
from conversations import stewardship
from conversations.models import Conversation, Membership
from imsite.core.desk.acts import Act, ActForm, offer


class MuteForm(ActForm):
    """How long, and why."""

    seconds = forms.ChoiceField(label="For", choices=DURATIONS)
    field_order = ("seconds", "reason")


def _mute(request: HttpRequest, row: Membership, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    until = act.now + timedelta(seconds=int(given["seconds"]))
    stewardship.mute(act, row.conversation_id, target_id=row.user_id, until=until)
    return f"Muted until {until:%Y-%m-%d %H:%M}."


def _to_member(act: Callable[..., object], said: str) -> Do:
    """Return what does an act on a member that needs a reason only."""

    def do(request: HttpRequest, row: Membership, given: Mapping[str, Any]) -> str:
        act(warrant(request, given["reason"]), row.conversation_id, target_id=row.user_id)
        return said

    return do


def _goes_on(row: Conversation) -> bool:
    return row.dissolved_at is None


def _is_in(seat: Membership) -> bool:
    return seat.state == "active"


offer(
    "conversations.conversation",
    Act(
        name="freeze",
        title="Freeze",
        permission=stewardship.FREEZE,
        do=plainly(stewardship.freeze, "The conversation is read-only."),
        note="Nobody can write, not even its owner; all can read and leave.",
        fits=lambda row: _goes_on(row) and row.frozen_at is None,
    ),
    Act(
        name="thaw",
        title="Let it go on",
        permission=stewardship.FREEZE,
        do=plainly(stewardship.thaw, "The conversation goes on."),
        fits=lambda row: _goes_on(row) and row.frozen_at is not None,
    ),
    Act(
        name="dissolve",
        title="Dissolve",
        permission=stewardship.DISSOLVE,
        do=plainly(stewardship.dissolve, "The group is dissolved."),
        note="Ends the group for all its members. This cannot be undone.",
        grave=True,
        fits=lambda row: _goes_on(row) and row.kind == "group",
    ),
)
offer(
    "conversations.membership",
    Act(
        name="mute",
        title="Mute",
        permission=stewardship.MUTE,
        form=MuteForm,
        do=_mute,
        fits=_is_in,
    ),
    Act(
        name="unmute",
        title="Lift the mute",
        permission=stewardship.MUTE,
        do=_to_member(stewardship.unmute, "The mute is lifted."),
        fits=lambda seat: _is_in(seat) and seat.muted_until is not None,
    ),
    Act(
        name="hand_over",
        title="Make owner",
        permission=stewardship.HAND_OVER,
        do=_to_member(stewardship.hand_over, "This member is the owner now."),
        note="The owner of now becomes an admin.",
        grave=True,
        fits=lambda seat: _is_in(seat) and seat.role != "owner",
    ),
)
