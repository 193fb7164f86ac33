"""Access tokens, refresh tokens, and the face of accounts to all who ask "who is this?".

**Access tokens** say `user.device.epoch.expires_ms.mac`, signed (django.core.signing); nothing
is stored. Whether the device still stands is asked of `callers`.

**Refresh tokens** say `device.generation.mac`. The MAC is over the device, its generation, its
epoch and a salt in its row, under a key derived from SECRET_KEY: neither the table nor the key
alone makes a token, and there is no table of tokens to grow.

A refresh serves once: it moves the device to the next generation by one conditional update, so of
many racing requests one makes the successor. Mobile networks lose replies, so the token just used
gets the very same answer for ten seconds more: the answer is a function of the row, so it need not
be kept. After that, a token that was genuine once is in two hands, and we cannot know whose: the
device ends, for both. What was never genuine ends nothing, or anyone could log anyone out.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.core.signing import BadSignature, Signer

from accounts import callers, devices
from accounts.callers import Banned, Caller, TokenInvalid, ended, forget
from accounts.models import Device
from accounts.tickets import use as use_ticket
from imsite.core import clock
from imsite.core.errors import AppError, Code

__all__ = [
    "Banned",
    "Caller",
    "TokenExpired",
    "TokenInvalid",
    "ended",
    "forget",
    "grant",
    "refresh",
    "use_ticket",
    "verify",
]

_MAX_ACCESS = 200
# Genuine tokens remembered as such: to verify one was an eighth of what a send takes before its append.
_MOST_CLAIMS = 20_000
# How long the token just used gets the answer it got.
_RETRY = timedelta(seconds=10)
# How far the clocks of two processes may be apart; beyond it nothing lives longer than it may.
_SKEW = timedelta(hours=2)
_REFRESH = re.compile(r"([1-9][0-9]{0,15})\.([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})", re.ASCII)


class TokenExpired(AppError):
    """This access token has expired; refresh it."""

    code = Code.TOKEN_EXPIRED


@dataclass(frozen=True, slots=True)
class _Refresh:
    """What a refresh token says."""

    device_id: int
    generation: int
    mac: str


def grant(device: Device, *, at: datetime) -> dict[str, str]:
    """Return `{access, access_expires_at, refresh}` of a device; the same for the same row and time."""
    expires_at = at + timedelta(seconds=settings.IM_ACCESS_TTL)
    expires_ms = round(expires_at.timestamp() * 1000)
    claim = f"{device.user_id}.{device.pk}.{device.epoch}.{expires_ms}"
    return {
        "access": _signer(*_keys()).sign(claim),
        "access_expires_at": clock.wire(expires_at),
        "refresh": _refresh_token(device),
    }


def verify(access: str, *, now: datetime) -> Caller:
    """Return who this access token speaks for; raise TokenInvalid, TokenExpired or Banned.

    A device that was ended is refused within a second in every process.
    """
    if len(access) > _MAX_ACCESS or not access.isascii():
        raise TokenInvalid
    try:
        user_id, device_id, epoch, expires_ms = _claim(access, *_keys())
    except BadSignature:
        raise TokenInvalid from None
    left = expires_ms / 1000 - now.timestamp()
    # One that would live for longer than any may was given out by a clock that was wrong.
    if not 0 < left <= settings.IM_ACCESS_TTL + _SKEW.total_seconds():
        raise TokenExpired
    return callers.admit(Caller(user_id, device_id, epoch), now=now)


def refresh(token: str, *, now: datetime) -> dict[str, str]:
    """Turn a refresh token into fresh tokens, once; raise TokenInvalid or Banned.

    A retry within ten seconds of the first use gets the same answer; a later one ends the device.
    """
    said = _read(token)
    device = _standing(said, now=now)
    if said.generation == device.generation:
        if devices.rotate(device, now=now):
            return grant(device, at=now)
        # A request that used the same token overtook this one: see what it left.
        device = _standing(said, now=now)
    if said.generation == device.generation - 1 and -_SKEW <= now - device.rotated_at <= _RETRY:
        return grant(device, at=device.rotated_at)
    if said.generation < device.generation:
        devices.end(device.user_id, [device.pk], now=now)
    raise TokenInvalid


def _read(token: str) -> _Refresh:
    found = _REFRESH.fullmatch(token)
    if found is None:
        raise TokenInvalid
    return _Refresh(int(found[1]), int(found[2]), found[3])


def _standing(said: _Refresh, *, now: datetime) -> Device:
    """Return the device if the token is genuine and the device may still refresh."""
    device = Device.objects.select_related("user").filter(pk=said.device_id).first()
    if device is None or not _is_genuine(said, device):
        raise TokenInvalid
    user = device.user
    idle = now - device.last_seen_at > timedelta(days=settings.IM_REFRESH_DAYS)
    if device.ended_at or user.deleted_at or not user.is_active or idle:
        raise TokenInvalid
    callers.refuse_banned(user, now=now)
    return device


def _is_genuine(said: _Refresh, device: Device) -> bool:
    first, fallbacks = _keys()
    macs = (_mac(key, device, said.generation) for key in (first, *fallbacks))
    return any(hmac.compare_digest(said.mac, mac) for mac in macs)


def _refresh_token(device: Device) -> str:
    mac = _mac(_keys()[0], device, device.generation)
    return f"{device.pk}.{device.generation}.{mac}"


def _mac(key: str, device: Device, generation: int) -> str:
    message = b"%d.%d.%d." % (device.pk, generation, device.epoch) + bytes(device.salt)
    raw = hmac.digest(_derived(key), message, "sha256")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _keys() -> tuple[str, tuple[str, ...]]:
    return str(settings.SECRET_KEY), tuple(map(str, settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=_MOST_CLAIMS)
def _claim(access: str, key: str, fallbacks: tuple[str, ...]) -> tuple[int, ...]:
    """Return what a genuine token says; one that is not raises BadSignature, and is not remembered."""
    return tuple(map(int, _signer(key, fallbacks).unsign(access).split(".")))


@lru_cache(maxsize=8)
def _derived(key: str) -> bytes:
    return hashlib.sha256(b"imsite.refresh:" + key.encode()).digest()


@lru_cache(maxsize=8)
def _signer(key: str, fallbacks: tuple[str, ...]) -> Signer:
    # Separated by dots: a websocket subprotocol, which also carries tokens, allows no colon.
    return Signer(key=key, fallback_keys=list(fallbacks), salt="imsite.access", sep=".")
