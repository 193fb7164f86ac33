"""Passwords: which are taken, and hashing that never uses more than two cores' worth at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from imsite.core.errors import AppError, Code, InvalidRequest, Unavailable

_LEAST, _MOST = 8, 256
# A hash takes some 30 ms of CPU and 19 MiB: a storm of logins must not starve sends.
_AT_ONCE = threading.BoundedSemaphore(2)
# Seconds to wait for a place before the client is told to come back.
_PATIENCE = 8.0


class BadCredentials(AppError):
    """The username or the password is wrong."""

    code = Code.BAD_CREDENTIALS


def new_hash(password: str, *, field: str) -> str:
    """Return the hash to keep; raise InvalidRequest on `field` if the password may not be used."""
    if not _LEAST <= len(password) <= _MOST:
        raise InvalidRequest.field(field, f"must have {_LEAST} to {_MOST} characters")
    try:
        validate_password(password)
    except ValidationError as error:
        raise InvalidRequest(data={"fields": {field: list(error.messages)}}) from None
    with _place():
        return make_password(password)


def check(user: User | None, password: str) -> User:
    """Return the user if this is their password, else raise BadCredentials.

    No user, an unusable password and a wrong one take the same time and give the same answer.
    """
    with _place():
        if user is None:
            make_password(password)
            raise BadCredentials
        if not user.check_password(password) or not user.is_active:
            raise BadCredentials
    return user


@contextmanager
def _place() -> Iterator[None]:
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise Unavailable(retry_after=1.0)
    try:
        yield
    finally:
        _AT_ONCE.release()
