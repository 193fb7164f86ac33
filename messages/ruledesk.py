"""Content rules in the admin: write one, try it on last week's log, switch it on and off."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.staffacts import plainly, warrant
from imsite.core.desk import shown
from imsite.core.desk.acts import Act, ActForm, Acting, offer
from imsite.core.errors import InvalidRequest
from messages.models import PolicyRule
from messages.policy import rules, testbox


class RuleForm(ActForm):
    """All of a rule; what fits together is for `rules.check` to say."""

    name = forms.CharField(max_length=100, help_text="For staff; flagged messages name it.")
    kind = forms.ChoiceField(choices=PolicyRule.KINDS)
    patterns = forms.CharField(
        label="Lines",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="One a line: cat, cat*, *cat*; regular expressions; evil.example. A flood has none.",
    )
    action = forms.ChoiceField(choices=PolicyRule.ACTIONS)
    scope = forms.ChoiceField(choices=PolicyRule.SCOPES)
    conversation_id = forms.IntegerField(
        label="Conversation", required=False, help_text="For the scope of one conversation: its id."
    )
    exempt_admins = forms.BooleanField(label="Spare owner and admins of a group", required=False)
    told = forms.CharField(
        label="What a refused sender reads",
        required=False,
        max_length=200,
        help_text="Empty: the usual sentence.",
    )
    times = forms.IntegerField(initial=5, help_text="A flood: more than so many …")
    seconds = forms.IntegerField(initial=60, help_text="… in so many seconds …")
    counted = forms.ChoiceField(choices=PolicyRule.COUNTED, help_text="… of one sender or of all …")
    least = forms.IntegerField(
        initial=10, help_text="… of a text with at least so many characters."
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.order_fields([name for name in self.fields if name != "reason"])

    def given(self) -> dict[str, Any]:
        """Return the fields of the rule."""
        return {name: self.cleaned_data[name] for name in rules.FIELDS}

    def refuse(self, error: InvalidRequest) -> None:
        """Show beside each field what is wrong with it."""
        for name, problems in (error.data or {}).get("fields", {}).items():
            self.add_error(name if name in self.fields else None, problems)


@admin.register(PolicyRule)
class RuleAdmin(Acting):
    """Rules, the newest first."""

    task = "Rules"
    subject = "rule"
    list_display = ["id", "name", "enabled", "kind", "action", "scope", "hits", "hit_at"]
    list_filter = ["enabled"]
    fields = [
        "name", "enabled", "kind", "patterns", "action", "scope", "conversation_id",
        "exempt_admins", "times", "seconds", "counted", "least", "told", "changed_at", "hits", "hit_at",
    ]  # fmt: skip
    change_list_template = "policy/rules.html"

    def get_urls(self) -> list[Any]:
        """Add the pages on which a rule is written and tried."""
        write = self.admin_site.admin_view(self.write)
        return [
            path("new/", write, name="messagelog_policyrule_new"),
            path("<path:object_id>/write/", write, name="messagelog_policyrule_write"),
            *super().get_urls(),
        ]

    def links_for(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Put the page that writes before the acts."""
        links = super().links_for(request, row)
        if not _may_write(request):
            return links
        url = reverse("admin:messagelog_policyrule_write", args=[row.pk])
        return [{"title": "Change or try", "grave": False, "url": url}, *links]

    def write(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """Show the form (GET); try the rule, or keep it (POST)."""
        if not _may_write(request):
            raise PermissionDenied
        rule = None if object_id is None else self.get_object(request, object_id)
        if object_id is not None and rule is None:
            raise Http404
        usual = rule and {name: getattr(rule, name) for name in rules.FIELDS}
        form = RuleForm(request.POST if request.method == "POST" else None, initial=usual)
        trial = None
        if request.method == "POST" and form.is_valid():
            try:
                if "try" not in request.POST:
                    return self._save(request, rule, form)
                act = warrant(request, form.cleaned_data["reason"])
                trial = testbox.run(act, form.given(), rule_id=rule and rule.pk)
            except InvalidRequest as error:
                form.refuse(error)
        return self._page(request, rule, form, trial)

    def _save(self, request: HttpRequest, rule: Any, form: RuleForm) -> HttpResponse:
        act = warrant(request, form.cleaned_data["reason"])
        kept = rules.save(act, rule and rule.pk, form.given())
        self.message_user(request, "Kept." if kept.enabled else "Kept. It is not switched on.")
        return HttpResponseRedirect(reverse("admin:messagelog_policyrule_change", args=[kept.pk]))

    def _page(
        self, request: HttpRequest, rule: Any, form: RuleForm, trial: testbox.Trial | None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "New rule" if rule is None else "Rule",
            "subtitle": rule and shown.tame(rule.name, 60),
            "opts": self.opts,
            "form": form,
            "trial": trial,
            "hits": [_hit(each) for each in trial.shown] if trial else [],
        }
        return TemplateResponse(request, "policy/rule.html", context)

    def _back(self, request: HttpRequest, row: Any) -> str:
        if self.get_object(request, str(row.pk)) is None:
            return reverse("admin:messagelog_policyrule_changelist")
        return super()._back(request, row)


def _may_write(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm(rules.WRITE))


def _hit(hit: testbox.Hit) -> dict[str, Any]:
    return {
        "conversation_id": hit.conversation_id,
        "seq": hit.seq,
        "sender_id": hit.sender_id,
        "sent_at": hit.sent_at,
        "text": shown.text(hit.text, 300),
        "becomes": hit.becomes and shown.text(hit.becomes, 300),
    }


def _switch(request: HttpRequest, rule: PolicyRule, given: Mapping[str, Any]) -> str:
    rules.switch(warrant(request, given["reason"]), rule.pk, enabled=not rule.enabled)
    return "It is in force everywhere within a second or two."


offer(
    "messagelog.policyrule",
    Act(
        name="enable",
        title="Switch on",
        permission=rules.WRITE,
        do=_switch,
        fits=lambda rule: not rule.enabled,
    ),
    Act(
        name="disable",
        title="Switch off",
        permission=rules.WRITE,
        do=_switch,
        fits=lambda rule: rule.enabled,
    ),
    Act(
        name="remove",
        title="Delete",
        permission=rules.WRITE,
        do=plainly(rules.delete, "The rule is gone."),
        grave=True,
        note="What it held, flagged or masked stays so.",
    ),
)
