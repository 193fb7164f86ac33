"""What support does for a person, or because of one: each on record, none of it to staff or oneself."""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import devices, identity, profiles
from accounts.authority import Warrant
from accounts.models import Device
from imsite.core.errors import NotFound

END = "desk.end_devices"
EXPORT = "desk.export_person"
ERASE = "desk.erase_person"


def end_devices(warrant: Warrant, user_id: int) -> int:
    """End all devices of a person, with their tokens, tickets and sockets; return how many."""
    warrant.require(END)
    with transaction.atomic():
        profiles.living(user_id, lock=True)
        warrant.over(user_id)
        live = Device.objects.filter(user_id=user_id, ended_at=None)
        ids = sorted(live.values_list("pk", flat=True))
        devices.end(user_id, ids, now=warrant.now)
        warrant.record("user.end_sessions", f"user:{user_id}", after={"devices": ids})
    return len(ids)


def end_device(warrant: Warrant, device_id: int) -> None:
    """End one device."""
    warrant.require(END)
    with transaction.atomic():
        device = Device.objects.filter(pk=device_id).first()
        if device is None:
            raise NotFound
        warrant.over(device.user_id)
        devices.end(device.user_id, [device_id], now=warrant.now)
        told = {"devices": [device_id]}
        warrant.record("user.end_sessions", f"user:{device.user_id}", after=told)


def export(warrant: Warrant, user_id: int) -> dict[str, Any]:
    """Return all that is stored of a person, as their own export gives it."""
    warrant.require(EXPORT)
    warrant.over(user_id)
    found = identity.export(user_id)
    with transaction.atomic():
        warrant.record("user.export", f"user:{user_id}")
    return found


def erase(warrant: Warrant, user_id: int) -> None:
    """Erase a person as their own deletion would; what they wrote stays, as from a deleted user."""
    warrant.require(ERASE)
    with transaction.atomic():
        warrant.over(user_id)
        user = profiles.living(user_id)
        created: datetime = user.created_at
        identity.erase(user, now=warrant.now)
        before = {"created_at": created.isoformat()}
        # Not the name: the log would keep what was asked to be forgotten.
        warrant.record("user.erase", f"user:{user_id}", before=before)
