"""One-use tickets that open a socket: a URL ends up in logs, so what it carries must be worthless there."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import callers
from accounts.models import Ticket
from imsite.core import clock

_LIFE = timedelta(seconds=30)
# No ticket lives longer, whatever clock gave it out: those of two processes may differ by two hours.
LONGEST = _LIFE + timedelta(hours=2)
_MAX_TICKET = 100


def issue(caller: callers.Caller, *, now: datetime) -> dict[str, Any]:
    """Return `{ticket, expires_at}`, good once, for this device only, and no longer than it stands."""
    ticket = secrets.token_urlsafe(32)
    expires_at = now + _LIFE
    with transaction.atomic():
        Ticket.objects.filter(device_id=caller.device_id, expires_at__lte=now).delete()
        Ticket.objects.create(
            digest=_digest(ticket),
            device_id=caller.device_id,
            epoch=caller.epoch,
            expires_at=expires_at,
        )
    return {"ticket": ticket, "expires_at": clock.wire(expires_at)}


def use(ticket: str, *, user_id: int, now: datetime) -> callers.Caller:
    """Spend the ticket and return who it was given to; raise TokenInvalid or Banned."""
    if len(ticket) > _MAX_TICKET or not ticket.isascii():
        raise callers.TokenInvalid
    mine = Ticket.objects.filter(digest=_digest(ticket), device__user_id=user_id)
    row = mine.first()
    # Whoever deletes the row has used the ticket; racing requests find it gone.
    if row is None or not _delete(row, now=now):
        raise callers.TokenInvalid
    return callers.admit(callers.Caller(user_id, row.device_id, row.epoch), now=now)


def _delete(row: Ticket, *, now: datetime) -> bool:
    live = Ticket.objects.filter(expires_at__gt=now, expires_at__lte=now + LONGEST)
    deleted, _ = live.filter(pk=row.pk).delete()
    return deleted == 1


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
