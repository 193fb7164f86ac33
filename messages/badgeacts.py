"""Shows support the entries behind a person's badge, from the person's page in the admin."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from accounts.staffacts import warrant
from imsite.core.desk.acts import Act, offer
from messages import badge, casedesk


def _explain(request: HttpRequest, user: User, given: Mapping[str, Any]) -> TemplateResponse:
    found = badge.explain(warrant(request, given["reason"]), user.pk)
    context = {
        **admin.site.each_context(request),
        "title": "Why the badge says so",
        "user_id": user.pk,
        "back": reverse("admin:accounts_user_change", args=[user.pk]),
        "badge": found,
        "parts": [_part(each) for each in found.parts],
    }
    return TemplateResponse(request, "desk/badge.html", context)


def _part(part: badge.Part) -> dict[str, Any]:
    place = part.conversation_id
    return {
        "id": place,
        "url": reverse("admin:conversations_conversation_change", args=[place]),
        "unread": part.unread,
        "read_seq": part.read_seq,
        "why_not": part.why_not,
        "items": [casedesk.item(item, 120) for item in part.items],
        "more": part.unread - len(part.items),
    }


offer(
    "accounts.user",
    Act(
        name="badge",
        title="Why is the badge so",
        permission=badge.PERMISSION,
        do=_explain,
        fits=lambda user: user.deleted_at is None,
        note="Shows what others wrote to this person and they have not read.",
    ),
)
