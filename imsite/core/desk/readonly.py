"""Rows that the admin shows and never writes: what is changed must be told to clients and recorded."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from imsite.core.desk import keyset, shown
from imsite.core.desk.typed import number

# What a filter of a field may be asked for; everything else (`password__startswith`) is refused.
_LOOKUPS = ("", "__exact", "__isnull", "__gte", "__lt")
# Characters of a search: longer ones find nothing and cost something.
_LONGEST_SEARCH = 200


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """A list by key and a page for each row, without a way to write them.

    `search` finds rows by what is typed, `linked_by` names the fields by which other pages link to
    this list (`?user=7`), `task` is the heading in the menu, `subject` the target in the audit log.
    """

    task = "Other"
    subject: str | None = None
    linked_by: Sequence[str] = ()
    ordering = ["-pk"]
    list_per_page = 50
    sortable_by = ()
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    actions: Sequence[Any] | None = None
    change_form_template = "desk/row.html"

    def search(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return those of `rows` that are meant by `term`."""
        return rows.none()

    def oldest_first(self, request: HttpRequest) -> bool:
        """Say whether this list is a queue: what came first is worked on first."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by what the list says, never by scanning for a part of a word."""
        term = search_term.strip()[:_LONGEST_SEARCH]
        return (self.search(request, queryset, term) if term else queryset), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[keyset.KeysetChangeList]:
        """Page by key."""
        return keyset.KeysetChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow what the filters and links of this list ask for, and nothing else."""
        return lookup in self._lookups()

    def _lookups(self) -> set[str]:
        allowed = {keyset.AFTER, keyset.BEFORE, *self.linked_by}
        for each in self.list_filter:
            if isinstance(each, str):
                allowed |= {each + suffix for suffix in _LOOKUPS}
            elif isinstance(each, type):
                allowed.add(str(getattr(each, "parameter_name", "")))
        return allowed

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Add nothing."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Change nothing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Delete nothing."""
        return False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Show every text as hostile."""
        return [self._safe(name, 60) for name in super().get_list_display(request)]

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> list[Any]:
        """Link the first column."""
        return list(list_display)[:1]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show every text as hostile."""
        return [self._safe(name, 5000) for name in super().get_fields(request, obj)]

    def _safe(self, name: Any, limit: int) -> Any:
        if not isinstance(name, str) or hasattr(self, name):
            return name
        field = self.model._meta.get_field(name) if name in self._texts() else None
        return name if field is None else _column(field, limit)

    def _texts(self) -> set[str]:
        texts = (models.CharField, models.TextField)
        return {
            f.name
            for f in self.model._meta.concrete_fields
            if isinstance(f, texts) and not f.choices
        }

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show what staff did to this row: the audit log is the only history."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_object(request, object_id)
        if found is None or self.subject is None:
            raise Http404
        listed = reverse("admin:accounts_auditentry_changelist")
        return HttpResponseRedirect(f"{listed}?target={self.subject}:{found.pk}")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the row of a key as one writes it; None for none, and for what is no key."""
        key = number(unquote(object_id))
        return None if key is None else super().get_object(request, str(key), from_field)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, *_: Any) -> HttpResponse:
        # Django would quote the key that was asked for on the next page.
        raise Http404


def _column(field: Any, limit: int) -> Callable[[Any], Any]:
    @admin.display(description=field.verbose_name)
    def column(row: Any) -> Any:
        value = getattr(row, field.name)
        return "–" if value in (None, "") else shown.text(value, limit)

    column.__name__ = field.name
    return column
