"""The site of the admin: who comes in, the menu by task, the pages that belong to no table."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from imsite.core import clock
from imsite.core.limits import RateLimited
from imsite.desk import codes, dashboard, entrance, refusals

# The menu, in the order of how often a task is done; a list says its `task`.
TASKS = ("Reports", "Rules", "People", "Conversations", "Push", "Records", "Other")


class Desk(admin.AdminSite):
    """Where staff work."""

    site_header = "imsite"
    site_title = "imsite"
    index_title = "Dashboard"
    site_url = None
    empty_value_display = "–"
    index_template = "desk/index.html"
    login_form = entrance.LoginForm
    login_template = "desk/login.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in staff who have shown all that is asked of them."""
        return super().has_permission(request) and codes.satisfied(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap every page, so that what it refuses is told as a page."""
        return super().admin_view(refusals.guarded(view), cacheable)

    def get_urls(self) -> list[Any]:
        """Add the pages that belong to no table."""
        own = [path("codes/", self.codes, name="codes")]
        return own + super().get_urls()

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Log in; the address and the name are limited as those of the API are."""
        if codes.is_half_way(request):
            return codes.to_enrolment(request)
        try:
            return super().login(request, extra_context)
        except RateLimited as error:
            return refusals.page(request, error)

    def codes(self, request: HttpRequest) -> HttpResponse:
        """Set up one-time codes: for staff who are in, or only lack them."""
        if not (super().has_permission(request) and codes.may_enrol(request)):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        answer: HttpResponse = refusals.guarded(codes.page)(request, self)
        return answer

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Change one's own password through the domain, which ends one's devices."""
        return entrance.change_password(request, self)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Show the dashboard."""
        seen = dashboard.seen_by(request.user, now=clock.now())
        return super().index(request, {**(extra_context or {}), "dashboard": seen})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the menu: by task, not by the app that happens to keep the table."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        models = [model for app in apps for model in app["models"]]
        return [entry for task in TASKS if (entry := self._heading(task, models))]

    def _heading(self, task: str, models: list[Any]) -> dict[str, Any] | None:
        mine = [model for model in models if self._task(model["model"]) == task]
        if not mine:
            return None
        return {
            "name": task,
            "app_label": task.lower(),
            "app_url": mine[0]["admin_url"],
            "has_module_perms": True,
            "models": mine,
        }

    def _task(self, model: Any) -> str:
        task = getattr(self._registry[model], "task", "Other")
        return task if task in TASKS else "Other"
