"""Which token wakes which device: registered, moved, forgotten; the only writer of PushToken."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts import callers, profiles
from accounts.models import Device
from imsite.core import clock, rows
from imsite.core.errors import Unavailable
from push.models import PushToken
from push.providers.base import Target

# Of one user; beyond them the one that was registered longest ago goes.
MAX_PER_USER: Final = 20
# The first can meet another device that registers the same new token, the second finds its row.
_ATTEMPTS = 3
_TARGETS = """SELECT t.user_id, t.device_id, t.provider, t.token, t.app, t.created_at FROM push_pushtoken t
 JOIN accounts_device d ON d.id = t.device_id JOIN accounts_user u ON u.id = t.user_id
 WHERE {among} AND d.ended_at IS NULL AND d.user_id = t.user_id
   AND u.is_active AND u.deleted_at IS NULL
   AND (u.banned_at IS NULL OR u.banned_until <= %s) ORDER BY t.device_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a device registers: `token` as the provider calls it, a subscription as JSON."""

    provider: str
    token: str
    app: str = ""


def register(caller: callers.Caller, wanted: Wanted, *, now: datetime) -> dict[str, Any]:
    """Bind a token to the calling device, in place of its old one; return what the API shows of it.

    A token that another device holds moves here. TokenInvalid if the device has just ended.
    """
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                _stand(caller, now=now)
                row = _bind(caller, wanted, now=now)
                _cut(caller.user_id)
            return _shape(row, caller)
        except IntegrityError:
            # Another device has registered the same token meanwhile: now there is a row to move.
            continue
    raise Unavailable


def _stand(caller: callers.Caller, *, now: datetime) -> None:
    """Lock the user, so that his registrations come one by one, and the device, so that it stays."""
    callers.refuse_banned(profiles.living(caller.user_id, lock=True), now=now)
    live = Device.objects.filter(pk=caller.device_id, epoch=caller.epoch, ended_at=None)
    if not live.select_for_update(no_key=True).exists():
        raise callers.TokenInvalid


def _bind(caller: callers.Caller, wanted: Wanted, *, now: datetime) -> PushToken:
    digest = _digest(wanted.provider, wanted.token)
    concerned = Q(device_id=caller.device_id) | Q(digest=digest)
    # In the order of their keys, so that two devices that swap tokens do not wait for each other.
    held = list(PushToken.objects.filter(concerned).order_by("pk").select_for_update())
    others = [row.pk for row in held if bytes(row.digest) != digest]
    PushToken.objects.filter(pk__in=others).delete()
    row = PushToken(
        device_id=caller.device_id,
        user_id=caller.user_id,
        provider=wanted.provider,
        app=wanted.app,
        token=wanted.token,
        digest=digest,
        created_at=now,
    )
    moved = PushToken.objects.filter(digest=digest).update(
        **{name: getattr(row, name) for name in _COLUMNS}
    )
    if not moved:
        row.save(force_insert=True)
    return row


_COLUMNS = ("device_id", "user_id", "app", "token", "created_at")


def _cut(user_id: int) -> None:
    """Delete the user's oldest tokens beyond the limit; one that is being moved away is not his."""
    newest_first = PushToken.objects.filter(user_id=user_id).order_by("-created_at", "-pk")
    beyond = list(newest_first.values_list("pk", flat=True)[MAX_PER_USER:])
    if beyond:
        still = PushToken.objects.filter(pk__in=beyond).select_for_update(skip_locked=True)
        PushToken.objects.filter(pk__in=[row.pk for row in still]).delete()


def remove(device_id: int) -> None:
    """Take a device's token away, however often."""
    PushToken.objects.filter(device_id=device_id).delete()


def forget(target: Target) -> bool:
    """Delete a token that its provider calls dead; one that was registered since stays.

    Return whether it was there.
    """
    digest = _digest(target.provider, target.token)
    dead = PushToken.objects.filter(device_id=target.device_id, digest=digest)
    if target.registered_at is not None:
        dead = dead.filter(created_at__lte=target.registered_at)
    gone, _ = dead.delete()
    return gone > 0


def forget_ended(device_ids: Collection[int], *, now: datetime) -> None:
    """Delete the tokens of those of these devices that may no longer call."""
    free = Q(user__banned_at=None) | Q(user__banned_until__lte=now)
    live = Q(device__ended_at=None, user__deleted_at=None, user__is_active=True) & free
    ended = PushToken.objects.filter(device_id__in=device_ids).exclude(live)
    # As ids first: Django deletes through no join.
    PushToken.objects.filter(pk__in=list(ended.values_list("pk", flat=True))).delete()


def forget_all(user_id: int) -> None:
    """Delete all tokens of a user."""
    PushToken.objects.filter(user_id=user_id).delete()


def targets(user_ids: Collection[int], *, now: datetime) -> dict[int, list[Target]]:
    """Return where each of these users can be woken, who cannot left out; one query.

    Devices that ended, and users who are banned at `now` or deleted, have no target.
    """
    found: dict[int, list[Target]] = {}
    if not user_ids:
        return found
    among, params = rows.among("t.user_id", list(user_ids))
    for user_id, device_id, provider, token, app, at in rows.fetch(
        _TARGETS.format(among=among), [*params, rows.moment(now)]
    ):
        target = Target(
            device_id=device_id,
            provider=provider,
            token=token,
            app=app,
            registered_at=rows.time(at),
        )
        found.setdefault(user_id, []).append(target)
    return found


def listed(caller: callers.Caller) -> dict[str, Any]:
    """Return the devices of the caller that can be woken; the tokens themselves stay here."""
    held = PushToken.objects.filter(user_id=caller.user_id, device__ended_at=None).order_by("pk")
    return {"items": [_shape(row, caller) for row in held], "next": None}


def exported(user_id: int) -> list[dict[str, Any]]:
    """Return all that is kept of a user's tokens, JSON-ready: these are his, so they are told whole."""
    held = PushToken.objects.filter(user_id=user_id).order_by("pk")
    return [
        {
            "device_id": row.pk,
            "provider": row.provider,
            "app": row.app or None,
            "token": row.token,
            "created_at": clock.wire(row.created_at),
        }
        for row in held
    ]


def _shape(row: PushToken, caller: callers.Caller) -> dict[str, Any]:
    return {
        "device_id": row.pk,
        "provider": row.provider,
        "app": row.app or None,
        "created_at": clock.wire(row.created_at),
        "current": row.pk == caller.device_id,
    }


def _digest(provider: str, token: str) -> bytes:
    """Return what a token is known by, however it is spelled."""
    name = token
    if provider == "webpush":
        name = orjson.loads(token)["endpoint"]
    elif provider == "apns":
        name = token.lower()
    return hashlib.sha256(f"{provider}:{name}".encode()).digest()
