"""Orders to recall in the admin: choose, see what it would be, order it, watch it, undo it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.module_loading import import_string

from accounts.admin import person
from accounts.staffacts import warrant
from imsite.core import clock
from imsite.core.desk import shown
from imsite.core.desk.acts import Act, ActForm, Acting, offer
from imsite.core.desk.typed import number
from messages.casedesk import item
from messages.models import RecallOrder
from messages.moderation import orders
from messages.moderation.selection import Selection

# Not imported before it is needed: every process loads the admin, and Celery is slow to load.
_RING = "messages.tasks.ring"
# The one reason that a look needs; nothing comes of it, so nothing is recorded.
_LOOKING = "preview"


class SelectionForm(forms.Form):
    """Which messages: at least a person, a conversation or a phrase."""

    sender = forms.CharField(
        required=False, max_length=80, help_text="Who sent it: id or username."
    )
    conversation = forms.CharField(required=False, max_length=16, help_text="The id.")
    since = forms.DateTimeField(required=False, help_text="2026-11-23 14:50:00, in UTC.")
    until = forms.DateTimeField(required=False, help_text="Empty: up to now.")
    phrase = forms.CharField(
        required=False,
        max_length=200,
        help_text="Words that stand side by side, in capitals or not.",
    )

    def chosen(self, *, now: datetime) -> Selection:
        """Return what was asked for, up to this moment, so that what is confirmed is what was seen."""
        given = self.cleaned_data
        until = given["until"] or now
        return Selection(
            sender_id=person(given["sender"]) if given["sender"] else None,
            conversation_id=(number(given["conversation"]) or 0) if given["conversation"] else None,
            since=given["since"],
            until=min(until, now),
            phrase=given["phrase"] or None,
        )


class ConfirmForm(ActForm):
    """The selection that was looked at, and why."""

    chosen = forms.CharField(max_length=2_000, widget=forms.HiddenInput)


@admin.register(RecallOrder)
class RecallOrderAdmin(Acting):
    """Orders, the newest first."""

    task = "Reports"
    subject = "order"
    list_display = ["id", "ordered_by", "ordered_at", "recalled", "state", "reason"]
    list_select_related = ["ordered_by"]
    fields = [
        "ordered_by", "ordered_at", "reason", "selection", "progress", "recalled", "state",
        "undone_by", "undone_at", "restored",
    ]  # fmt: skip
    change_list_template = "desk/orders.html"
    change_form_template = "desk/order.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show orders to whoever may give some."""
        user: Any = request.user
        return bool(user.has_perm(orders.ONE) or user.has_perm(orders.MANY))

    def get_urls(self) -> list[Any]:
        """Add the page on which many are chosen."""
        new = self.admin_site.admin_view(self.new)
        return [path("new/", new, name="messagelog_recallorder_new"), *super().get_urls()]

    @admin.display(description="state")
    def state(self, order: RecallOrder) -> str:
        """Say how far it is."""
        if order.undone_at is not None:
            return "undone" if order.settled_at else f"put back {order.restored} so far"
        return "done" if order.done_at else f"{order.recalled} of {order.expected} so far"

    @admin.display(description="messages")
    def selection(self, order: RecallOrder) -> Any:
        """Say which messages were meant."""
        return shown.text(", ".join(_told(Selection.load(order.chosen))), 500)

    @admin.display(description="progress")
    def progress(self, order: RecallOrder) -> str:
        """Return nothing: the page draws it."""
        return self.state(order)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show an order; while it is at work the page asks again by itself."""
        order = self.get_object(request, object_id)
        busy = order is not None and not (
            order.settled_at or (order.done_at and not order.undone_at)
        )
        more = {**(extra_context or {}), "order": order, "busy": busy}
        return super().change_view(request, object_id, form_url, more)

    def new(self, request: HttpRequest) -> HttpResponse:
        """Choose and look (GET), order (POST)."""
        user: Any = request.user
        if not user.has_perm(orders.MANY):
            raise PermissionDenied
        confirm = ConfirmForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and confirm.is_valid():
            return self._order(request, confirm.cleaned_data)
        form = SelectionForm(request.GET or None)
        seen = None
        if form.is_bound and form.is_valid() and request.method == "GET":
            chosen = form.chosen(now=clock.now())
            seen = orders.look(warrant(request, _LOOKING), chosen)
            confirm = ConfirmForm(initial={"chosen": chosen.dump()})
        context = {
            **self.admin_site.each_context(request),
            "title": "Recall many messages",
            "opts": self.opts,
            "form": form,
            "confirm": confirm,
            "seen": seen,
            "sample": [item(each, 200) for each in seen.sample] if seen else [],
        }
        return TemplateResponse(request, "desk/recall.html", context)

    def _order(self, request: HttpRequest, given: Mapping[str, Any]) -> HttpResponse:
        act = warrant(request, given["reason"])
        order_id = orders.place(act, Selection.load(given["chosen"]))
        _begin(order_id)
        return HttpResponseRedirect(reverse("admin:messagelog_recallorder_change", args=[order_id]))


def _begin(order_id: int) -> None:
    """Do the first step here, so that small orders are done at once; a worker does the rest."""
    if orders.step(order_id, now=clock.now()):
        import_string(_RING)(order_id)


def _told(chosen: Selection) -> list[str]:
    def said(value: object) -> str:
        if isinstance(value, datetime):
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        return str(value)

    return [f"{name.removesuffix('_id')}: {said(value)}" for name, value in chosen.told().items()]


def _undo(request: HttpRequest, order: RecallOrder, given: Mapping[str, Any]) -> str:
    orders.undo(warrant(request, given["reason"]), order.pk)
    _begin(order.pk)
    return "What can be put back is put back."


offer(
    "messagelog.recallorder",
    Act(
        name="undo",
        title="Put back",
        permission=orders.ONE,
        do=_undo,
        note="What its sender recalled too stays recalled.",
        fits=lambda order: order.undone_at is None and order.recalled > 0,
    ),
)
