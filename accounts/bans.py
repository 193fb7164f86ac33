"""Bans: keep an account out for a time or for good, and let it in again."""

from datetime import datetime

from django.db import transaction

from accounts import devices, profiles
from accounts.authority import Warrant
from accounts.models import User
from imsite.core import clock
from imsite.core.errors import Conflict, InvalidRequest

PERMISSION = "accounts.ban_user"


class NotBanned(Conflict):
    """This account is not banned."""


def ban(warrant: Warrant, user_id: int, *, until: datetime | None) -> None:
    """Keep a user out until then (None: for good); their sockets close, their devices stay.

    The reason is told to the person (`data.reason` of `banned`).
    """
    warrant.require(PERMISSION)
    if until is not None and until <= warrant.now:
        raise InvalidRequest.field("until", "must lie ahead")
    with transaction.atomic():
        before = _standing(profiles.living(user_id, lock=True))
        warrant.over(user_id)
        _write(user_id, banned_at=warrant.now, banned_until=until, ban_reason=warrant.reason)
        warrant.record("user.ban", f"user:{user_id}", before=before, after={"until": _told(until)})


def unban(warrant: Warrant, user_id: int) -> None:
    """Let a user in again, on the devices they had."""
    warrant.require(PERMISSION)
    with transaction.atomic():
        before = _standing(profiles.living(user_id, lock=True))
        warrant.over(user_id)
        if before is None:
            raise NotBanned
        _write(user_id, banned_at=None, banned_until=None, ban_reason="")
        warrant.record("user.unban", f"user:{user_id}", before=before)


def _write(user_id: int, **columns: object) -> None:
    User.objects.filter(pk=user_id).update(**columns)
    devices.suspend(user_id)


def _standing(user: User) -> dict[str, object] | None:
    if user.banned_at is None:
        return None
    return {
        "banned_at": clock.wire(user.banned_at),
        "until": _told(user.banned_until),
        "reason": user.ban_reason,
    }


def _told(until: datetime | None) -> str | None:
    return clock.wire_or_none(until)
