"""What staff may do with an entry or its sender from their pages in the admin."""

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.models import User
from accounts.staffacts import warrant
from imsite.core.desk.acts import Act, ActForm, offer
from messages.kinds import MAX_TEXT
from messages.models import Entry
from messages.moderation import cases, letters, orders


class WarnForm(ActForm):
    """What the person is told, and why."""

    words = forms.CharField(
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The person reads this as a direct message of the system.",
    )
    field_order = ("words", "reason")


def _recall(request: HttpRequest, entry: Entry, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    order_id = orders.recall_one(act, entry.conversation_id, entry.seq)
    return f"Recalled by order {order_id}, which can be undone for a time."


def _warn(request: HttpRequest, user: User, given: Mapping[str, Any]) -> str:
    act = warrant(request, given["reason"])
    letters.warn(act, user.pk, about=f"warning:{uuid.uuid4()}", text=given["words"])
    return "The warning is on its way."


offer(
    "messagelog.entry",
    Act(
        name="recall",
        title="Recall",
        permission=orders.ONE,
        do=_recall,
        note="Members see a stub in its place.",
        fits=lambda entry: entry.recalled_at is None and entry.client_id is not None,
    ),
)
offer(
    "accounts.user",
    Act(
        name="warn",
        title="Warn",
        permission=cases.HANDLE,
        form=WarnForm,
        do=_warn,
        fits=lambda user: user.deleted_at is None,
    ),
)
