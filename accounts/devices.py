"""Devices: one row for each signed-in client, how it begins, moves on and ends."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts import callers, following, paging
from accounts.models import Device, Ticket
from imsite.core import clock
from imsite.core.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a client says of itself when it logs in; None: nothing."""

    id: int | None = None
    platform: str | None = None
    name: str | None = None


def sign_in(user_id: int, claim: Claim, *, now: datetime) -> Device:
    """Return the device that logs in: the one claimed if it is this user's, else a new one.

    All earlier tokens, tickets and sockets of a device that is used again end.
    """
    with transaction.atomic():
        kept = Device.objects.filter(pk=claim.id, user_id=user_id) if claim.id else None
        device = kept.select_for_update(no_key=True).first() if kept is not None else None
        if device is None:
            return _new(user_id, claim, now=now)
        return _again(device, claim, now=now)


def _new(user_id: int, claim: Claim, *, now: datetime) -> Device:
    return Device.objects.create(
        user_id=user_id,
        platform=claim.platform or "",
        name=claim.name or "",
        salt=secrets.token_bytes(16),
        rotated_at=now,
        created_at=now,
        last_seen_at=now,
    )


def _again(device: Device, claim: Claim, *, now: datetime) -> Device:
    device.platform = device.platform if claim.platform is None else claim.platform
    device.name = device.name if claim.name is None else claim.name
    # Another epoch: access tokens and tickets given before are of the old one. Another salt and
    # generation: so are refresh tokens.
    device.epoch += 1
    device.salt = secrets.token_bytes(16)
    device.generation = 1
    device.rotated_at = device.last_seen_at = now
    device.ended_at = None
    device.save()
    transaction.on_commit(partial(_told, device.user_id, [device.pk]))
    return device


def rotate(device: Device, *, now: datetime) -> bool:
    """Move the device to its next generation; False if another request did, or it has ended."""
    same = Device.objects.filter(
        pk=device.pk, generation=device.generation, epoch=device.epoch, ended_at=None
    )
    moved = same.update(generation=F("generation") + 1, rotated_at=now, last_seen_at=now)
    device.generation += moved
    return moved == 1


def end(user_id: int, device_ids: Collection[int], *, now: datetime) -> None:
    """End these devices of the user: tokens, tickets and sockets; those that ended stay so."""
    with transaction.atomic():
        live = Device.objects.filter(user_id=user_id, pk__in=device_ids, ended_at=None)
        ids = list(live.values_list("pk", flat=True))
        live.update(ended_at=now)
        Ticket.objects.filter(device_id__in=ids).delete()
        transaction.on_commit(partial(_told, user_id, ids))


def end_all(user_id: int, *, but: int | None = None, now: datetime) -> None:
    """End all devices of the user, or all but one."""
    live = Device.objects.filter(user_id=user_id, ended_at=None).values_list("pk", flat=True)
    end(user_id, [device_id for device_id in live if device_id != but], now=now)


def revoke(user_id: int, device_id: int, *, now: datetime) -> None:
    """End one device of one's own, however often; NotFound if it is not one's own."""
    if not Device.objects.filter(pk=device_id, user_id=user_id).exists():
        raise NotFound
    end(user_id, [device_id], now=now)


def suspend(user_id: int) -> None:
    """Have every device of the user looked at again, and its sockets closed, after the commit."""
    ids = list(Device.objects.filter(user_id=user_id, ended_at=None).values_list("pk", flat=True))
    transaction.on_commit(partial(_told, user_id, ids))


def listed(caller: callers.Caller, *, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the caller's devices that have not ended."""
    live = Device.objects.filter(user_id=caller.user_id, ended_at=None)
    page, after = paging.page(live, "devices", caller.user_id, cursor=cursor, limit=limit)
    items = [{**shape(device), "current": device.pk == caller.device_id} for device in page]
    return {"items": items, "next": after}


def shape(device: Device) -> dict[str, Any]:
    """Return what the API shows of a device."""
    return {
        "id": device.pk,
        "platform": device.platform,
        "name": device.name,
        "created_at": clock.wire(device.created_at),
        "last_seen_at": clock.wire(device.last_seen_at),
    }


def _told(user_id: int, device_ids: list[int]) -> None:
    callers.forget(device_ids)
    if device_ids:
        following.devices_ended(user_id, device_ids)
