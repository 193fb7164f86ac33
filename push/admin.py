"""Push tokens in the admin: where a person can be woken, without what would wake them."""

from datetime import datetime
from typing import Any

from django.contrib import admin

from accounts.admin import ByPerson
from imsite.core.desk.parts import Panel, panels
from imsite.core.desk.readonly import ReadOnly
from push.models import PushToken


@admin.register(PushToken)
class PushTokenAdmin(ReadOnly):
    """Tokens: of which device, with which provider; the token itself is a secret."""

    task = "Push"
    list_display = ["device", "user", "provider", "app", "created_at"]
    list_filter = [ByPerson, "provider"]
    list_select_related = ["device", "user"]
    fields = ["device", "user", "provider", "app", "created_at"]


def tokens(user_id: int, *, now: datetime) -> Panel:
    """Return the push tokens of a person."""
    found = PushToken.objects.filter(user_id=user_id).select_related("device").order_by("-pk")
    rows: list[list[Any]] = [
        [each.device_id, each.provider, each.app, f"{each.created_at:%Y-%m-%d %H:%M}"]
        for each in found[:20]
    ]
    return Panel(title="Push tokens", columns=["device", "provider", "app", "since"], rows=rows)


panels.register("push.view_pushtoken", tokens)
