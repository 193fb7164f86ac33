"""Filters of the admin's lists that one types into: a name, a number, never a part of a word."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

# Digits of a key below 2^63: packed ids of entries are long.
_LONGEST_ID = 18


class Typed(admin.SimpleListFilter):
    """A box beside the list; `find` says which rows are meant by what is typed."""

    template = "desk/typed_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return one choice, or Django leaves the filter out."""
        return [("", "")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the other parameters, for the form to keep, and the way back."""
        others = {
            name: value for name, value in changelist.params.items() if name != self.parameter_name
        }
        yield {
            "others": others,
            "clear": changelist.get_query_string(remove=[str(self.parameter_name)]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are meant; none if what was typed can mean nothing."""
        value = (self.value() or "").strip()
        return self.find(queryset, value) if value else queryset

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return those of `rows` that are meant by `value`."""
        raise NotImplementedError


def number(text: str) -> int | None:
    """Return the id that was typed, or None."""
    good = text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
    return int(text) if good else None
