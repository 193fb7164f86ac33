"""The queue of reports in the admin: open cases oldest first, and a page to work on each of them."""

from datetime import datetime, timedelta
from typing import Any

import orjson
from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts import bans
from accounts.staffacts import DURATIONS, warrant
from conversations import stewardship
from imsite.core import clock
from imsite.core.desk import keyset, shown
from imsite.core.desk.acts import ActForm
from imsite.core.desk.parts import Panel, Tile, panels, queue_tile, tiles
from imsite.core.desk.readonly import ReadOnly
from messages import wire
from messages.kinds import MAX_TEXT
from messages.models import Case
from messages.moderation import cases, dossier, orders

# Seconds after which a report that nobody looked at is shown in red.
_LATE = timedelta(days=1)
# What each outcome needs beside the right to work on cases, and what it is called.
OUTCOMES = (
    ("dismiss", "Dismiss: it is in order", None),
    ("recall", "Recall the message", orders.ONE),
    ("warn", "Warn the sender", None),
    ("mute", "Mute the sender in this conversation", stewardship.MUTE),
    ("ban", "Ban the sender", bans.PERMISSION),
    ("dissolve", "Dissolve the conversation", stewardship.DISSOLVE),
)


class OutcomeForm(ActForm):
    """How a case is closed."""

    outcome = forms.ChoiceField(widget=forms.RadioSelect)
    seconds = forms.ChoiceField(
        label="Mute or ban for",
        choices=[*DURATIONS, ("", "good (bans only)")],
        required=False,
        initial=DURATIONS[1][0],
    )
    words = forms.CharField(
        label="Words of a warning",
        required=False,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The person reads this; empty: they read the reason.",
    )
    field_order = ("outcome", "seconds", "words", "reason")

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data)
        may = [(name, said) for name, said, right in OUTCOMES if not right or user.has_perm(right)]
        self.fields["outcome"].choices = may  # type: ignore[attr-defined]

    def chosen(self) -> cases.Outcome:
        """Return the outcome that was given."""
        given = self.cleaned_data
        seconds = int(given["seconds"]) if given["seconds"] else None
        return cases.Outcome(name=given["outcome"], seconds=seconds, words=given["words"] or None)


@admin.register(Case)
class CaseAdmin(ReadOnly):
    """Cases: the queue, what was closed, and one at work."""

    task = "Reports"
    subject = "case"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show the queue to whoever may work on it."""
        user: Any = request.user
        return bool(user.has_perm(cases.HANDLE))

    def get_urls(self) -> list[Any]:
        """Add the page that acts."""
        work = self.admin_site.admin_view(self.work)
        return [
            path("<path:object_id>/work/", work, name="messagelog_case_work"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the open cases, oldest first, or those that were closed."""
        actor_id, now = int(request.user.pk or 0), clock.now()
        after = keyset.position(request, keyset.AFTER)
        is_closed = "closed" in request.GET
        if is_closed:
            page = dossier.closed(actor_id, before=after, now=now)
        else:
            page = dossier.queue(actor_id, after=after or 0, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": "Closed cases" if is_closed else "Reports",
            "opts": self.opts,
            "is_closed": is_closed,
            "rows": [_row(case, now) for case in page.cases],
            "next": page.next and f"?{'closed=1&' if is_closed else ''}after={page.next}",
        }
        return TemplateResponse(request, "desk/queue.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show all about a case."""
        if request.method != "GET":
            # Nothing is written here, whoever asks.
            return HttpResponse(status=403)
        return self._page(request, _number(object_id), OutcomeForm(None, request.user))

    def work(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Claim, release or close a case."""
        case_id, now = _number(object_id), clock.now()
        actor_id = int(request.user.pk or 0)
        if request.method not in ("GET", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        form = OutcomeForm(request.POST or None, request.user)
        if "claim" in request.POST:
            until = cases.claim(actor_id, case_id, now=now)
            self.message_user(request, f"Yours until {until:%H:%M} UTC.")
        elif "release" in request.POST:
            cases.release(actor_id, case_id)
        elif request.method == "GET" or not form.is_valid():
            return self._page(request, case_id, form)
        else:
            cases.close(warrant(request, form.cleaned_data["reason"]), case_id, form.chosen())
            self.message_user(request, f"Case {case_id} is closed.")
            return HttpResponseRedirect(reverse("admin:messagelog_case_changelist"))
        return HttpResponseRedirect(reverse("admin:messagelog_case_change", args=[case_id]))

    def _page(self, request: HttpRequest, case_id: int, form: OutcomeForm) -> HttpResponse:
        now = clock.now()
        seen = dossier.one(int(request.user.pk or 0), case_id, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Case {case_id}",
            "opts": self.opts,
            "case": _row(seen.case, now),
            "excerpt": item(seen.excerpt),
            "original": seen.original and item(seen.original),
            "current": seen.current and item(seen.current),
            "before": [item(each) for each in seen.before],
            "after": [item(each) for each in seen.after],
            "reports": [_report(each) for each in seen.reports],
            "earlier": [_row(each, now) for each in seen.earlier],
            "form": form,
            "mine": seen.case.claimed_by_id == request.user.pk,
        }
        return TemplateResponse(request, "desk/case.html", context)


def _number(object_id: str) -> int:
    good = object_id.isascii() and object_id.isdigit() and len(object_id) <= 18
    return int(object_id) if good else 0


def _row(case: Case, now: datetime) -> dict[str, Any]:
    """Return a case as text that changes nothing around it."""
    held = case.closed_at is None and case.claimed_until is not None and case.claimed_until > now
    excerpt = wire.decode(case.excerpt)
    return {
        "id": case.pk,
        "url": reverse("admin:messagelog_case_change", args=[case.pk]),
        "work": reverse("admin:messagelog_case_work", args=[case.pk]),
        "person": shown.text(case.accused, 40),
        "person_url": reverse("admin:accounts_user_change", args=[case.accused_id]),
        "said": item(excerpt, 120)["said"],
        "conversation_id": case.conversation_id,
        "conversation_url": reverse(
            "admin:conversations_conversation_change", args=[case.conversation_id]
        ),
        "seq": case.seq,
        "reports": getattr(case, "report_count", None),
        "opened_at": case.opened_at,
        "late": case.closed_at is None and now - case.opened_at > _LATE,
        "claimed_by": shown.text(case.claimed_by, 40) if held else None,
        "claimed_until": case.claimed_until if held else None,
        "closed_at": case.closed_at,
        "outcome": case.outcome,
        "reason": shown.text(case.reason, 500) if case.reason else "",
    }


def item(found: dict[str, Any], limit: int = 1000) -> dict[str, Any]:
    """Return an item of a log as text that changes nothing around it."""
    return {
        "seq": found["seq"],
        "conversation_id": found.get("conversation_id"),
        "kind": found["kind"],
        "sender_id": found["sender_id"],
        "sender_url": reverse("admin:accounts_user_change", args=[found["sender_id"]]),
        "sent_at": found["sent_at"],
        "edited": "edited_at" in found,
        "recalled": "recalled_at" in found,
        "said": shown.text(words(found), limit),
    }


def words(found: dict[str, Any]) -> str:
    """Return what an item says, of whatever kind, as one text."""
    body = orjson.dumps(found["body"]).decode() if found.get("body") else ""
    return " ".join(part for part in (str(found.get("text") or ""), body) if part)


def _report(report: Any) -> dict[str, Any]:
    who = "a content rule" if report.reporter is None else report.reporter
    return {
        "who": shown.text(who, 40),
        "at": report.created_at,
        "reason": shown.text(report.reason, 100),
        "note": shown.text(report.note, 1000) if report.note else "",
        "said": item(wire.decode(report.excerpt))["said"],
    }


def open_reports(*, now: datetime) -> Tile:
    """Return how many cases are open, counted up to a hundred, and how old the oldest is."""
    count, oldest = dossier.backlog()
    url = reverse("admin:messagelog_case_changelist")
    return queue_tile("Open reports", count, oldest, late=_LATE, now=now, url=url)


def cases_against(user_id: int, *, now: datetime) -> Panel:
    """Return what was reported of a person, the newest first."""
    return Panel(
        title="Reports of what this person sent",
        columns=["case", "opened", "outcome", "reason"],
        rows=[
            [
                shown.text(case.pk),
                f"{case.opened_at:%Y-%m-%d %H:%M}",
                case.outcome or "open",
                case.reason,
            ]
            for case in dossier.against(user_id)
        ],
    )


tiles.register(cases.HANDLE, open_reports)
panels.register(cases.HANDLE, cases_against)
