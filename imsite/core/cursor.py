"""Opaque positions: signed, bound to one user and one list; nobody else slices the string."""

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

from imsite.core.errors import AppError, Code

_MAC = 12
# Genuine cursors remembered as such: who waits for something new hands in the same one again and again.
_MOST = 10_000
# Characters of one that is.
_LONGEST = 300


class InvalidCursor(AppError):
    """This cursor was not made by this server, or not for you and this list."""

    code = Code.INVALID_CURSOR


def seal(scope: str, user_id: int, position: list[Any]) -> str:
    """Return `position` as text that only this user can hand back, and only to this list."""
    payload = orjson.dumps(position)
    return _text(_mac(settings.SECRET_KEY, scope, user_id, payload) + payload)


def unseal(scope: str, user_id: int, text: str) -> list[Any]:
    """Return what `seal` was given; raise InvalidCursor for anything else."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    look = _genuine if len(text) > _LONGEST else _remembered
    position: list[Any] = orjson.loads(look(scope, user_id, text, keys))
    return position


def _genuine(scope: str, user_id: int, text: str, keys: tuple[str, ...]) -> bytes:
    """Return what a genuine cursor says."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor from error
    mac, payload = raw[:_MAC], raw[_MAC:]
    # The text must be the very one that seal made: base64 alone admits several spellings.
    if _text(raw) != text or not any(
        hmac.compare_digest(mac, _mac(key, scope, user_id, payload)) for key in keys
    ):
        raise InvalidCursor
    return payload


# One that is not genuine raises, and is not remembered.
_remembered = lru_cache(maxsize=_MOST)(_genuine)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(key: str, scope: str, user_id: int, payload: bytes) -> bytes:
    message = b"%s:%d:%s" % (scope.encode(), user_id, payload)
    return hmac.digest(_derived(key), message, "sha256")[:_MAC]


@lru_cache(maxsize=8)
def _derived(key: str) -> bytes:
    return hashlib.sha256(b"imsite.cursor:" + key.encode()).digest()
