"""What staff may do with an account from its page in the admin; and the warrant of who is there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts import bans
from accounts.authority import Warrant
from accounts.models import User
from imsite.core import clock, limits
from imsite.core.desk.acts import Act, ActForm, offer

HOUR, DAY = 3_600, 86_400
DURATIONS = (
    (str(HOUR), "1 hour"),
    (str(DAY), "1 day"),
    (str(7 * DAY), "7 days"),
    (str(30 * DAY), "30 days"),
)


def warrant(request: HttpRequest, reason: str) -> Warrant:
    """Return what an act of whoever is at the admin rests on."""
    return Warrant(
        actor_id=int(request.user.pk or 0),
        reason=reason,
        address=limits.address(request.META),
        now=clock.now(),
    )


class BanForm(ActForm):
    """How long, and why; the person reads the reason."""

    # For good is never what stands there before anybody chose.
    seconds = forms.ChoiceField(
        label="For", choices=[*DURATIONS, ("", "good")], required=False, initial=str(DAY)
    )
    field_order = ("seconds", "reason")


def _ban(request: HttpRequest, user: User, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    seconds = given["seconds"]
    bans.ban(act, user.pk, until=act.now + timedelta(seconds=int(seconds)) if seconds else None)
    return "Banned. Sockets close and tokens are refused within seconds."


def _unban(request: HttpRequest, user: User, given: Mapping[str, Any]) -> str:
    bans.unban(warrant(request, given["reason"]), user.pk)
    return "The ban is lifted."


offer(
    "accounts.user",
    Act(
        name="ban",
        title="Ban",
        permission=bans.PERMISSION,
        form=BanForm,
        do=_ban,
        note="The person reads the reason when the server refuses them.",
        grave=True,
        fits=lambda user: user.deleted_at is None,
    ),
    Act(
        name="unban",
        title="Lift the ban",
        permission=bans.PERMISSION,
        do=_unban,
        fits=lambda user: user.banned_at is not None,
    ),
)
