"""The page of the admin that tells why a message woke somebody's devices or did not."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.admin import person
from imsite.core import clock
from imsite.core.desk import shown
from imsite.core.errors import NotFound
from imsite.core.shapes import MAX_ID
from push import why

PERMISSION = "push.view_decision"
# What clients and providers wrote.
_HOSTILE = ("name", "platform", "detail")


class Question(forms.Form):
    """Whose devices, and which entry."""

    user = forms.CharField(max_length=40, label="User (id or name)")
    conversation_id = forms.IntegerField(min_value=1, max_value=MAX_ID, label="Conversation id")
    seq = forms.IntegerField(min_value=1, max_value=MAX_ID, label="Seq")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the form, and the answer once it is filled in; for staff who may see decisions."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    form = Question(request.GET or None)
    found = _explained(form) if form.is_valid() else None
    told = {**admin.site.each_context(request), "title": "Why a push", "form": form, "found": found}
    return TemplateResponse(request, "push/why.html", told)


def _explained(form: Question) -> dict[str, Any] | None:
    asked = form.cleaned_data
    try:
        found = why.explain(
            person(asked["user"]), asked["conversation_id"], asked["seq"], now=clock.now()
        )
    except NotFound:
        form.add_error(None, "There is no such entry, or this user is not in the conversation.")
        return None
    return {**found, "devices": [_tamed(device) for device in found["devices"]]}


def _tamed(told: dict[str, Any]) -> dict[str, Any]:
    """Return a device or a step with its texts shown as hostile."""
    steps = [_tamed(step) for step in told.get("steps", [])]
    texts = {name: shown.text(told[name]) for name in _HOSTILE if told.get(name)}
    return {**told, **texts, "steps": steps}


view = admin.site.admin_view(page)
