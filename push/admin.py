"""Pushes in the admin: where and how a person is woken, and what was decided; never what would wake them."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import ByPerson
from imsite.core import clock
from imsite.core.desk import shown
from imsite.core.desk.acts import Acting
from imsite.core.desk.parts import Panel, Tile, panels, tiles
from imsite.core.desk.readonly import ReadOnly
from push import (
    preferences,
    support,  # noqa: F401 - offers its acts
)
from push.models import Debt, Decision, PushSettings, PushToken

# Rows of a panel.
_FEW = 20
_WRONG = ("failed", "given_up")
_MOST = 1_000
# Longer than a provider's hiccup: what is due that long has nobody to send it.
_LATE = timedelta(minutes=10)


@admin.register(PushToken)
class PushTokenAdmin(Acting):
    """Tokens: of which device, with which provider; the token itself is a secret."""

    task = "Push"
    list_display = ["device", "user", "provider", "app", "created_at"]
    list_filter = [ByPerson, "provider"]
    list_select_related = ["device", "user"]
    fields = ["device", "user", "provider", "app", "created_at"]


@admin.register(PushSettings)
class PushSettingsAdmin(ReadOnly):
    """How people want to be woken, as far as they said so."""

    task = "Push"
    list_display = ["user", "preview", "quiet_hours"]
    list_filter = [ByPerson]
    list_select_related = ["user"]
    fields = ["user", "preview", "quiet_hours"]

    @admin.display(description="quiet hours")
    def quiet_hours(self, row: PushSettings) -> str | None:
        """Tell from when to when, and on which clock."""
        found = preferences.kept(row).shape()["quiet_hours"]
        return found and f"{found['start']}–{found['end']} {found['tz']}"


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    """What was decided about waking a device, and why, for as long as it is kept."""

    task = "Push"
    list_display = [
        "at",
        "user_id",
        "device_id",
        "conversation_id",
        "entries",
        "outcome",
        "detail",
        "why",
    ]
    list_filter = [ByPerson]
    fields = [
        "at",
        "user_id",
        "device_id",
        "conversation_id",
        "entries",
        "outcome",
        "detail",
        "why",
    ]

    @admin.display
    def entries(self, row: Decision) -> str:
        """Tell the range it is about."""
        return f"{row.from_seq}–{row.to_seq}"

    @admin.display(description="")
    def why(self, row: Decision) -> str:
        """Link to all that is known of the newest of these entries."""
        return _why(row)


def _why(row: Decision) -> str:
    asked = {"user": row.user_id, "conversation_id": row.conversation_id, "seq": row.to_seq}
    return format_html('<a href="{}?{}">why?</a>', reverse("push_why"), urlencode(asked))


def tokens(user_id: int, *, now: datetime) -> Panel:
    """Return the push tokens of a person."""
    found = PushToken.objects.filter(user_id=user_id).order_by("-pk")
    rows: list[list[Any]] = [
        [each.pk, each.provider, each.app, f"{each.created_at:%Y-%m-%d %H:%M}"]
        for each in found.defer("token")[:_FEW]
    ]
    return Panel(title="Push tokens", columns=["device", "provider", "app", "since"], rows=rows)


def decisions(user_id: int, *, now: datetime) -> Panel:
    """Return what was decided lately about waking a person."""
    found = Decision.objects.filter(user_id=user_id).order_by("-pk")[:_FEW]
    rows: list[list[Any]] = [
        [clock.wire(row.at), row.device_id, row.conversation_id, f"{row.from_seq}–{row.to_seq}",
         row.outcome, shown.text(row.detail), _why(row)]
        for row in found
    ]  # fmt: skip
    columns = ["at", "device", "conversation", "entries", "outcome", "detail", ""]
    url = f"{reverse('admin:push_decision_changelist')}?user={user_id}"
    return Panel(title="Pushes decided", columns=columns, rows=rows, url=url)


panels.register("push.view_pushtoken", tokens)
panels.register("push.view_decision", decisions)


def failures(*, now: datetime) -> Tile:
    """Return how many pushes failed within the hour, and whether some are owed for too long."""
    wrong = Decision.objects.filter(at__gte=now - timedelta(hours=1), outcome__in=_WRONG)
    # Counted up to a thousand: more is no other news.
    failed = len(wrong.order_by()[:_MOST].values_list("pk"))
    late = Debt.objects.filter(due_at__lt=now - _LATE).exists()
    return Tile(
        title="Push failures, last hour",
        value=f"{_MOST}+" if failed == _MOST else str(failed),
        note=f"some are owed for more than {_LATE.seconds // 60} min"
        if late
        else "none waits long",
        alarm=late or failed == _MOST,
        url=reverse("admin:push_decision_changelist"),
    )


tiles.register("push.view_decision", failures)
