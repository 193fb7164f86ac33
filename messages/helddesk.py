"""Held messages in the admin: the queue, oldest first, and the two ways out of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts.staffacts import plainly, warrant
from imsite.core.desk import shown
from imsite.core.desk.acts import Act, Acting, offer
from imsite.core.desk.parts import Tile, queue_tile, tiles
from messages.models import Held
from messages.policy import content, releasing

# A message that waited for so long is shown in red.
_LATE = timedelta(hours=4)


class Waiting(admin.SimpleListFilter):
    """What waits, unless something else is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices beside what waits."""
        return [("decided", "Decided"), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Call it by its name when nothing is asked for."""
        for n, choice in enumerate(super().choices(changelist)):
            yield choice if n else {**choice, "display": "Waiting"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are meant."""
        if self.value() == "all":
            return queryset
        return queryset.filter(decided_at__isnull=self.value() != "decided")


@admin.register(Held)
class HeldAdmin(Acting):
    """Held messages: the queue, and what was decided lately."""

    task = "Rules"
    subject = "held"
    list_display = ["id", "held_at", "sender", "conversation_id", "rule_name", "said", "state"]
    list_filter = [Waiting]
    list_select_related = ["sender"]
    fields = [
        "sender", "conversation_id", "rule_name", "said", "state", "held_at", "decided_at",
        "decided_by_id", "reason", "seq",
    ]  # fmt: skip

    def oldest_first(self, request: HttpRequest) -> bool:
        """Put what has waited longest first; what was decided, newest first."""
        return Waiting.parameter_name not in request.GET

    @admin.display(description="message")
    def said(self, held: Held) -> Any:
        """Return what it says while it waits."""
        if not held.message:
            return ""
        message = orjson.loads(held.message)
        strings = content.strings(message["kind"], message["text"], message["body"])
        return shown.text(" · ".join(strings), 1000)


def _release(request: HttpRequest, held: Held, given: Mapping[str, Any]) -> str:
    seq = releasing.release(warrant(request, given["reason"]), held.pk)
    return f"It stands in the log as item {seq}."


offer(
    "messagelog.held",
    Act(
        name="release",
        title="Let through",
        permission=releasing.DECIDE,
        do=_release,
        note="It is appended now, as its sender's.",
        fits=lambda held: held.decided_at is None,
    ),
    Act(
        name="refuse",
        title="Refuse",
        permission=releasing.DECIDE,
        do=plainly(releasing.refuse, "It is gone; its sender is told."),
        grave=True,
        note="The message is deleted, and its sender reads the reason.",
        fits=lambda held: held.state == "waiting",
    ),
)


def waiting(*, now: datetime) -> Tile:
    """Return how many messages wait, counted up to a hundred, and for how long the oldest does."""
    count, oldest = releasing.backlog()
    url = reverse("admin:messagelog_held_changelist")
    return queue_tile("Held messages", count, oldest, late=_LATE, now=now, url=url)


tiles.register(releasing.DECIDE, waiting)
