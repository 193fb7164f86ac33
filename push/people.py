"""What becomes of pushes when a person changes or goes (a follower of accounts)."""

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import DatabaseError

from imsite.core import clock
from push import debts, decisions, preferences, tokens

log = logging.getLogger("imsite.push")


def profile_changed(user_id: int) -> None:
    """Keep everything: names are looked up when a push is made."""


def closing(user_id: int, *, now: datetime) -> None:
    """Forget where and how this person was to be woken, and what came of it."""
    tokens.forget_all(user_id)
    preferences.forget(user_id)
    debts.forget_all(user_id)
    decisions.forget_all(user_id)


def exported(user_id: int) -> dict[str, Any]:
    """Return the tokens, the wishes, what is owed, and what was decided within the offline window."""
    return {
        "push_tokens": tokens.exported(user_id),
        "push_settings": preferences.of(user_id).shape(),
        "push_debts": debts.exported(user_id),
        "push_decisions": decisions.exported(user_id),
    }


def devices_ended(user_id: int, device_ids: Collection[int]) -> None:
    """Forget the tokens of these devices, unless they have only logged in anew."""
    try:
        tokens.forget_ended(device_ids, now=clock.now())
    except DatabaseError:
        # They ended all the same, and no target is ever made of an ended device.
        log.warning("tokens of ended devices stay until later", exc_info=True)
