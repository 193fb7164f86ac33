"""Pages of rows in the order of their ids: limit + 1, and a cursor bound to the reader and the list."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from imsite.core import cursor as cursors

M = TypeVar("M", bound=Model)


def page(
    rows: QuerySet[M], scope: str, user_id: int, *, cursor: str | None, limit: int
) -> tuple[list[M], str | None]:
    """Return up to `limit` rows after the cursor, and the next cursor, or None at the end.

    `scope` names the list with all that selects its rows: a cursor of another one is InvalidCursor.
    """
    if cursor is not None:
        [last_id] = cursors.unseal(scope, user_id, cursor)
        rows = rows.filter(pk__gt=last_id)
    found = list(rows.order_by("pk")[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], cursors.seal(scope, user_id, [found[limit - 1].pk])
