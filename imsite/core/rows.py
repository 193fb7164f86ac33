"""Many rows in one statement: raw SQL where the ORM would cost more than the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from imsite.core import stamps


def insert(
    table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, skip: bool = False
) -> None:
    """Insert `rows`, one statement; with `skip`, those that stand already are left alone."""
    if not rows:
        return
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    tail = " ON CONFLICT DO NOTHING" if skip else ""
    one = f"({', '.join(['%s'] * len(columns))})"
    with connection.cursor() as cursor:
        if stamps.is_sqlite():
            cursor.executemany(head + one + tail, rows)
        else:
            cursor.execute(head + ", ".join([one] * len(rows)) + tail, _flat(rows))


def update(table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Update `rows` (values in the order of `columns`, then the id), one statement.

    `columns` maps a name to the SQL that sets it, `{v}` standing for the value given.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        if stamps.is_sqlite():
            sets = ", ".join(f"{name} = {sql.format(v='%s')}" for name, sql in columns.items())
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE id = %s", rows)
        else:
            names = [*columns, "id"]
            sets = ", ".join(
                f"{name} = {sql.format(v='v.' + name)}" for name, sql in columns.items()
            )
            one = f"({', '.join(['%s'] * len(names))})"
            cursor.execute(
                f"UPDATE {table} SET {sets} FROM (VALUES {', '.join([one] * len(rows))})"
                f" AS v({', '.join(names)}) WHERE {table}.id = v.id",
                _flat(rows),
            )


def values(rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """Return `VALUES (…), …` and its parameters, for a CTE to join with."""
    one = f"({', '.join(['%s'] * len(rows[0]))})"
    return "VALUES " + ", ".join([one] * len(rows)), _flat(rows)


def fetch(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def moment(value: datetime) -> Any:
    """Return a time as a parameter for raw SQL."""
    return connection.ops.adapt_datetimefield_value(value)


def wire_time(value: Any) -> str | None:
    """Return a time that raw SQL gave (UTC, on SQLite without saying so) as the API writes it."""
    found = time(value)
    return None if found is None else found.isoformat(timespec="milliseconds")[:23] + "Z"


def time(value: Any) -> datetime | None:
    """Return a time that raw SQL gave as an aware datetime in UTC."""
    found: datetime | None = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _flat(rows: Iterable[Sequence[Any]]) -> list[Any]:
    return [value for row in rows for value in row]


def vendor() -> str:
    """Return the database's name, by which statements are kept once built."""
    return connection.vendor
