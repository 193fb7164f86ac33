"""What staff may do with a conversation and its members from their pages in the admin."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.useracts import DURATIONS, warrant
from conversations import stewardship
from conversations.models import Conversation, Membership
from imsite.core.desk.acts import Act, ActForm, offer


class MuteForm(ActForm):
    """How long, and why."""

    seconds = forms.ChoiceField(label="For", choices=DURATIONS)
    field_order = ("seconds", "reason")


def _freeze(request: HttpRequest, row: Conversation, given: Mapping[str, Any]) -> str:
    stewardship.freeze(warrant(request, given["reason"]), row.pk)
    return "The conversation is read-only."


def _thaw(request: HttpRequest, row: Conversation, given: Mapping[str, Any]) -> str:
    stewardship.thaw(warrant(request, given["reason"]), row.pk)
    return "The conversation goes on."


def _dissolve(request: HttpRequest, row: Conversation, given: Mapping[str, Any]) -> str:
    stewardship.dissolve(warrant(request, given["reason"]), row.pk)
    return "The group is dissolved."


def _mute(request: HttpRequest, row: Membership, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    until = act.now + timedelta(seconds=int(given["seconds"]))
    stewardship.mute(act, row.conversation_id, target_id=row.user_id, until=until)
    return f"Muted until {until:%Y-%m-%d %H:%M}."


def _unmute(request: HttpRequest, row: Membership, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    stewardship.unmute(act, row.conversation_id, target_id=row.user_id)
    return "The mute is lifted."


def _hand_over(request: HttpRequest, row: Membership, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    stewardship.hand_over(act, row.conversation_id, target_id=row.user_id)
    return "This member is the owner now."


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
        do=_freeze,
        note="Nobody can write, not even its owner; all can read and leave.",
        fits=lambda row: _goes_on(row) and row.frozen_at is None,
    ),
    Act(
        name="thaw",
        title="Let it go on",
        permission=stewardship.FREEZE,
        do=_thaw,
        fits=lambda row: _goes_on(row) and row.frozen_at is not None,
    ),
    Act(
        name="dissolve",
        title="Dissolve",
        permission=stewardship.DISSOLVE,
        do=_dissolve,
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
        do=_unmute,
        fits=lambda seat: _is_in(seat) and seat.muted_until is not None,
    ),
    Act(
        name="hand_over",
        title="Make owner",
        permission=stewardship.HAND_OVER,
        do=_hand_over,
        note="The owner of now becomes an admin.",
        grave=True,
        fits=lambda seat: _is_in(seat) and seat.role != "owner",
    ),
)
