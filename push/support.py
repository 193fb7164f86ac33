"""What support does about somebody's pushes: on record, and to nobody of staff."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.authority import Warrant
from accounts.staffacts import warrant
from imsite.core.desk.acts import Act, offer
from push import tokens
from push.models import PushToken

PERMISSION = "desk.end_devices"


def forget(allowed: Warrant, user_id: int, device_id: int) -> None:
    """Take the push token of a device away; the device stays signed in, and may register again."""
    allowed.require(PERMISSION)
    with transaction.atomic():
        allowed.over(user_id)
        tokens.remove(device_id)
        allowed.record("user.forget_token", f"user:{user_id}", after={"devices": [device_id]})


def _forget(request: HttpRequest, row: PushToken, given: Mapping[str, Any]) -> str:
    forget(warrant(request, given["reason"]), row.user_id, row.pk)
    return "The token is forgotten. The app registers one again at its next start."


offer(
    "push.pushtoken",
    Act(name="forget", title="Forget this token", permission=PERMISSION, do=_forget),
)
