"""What accounts add to a person's page in the admin: their devices and blocks."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import Block, Device
from imsite.core.desk import shown
from imsite.core.desk.parts import Panel, panels

# Rows of a panel: the rest is in the list.
_SHOWN = 20


def devices_of(user_id: int, *, now: datetime) -> Panel:
    """Return a person's devices, those seen last first."""
    found = Device.objects.filter(user_id=user_id).order_by("-last_seen_at")[:_SHOWN]
    listed = reverse("admin:accounts_device_changelist")
    return Panel(
        title="Devices",
        columns=["device", "platform", "name", "signed in", "last seen", "ended"],
        rows=[_device(device) for device in found],
        url=f"{listed}?user={user_id}",
    )


def _device(device: Device) -> list[Any]:
    link = reverse("admin:accounts_device_change", args=[device.pk])
    ended = device.ended_at
    return [
        format_html('<a href="{}">{}</a>', link, device.pk),
        shown.text(device.platform, 40),
        shown.text(device.name, 60),
        f"{device.created_at:%Y-%m-%d %H:%M}",
        f"{device.last_seen_at:%Y-%m-%d %H:%M}",
        f"{ended:%Y-%m-%d %H:%M}" if ended else "–",
    ]


def blocks_of(user_id: int, *, now: datetime) -> Panel:
    """Return whom a person blocks, and who blocks them."""
    theirs = Q(blocker_id=user_id) | Q(blocked_id=user_id)
    found = Block.objects.filter(theirs).select_related("blocker", "blocked").order_by("-pk")
    rows = [
        [shown.text(each.blocker, 40), shown.text(each.blocked, 40), f"{each.created_at:%Y-%m-%d}"]
        for each in found[:_SHOWN]
    ]
    return Panel(title="Blocks", columns=["who", "blocks", "since"], rows=rows)


panels.register("accounts.view_device", devices_of)
panels.register("accounts.view_block", blocks_of)
