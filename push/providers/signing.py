"""Signs the claims that providers know us by."""

from datetime import datetime
from typing import Any

import jwt

from push.providers.base import PushFailed


def signed(claims: dict[str, Any], key: Any, *, algorithm: str, key_id: str | None = None) -> str:
    """Return claims as a JWT; raise PushFailed if the key, PEM or read already, is none of its kind."""
    headers = {"kid": key_id} if key_id else None
    try:
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)
    except (jwt.PyJWTError, ValueError, TypeError):
        # What it says could quote the key.
        raise PushFailed("the key cannot be read", unwell=True) from None


def seconds(moment: datetime) -> int:
    """Return a moment as claims have it."""
    return int(moment.timestamp())
