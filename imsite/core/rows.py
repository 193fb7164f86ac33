"""Many rows in one statement: raw SQL where the ORM would cost more than the database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection

from imsite.core import stamps


def insert(
    table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, skip: bool = False
) -> None:
    """Insert `rows`, one statement; with `skip`, those that stand already are left alone."""
    if not rows:
        return
    head = f"INSERT INTO {table} ({', '.join(columns)}) "
    tail = " ON CONFLICT DO NOTHING" if skip else ""
    with connection.cursor() as cursor:
        if stamps.is_sqlite():
            one = f"VALUES ({', '.join(['%s'] * len(columns))})"
            cursor.executemany(head + one + tail, rows)
        else:
            source = _unnest([_types(table)[name] for name in columns])
            cursor.execute(f"{head} SELECT * FROM {source}{tail}", _turned(rows))


def update(table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Update `rows` (values in the order of `columns`, then the id), one statement.

    `columns` maps a name to the SQL that sets it, `{v}` standing for the value given. Rows are
    updated, and so locked, in the order given.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        if stamps.is_sqlite():
            sets = ", ".join(f"{name} = {sql.format(v='%s')}" for name, sql in columns.items())
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE id = %s", rows)
        else:
            sets = ", ".join(
                f"{name} = {sql.format(v=f'v.v{n}')}"
                for n, (name, sql) in enumerate(columns.items())
            )
            source = _unnest([_types(table)[name] for name in (*columns, "id")])
            names = ", ".join(f"v{n}" for n in range(len(columns)))
            cursor.execute(
                f"UPDATE {table} SET {sets} FROM {source} AS v({names}, id) WHERE {table}.id = v.id",
                _turned(rows),
            )


def values(rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """Return a query that gives these rows, none with a null, and its parameters, for a CTE."""
    if stamps.is_sqlite():
        one = f"({', '.join(['%s'] * len(rows[0]))})"
        return "VALUES " + ", ".join([one] * len(rows)), [value for row in rows for value in row]
    types = [_TYPES[type(value)] for value in rows[0]]
    return f"SELECT * FROM {_unnest(types)}", _turned(rows)


def among(column: str, ids: Sequence[int]) -> tuple[str, list[Any]]:
    """Return the condition that `column` is one of `ids`, and its parameters."""
    if stamps.is_sqlite():
        return f"{column} IN ({', '.join(['%s'] * len(ids))})", list(ids)
    return f"{column} = ANY(%s::bigint[])", [list(ids)]


# One array a column, whatever the number of rows: the statement stays the same and stays prepared,
# and its plan is a look-up by key for each row.
_TYPES: dict[type, str] = {int: "bigint", str: "text", UUID: "uuid", datetime: "timestamptz"}


def _unnest(types: Sequence[str]) -> str:
    return f"unnest({', '.join(f'%s::{each}[]' for each in types)})"


def _turned(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [list(column) for column in zip(*rows, strict=True)]


@cache
def _types(table: str) -> dict[str, str]:
    """Return the types of a table's columns, as PostgreSQL says them."""
    return dict(
        fetch(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0",
            [table],
        )
    )


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


def vendor() -> str:
    """Return the database's name, by which statements are kept once built."""
    return connection.vendor
