"""Asks SQLite without Django's cursors around: they rewrite the statement anew for each question.

A page or an idle sync keeps SQLite busy for some 50 µs; the cursors around it took as long again.
It is for reading and for writing many rows; the ORM keeps to its cursors.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def fetch(wrapper: BaseDatabaseWrapper, sql: str, params: Sequence[Any]) -> Any:
    """Return all rows of a query, or None where only a cursor will do."""
    if wrapper.connection is None:
        wrapper.ensure_connection()
    if wrapper.execute_wrappers:
        return None
    if wrapper.queries_logged:
        wrapper.queries_log.append({"sql": sql, "time": "0.000"})
    with wrapper.wrap_database_errors:
        return wrapper.connection.execute(_marked(sql), params).fetchall()


def change(wrapper: BaseDatabaseWrapper, sql: str, rows: Sequence[Sequence[Any]]) -> bool:
    """Run a statement once for each row, and return True; False where only a cursor will do."""
    if wrapper.connection is None or wrapper.execute_wrappers:
        return False
    if wrapper.queries_logged:
        wrapper.queries_log.append({"sql": sql, "time": "0.000"})
    with wrapper.wrap_database_errors:
        wrapper.connection.executemany(_marked(sql), rows)
    return True


# Statements with lists in them differ by the length of the list, so there is no end of them.
@lru_cache(maxsize=512)
def _marked(sql: str) -> str:
    """Return the statement with ? for each %s."""
    return sql.replace("%s", "?").replace("%%", "%")
