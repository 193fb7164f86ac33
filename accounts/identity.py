"""Accounts: registering, logging in, the password, and the end of an account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts import (
    blocks,
    callers,
    devices,
    following,
    names,
    passwords,
    profiles,
    tokens,
    wording,
)
from accounts.models import Device, User
from imsite.core import clock
from imsite.core.errors import Conflict, InvalidRequest

_LONGEST_NAME = 32


class UsernameTaken(Conflict):
    """This username is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What a person says when registering."""

    username: str
    password: str
    display_name: str | None = None


def register(newcomer: Newcomer, claim: devices.Claim, *, now: datetime) -> dict[str, Any]:
    """Make an account and its first device; return `{user, device_id, access, …, refresh}`."""
    if not names.is_username(newcomer.username):
        raise InvalidRequest.field(
            "username", "must be 3 to 32 letters or digits, with _ . - allowed"
        )
    wording.check(newcomer.username, newcomer.display_name)
    # Asked before the hash, which is dear; the constraint decides when two ask at once.
    if named(newcomer.username) is not None:
        raise UsernameTaken
    password = passwords.new_hash(newcomer.password, field="password")
    user = User(username=newcomer.username, password=password, created_at=now)
    user.username_key = names.key(newcomer.username)
    user.call(newcomer.display_name or newcomer.username)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            device = devices.sign_in(user.pk, claim, now=now)
    except IntegrityError:
        raise UsernameTaken from None
    return _session(user, device, now=now)


def log_in(username: str, password: str, claim: devices.Claim, *, now: datetime) -> dict[str, Any]:
    """Sign a device in; return the same as `register`; raise BadCredentials or Banned."""
    user = passwords.check(named(username), password)
    callers.refuse_banned(user, now=now)
    with _unchanged(user):
        device = devices.sign_in(user.pk, claim, now=now)
    return _session(user, device, now=now)


def name_key(username: str) -> str:
    """Return what logins under this name are counted by, however it is typed."""
    return "n" + names.key(username[:_LONGEST_NAME])


def named(username: str) -> User | None:
    """Return the account of this name, however it is typed, if there is one."""
    if len(username) > _LONGEST_NAME:
        return None
    return User.objects.filter(username_key=names.key(username), deleted_at=None).first()


def _session(user: User, device: Device, *, now: datetime) -> dict[str, Any]:
    granted = tokens.grant(device, at=now)
    return {"user": profiles.shape(user), "device_id": device.pk, **granted}


@contextmanager
def _unchanged(user: User) -> Iterator[User]:
    """Open a transaction in which the user's password is the one that was just checked.

    Hashing takes long: without this, a login with the old password could slip in behind a change
    of it, and its device would live on.
    """
    with transaction.atomic():
        same = User.objects.select_for_update(no_key=True).filter(
            pk=user.pk, password=user.password, is_active=True
        )
        if not same.exists():
            raise passwords.BadCredentials
        yield user


def change_password(caller: callers.Caller, *, old: str, new: str, now: datetime) -> None:
    """Set another password and end all devices but the caller's; raise BadCredentials."""
    user = passwords.check(profiles.living(caller.user_id), old)
    password = passwords.new_hash(new, field="new")
    with _unchanged(user):
        User.objects.filter(pk=user.pk).update(password=password)
        devices.end_all(user.pk, but=caller.device_id, now=now)


def close(user_id: int, *, password: str, now: datetime) -> None:
    """Delete an account: the person is erased, what they wrote stays as from a deleted user."""
    user = passwords.check(profiles.living(user_id), password)
    with _unchanged(user):
        erase(user, now=now)


def erase(user: User, *, now: datetime) -> None:
    """Take all that is personal off an account and end it, in the transaction of whoever decided so."""
    # First, while the rows that others lock before they look at people are not ours yet.
    following.closing(user.pk, now=now)
    devices.end_all(user.pk, now=now)
    Device.objects.filter(user_id=user.pk).update(platform="", name="")
    blocks.remove_all(user.pk)
    _empty(user, now=now)
    following.profile_changed(user.pk)


def _empty(user: User, *, now: datetime) -> None:
    user.username = user.username_key = f"~{user.pk}"
    user.call(names.DELETED)
    user.display_key = user.username_key
    user.bio = user.ban_reason = ""
    user.avatar_media_id = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.banned_at = user.banned_until = user.last_login = None
    user.deleted_at = now
    user.set_unusable_password()
    user.groups.clear()
    user.user_permissions.clear()
    user.save()


def export(user_id: int) -> dict[str, Any]:
    """Return all that is stored of a person, JSON-ready."""
    signed_in = Device.objects.filter(user_id=user_id).order_by("pk")
    return {
        "user": profiles.own(user_id),
        "devices": [
            {**devices.shape(device), "ended_at": clock.wire_or_none(device.ended_at)}
            for device in signed_in
        ],
        "blocks": blocks.of(user_id),
        **following.exported(user_id),
    }
