"""Staff at the door of the admin: who may come in, looked up anew for each request."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts import callers, identity, passwords
from accounts.models import User
from imsite.core import clock
from imsite.core.errors import AppError


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
