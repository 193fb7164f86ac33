"""Staff: who may come into the admin, looked up anew for each request; making and unmaking them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest

from accounts import audit, callers, identity, passwords, profiles
from accounts.models import User
from imsite.core import clock
from imsite.core.errors import AppError, NotFound


class Sessions(ModelBackend):
    """Django's sessions for people in good standing: a ban ends them with the next request."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> User | None:
        """Return the user whose password this is, in the same time for all who are refused."""
        if username is None or password is None:
            return None
        try:
            user = passwords.check(identity.named(username), password)
        except passwords.BadCredentials:
            return None
        return user if self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: Any) -> bool:
        """Say whether this account stands: active, not deleted, not banned."""
        if not user.is_active or user.deleted_at is not None:
            return False
        try:
            callers.refuse_banned(user, now=clock.now())
        except AppError:
            return False
        return True


def set_groups(user_id: int, groups: Collection[str], *, reason: str, now: datetime) -> None:
    """Make a user staff in exactly these groups; in none: no staff any more, and no superuser.

    For the console alone: nobody can raise anybody in the admin. NotFound for a group that is not there.
    """
    with transaction.atomic():
        user = profiles.living(user_id, lock=True)
        found = list(Group.objects.filter(name__in=groups))
        if len(found) != len(set(groups)):
            raise NotFound
        before = _standing(user)
        user.is_staff, user.is_superuser = bool(groups), user.is_superuser and bool(groups)
        user.save(update_fields=["is_staff", "is_superuser"])
        user.groups.set(found)
        audit.record(
            actor_id=None,
            act="staff.grant",
            target=f"user:{user_id}",
            reason=reason,
            before=before,
            after=_standing(user),
            address="",
            now=now,
        )


def _standing(user: User) -> dict[str, Any]:
    groups = sorted(user.groups.values_list("name", flat=True))
    return {"is_staff": user.is_staff, "is_superuser": user.is_superuser, "groups": groups}
