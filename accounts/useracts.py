"""What staff may do with an account from its page in the admin: ban it, and lift the ban."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts import bans
from accounts.models import User
from accounts.staffacts import DAY, DURATIONS, plainly, warrant
from imsite.core.desk.acts import Act, ActForm, offer


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
        do=plainly(bans.unban, "The ban is lifted."),
        fits=lambda user: user.banned_at is not None,
    ),
)
