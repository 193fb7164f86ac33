"""People, their devices, their blocks and the audit log in the admin: to look at."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from accounts import (  # noqa: F401 - some register themselves
    audit,
    audit_files,
    names,
    personpanels,
    profiles,
    staffacts,
    supportacts,
    useracts,
)
from accounts.models import AuditEntry, Block, Device, User
from imsite.core import clock
from imsite.core.desk.acts import ActForm, Acting
from imsite.core.desk.parts import panels
from imsite.core.desk.readonly import ReadOnly
from imsite.core.desk.typed import Typed, number


class ByPerson(Typed):
    """Rows of one person, by id or name."""

    title = "person (id or name)"
    parameter_name = "user"
    column = "user_id"

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the rows of this person."""
        return rows.filter(**{self.column: person(value)})


def person(typed: str) -> int:
    """Return the id that is meant by a number or a username; 0 for nobody's."""
    given = number(typed)
    if given is not None:
        return given
    key = names.key(typed.removeprefix("@"))
    return User.objects.filter(username_key=key).values_list("pk", flat=True).first() or 0


class Standing(admin.SimpleListFilter):
    """Who is banned, deleted, or neither."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("banned", "Banned"), ("deleted", "Deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those who stand so."""
        field = {"banned": "banned_at", "deleted": "deleted_at"}.get(self.value() or "")
        return queryset.filter(**{f"{field}__isnull": False}) if field else queryset


@admin.register(User)
class UserAdmin(Acting):
    """People, without their password hash."""

    task = "People"
    subject = "user"
    list_display = ["id", "username", "display_name", "kind", "created_at", "standing"]
    list_filter = [Standing, "kind", "is_staff"]
    search_fields = ["username_key"]
    search_help_text = "The beginning of a username or of a name, or an id."
    fields = [
        "id", "username", "display_name", "bio", "kind", "created_at", "standing", "ban_reason",
        "is_staff", "is_superuser", "staff_groups", "last_login",
    ]  # fmt: skip

    def search(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find people by the beginning of a name, or by id."""
        given = number(term)
        return rows.filter(profiles.named_like(term)) if given is None else rows.filter(pk=given)

    @admin.display(description="standing")
    def standing(self, user: User) -> str:
        """Say in words how an account stands."""
        if user.deleted_at is not None:
            return f"deleted {user.deleted_at:%Y-%m-%d %H:%M}"
        if user.banned_at is None:
            return "good"
        until = user.banned_until
        return f"banned until {until:%Y-%m-%d %H:%M}" if until else "banned for good"

    @admin.display(description="groups")
    def staff_groups(self, user: User) -> str:
        """Name the groups of a member of staff."""
        return ", ".join(user.groups.values_list("name", flat=True)) or "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Add what every app holds of the person."""
        found = self.get_object(request, object_id)
        about = found and panels.seen_by(request.user, found.pk, now=clock.now())
        more = {**(extra_context or {}), "panels": about}
        return super().change_view(request, object_id, form_url, more)


class Live(admin.SimpleListFilter):
    """Devices that are signed in, or no longer."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("live", "Signed in"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those in this state."""
        asked = {"live": True, "ended": False}.get(self.value() or "")
        return queryset if asked is None else queryset.filter(ended_at__isnull=asked)


@admin.register(Device)
class DeviceAdmin(Acting):
    """Signed-in clients, without their salt."""

    task = "People"
    subject = "device"
    list_display = ["id", "user", "platform", "name", "created_at", "last_seen_at", "ended_at"]
    list_filter = [ByPerson, Live]
    list_select_related = ["user"]
    fields = ["id", "user", "platform", "name", "created_at", "last_seen_at", "ended_at"]


class ByBlocker(ByPerson):
    """Blocks by one person."""

    title = "who blocks"
    parameter_name = "blocker"
    column = "blocker_id"


class ByBlocked(ByPerson):
    """Blocks of one person."""

    title = "who is blocked"
    parameter_name = "blocked"
    column = "blocked_id"


@admin.register(Block)
class BlockAdmin(ReadOnly):
    """Who blocks whom."""

    task = "People"
    list_display = ["id", "blocker", "blocked", "created_at"]
    list_filter = [ByBlocker, ByBlocked]
    list_select_related = ["blocker", "blocked"]
    fields = ["id", "blocker", "blocked", "created_at"]


class ByActor(ByPerson):
    """What one member of staff did."""

    title = "who acted"
    parameter_name = "actor"
    column = "actor_id"


class ByTarget(Typed):
    """What was done to something, `user:7`."""

    title = "target (user:7)"
    parameter_name = "target"

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return what was done to this."""
        return rows.filter(target=value)


class ByAct(admin.SimpleListFilter):
    """One kind of act."""

    title = "act"
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the closed list."""
        return [(act, act) for act in audit.ACTS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the acts of this kind."""
        return queryset.filter(act=self.value()) if self.value() else queryset


class ExportForm(ActForm):
    """In which form, and why."""

    form = forms.ChoiceField(
        label="As", choices=[("jsonl", "JSON lines, which prove themselves"), ("csv", "CSV")]
    )
    field_order = ("form", "reason")


_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    """What staff did and why."""

    task = "Records"
    change_list_template = "desk/audit.html"
    list_display = ["number", "at", "actor", "act", "target", "reason"]
    list_filter = [ByTarget, ByActor, ByAct]
    list_select_related = ["actor"]
    fields = [
        "number", "at", "actor", "act", "meaning", "target", "reason", "before", "after", "address",
        "hashes",
    ]  # fmt: skip

    @admin.display(description="in words")
    def meaning(self, entry: AuditEntry) -> str:
        """Say what this act is."""
        return audit.ACTS.get(entry.act, "")

    @admin.display(description="hashes")
    def hashes(self, entry: AuditEntry) -> Any:
        """Show the hash of the row before and of this one."""
        prior, own = bytes(entry.prior).hex(), bytes(entry.digest).hex()
        return format_html("<code>{}</code><br><code>{}</code>", prior, own)

    def get_urls(self) -> list[Any]:
        """Add the export."""
        page = self.admin_site.admin_view(self.export)
        return [path("export/", page, name="accounts_auditentry_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Ask why and in which form, then give the file."""
        user: Any = request.user
        if not user.has_perm(audit_files.PERMISSION):
            raise PermissionDenied
        form = ExportForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            act, kind = (
                staffacts.warrant(request, form.cleaned_data["reason"]),
                form.cleaned_data["form"],
            )
            answer = StreamingHttpResponse(audit_files.export(act, kind), content_type=_TYPES[kind])
            answer["Content-Disposition"] = f'attachment; filename="audit.{kind}"'
            return answer
        context = {
            **self.admin_site.each_context(request),
            "title": "Export the audit log",
            "opts": self.opts,
            "back": reverse("admin:accounts_auditentry_changelist"),
            "act": {"title": "Export"},
            "form": form,
        }
        return TemplateResponse(request, "desk/act.html", context)
