"""The page of the admin that tells why a message woke somebody's devices or did not."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from imsite.core import clock
from imsite.core.errors import NotFound
from imsite.core.shapes import MAX_ID
from push import why

PERMISSION = "push.view_decision"


class Question(forms.Form):
    """Whose devices, and which entry."""

    user_id = forms.IntegerField(min_value=1, max_value=MAX_ID, label="User id")
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
        return why.explain(
            asked["user_id"], asked["conversation_id"], asked["seq"], now=clock.now()
        )
    except NotFound:
        form.add_error(None, "There is no such entry, or this user is not in the conversation.")
        return None


view = admin.site.admin_view(page)
