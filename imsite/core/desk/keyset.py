"""Pages of the admin's lists by key: one query for a page and one row more, never a count.

`?after=KEY` goes on from a key, `?before=KEY` goes back from it; the order is the key's, newest first
or, in a queue, oldest first, so that page ten thousand costs what the first one does.
"""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import SuspiciousOperation
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

AFTER, BEFORE = "after", "before"
_LONGEST = 18


class BadPosition(SuspiciousOperation):
    """A page was asked for at something that is no key."""


class KeysetChangeList(ChangeList):
    """A page of rows in the order of their keys."""

    keyset = True

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Take the position out of the parameters, which are filters otherwise."""
        for name in (AFTER, BEFORE):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the one order there is, or the other way round in a queue."""
        return ["pk" if self._is_queue(request) else "-pk"]

    def _is_queue(self, request: HttpRequest) -> bool:
        # Every list of ours is a ReadOnly, which imports this module.
        owner: Any = self.model_admin
        return bool(owner.oldest_first(request))

    def get_results(self, request: HttpRequest) -> None:
        """Read one page and a row more."""
        after, before = position(request, AFTER), position(request, BEFORE)
        size = self.list_per_page
        rows = self.queryset
        self.is_queue = self._is_queue(request)
        below, above = ("pk__gt", "pk__lt") if self.is_queue else ("pk__lt", "pk__gt")
        if before is not None:
            found = list(rows.filter(**{above: before}).reverse()[: size + 1])
        else:
            found = list((rows if after is None else rows.filter(**{below: after}))[: size + 1])
        more, page = len(found) > size, found[:size]
        if before is not None:
            page.reverse()
        self._found(
            page, onward=more if before is None else True, back=self._back(after, before, more)
        )

    @staticmethod
    def _back(after: int | None, before: int | None, more: bool) -> bool:
        return more if before is not None else after is not None

    def _found(self, page: list[Any], *, onward: bool, back: bool) -> None:
        self.result_list: Any = page
        self.result_count = len(page)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(page)
        self.can_show_all = False
        self.multi_page = False
        # Nothing is asked of it: the templates want one to be there.
        self.paginator = Paginator(page, self.list_per_page)
        self.onward = self._link(AFTER, page[-1].pk) if onward and page else None
        self.back = self._link(BEFORE, page[0].pk) if back and page else None
        self.first = self.get_query_string({}) if back or not page else None

    def _link(self, name: str, key: int) -> str:
        return self.get_query_string({name: str(key)})


def position(request: HttpRequest, name: str) -> int | None:
    """Return the key given under `name`; None for none; raise BadPosition for nonsense."""
    given = request.GET.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= _LONGEST):
        raise BadPosition(f"{name} is not a key")
    return int(given)
