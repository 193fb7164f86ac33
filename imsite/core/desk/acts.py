"""Acts of staff on a row of the admin: a link on its page, a form with a reason, one domain call.

An app offers an act for a model of its own or of an app below; the model's admin shows those that
whoever looks has the permission for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse

from imsite.core.desk import shown
from imsite.core.desk.readonly import ReadOnly

_LONGEST_REASON = 500


class ActForm(forms.Form):
    """What every act asks for; those who need more derive from it."""

    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        # Kept as it was typed; what shows nothing is refused by the domain.
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the audit log.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act: its name in the address, its title, who may, what it asks for, and the call.

    `do` gets the request, the row and the cleaned form, and says in a sentence what was done, or
    gives the answer itself: a file, or a page that shows what was asked for. `grave`
    marks what cannot be undone; `fits` says for which rows it makes sense.
    """

    name: str
    title: str
    permission: str
    do: Callable[[HttpRequest, Any, Mapping[str, Any]], str | HttpResponseBase]
    form: type[ActForm] = ActForm
    note: str = ""
    grave: bool = False
    fits: Callable[[Any], bool] = bool


_offered: dict[str, list[Act]] = {}


def offer(label: str, *acts: Act) -> None:
    """Add acts to the pages of a model, `app.model` in small letters."""
    kept = _offered.setdefault(label, [])
    kept += [act for act in acts if act.name not in {each.name for each in kept}]


class Acting(ReadOnly):
    """Rows that are only shown, with the acts that were offered for them."""

    def acts(self) -> list[Act]:
        """Return what was offered for this model."""
        return _offered.get(self.opts.label_lower, [])

    def get_urls(self) -> list[Any]:
        """Add a page for each act."""
        own = [
            path(
                f"<path:object_id>/{act.name}/",
                self.admin_site.admin_view(partial(self.act_view, act=act)),
                name=self._url_name(act.name),
            )
            for act in self.acts()
        ]
        return own + super().get_urls()

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the row and what may be done with it."""
        found = self.get_object(request, object_id)
        links = [] if found is None else self.links_for(request, found)
        context = {**(extra_context or {}), "acts": links}
        return super().change_view(request, object_id, form_url, context)

    def links_for(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the acts that whoever looks may do with this row."""
        user: Any = request.user
        return [
            {"title": act.title, "grave": act.grave, "url": self._url(act, row)}
            for act in self.acts()
            if user.has_perm(act.permission) and act.fits(row)
        ]

    def _url(self, act: Act, row: Any) -> str:
        return reverse(f"admin:{self._url_name(act.name)}", args=[row.pk])

    def act_view(self, request: HttpRequest, object_id: str, *, act: Act) -> HttpResponseBase:
        """Ask for what the act needs, do it, and go back to the row."""
        user: Any = request.user
        if not user.has_perm(act.permission):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        form = act.form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            done = act.do(request, row, form.cleaned_data)
            if isinstance(done, HttpResponseBase):
                return done
            self.message_user(request, done)
            return HttpResponseRedirect(self._back(request, row))
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "subtitle": str(row.pk),
            "opts": self.opts,
            "about": shown.tame(row, 100),
            "back": self._back(request, row),
            "act": act,
            "form": form,
        }
        return TemplateResponse(request, "desk/act.html", context)

    def _back(self, request: HttpRequest, row: Any) -> str:
        if not self.has_view_permission(request, row):
            return reverse("admin:index")
        return reverse(f"admin:{self._url_name('change')}", args=[row.pk])
