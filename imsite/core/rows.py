"""Many rows in one statement: raw SQL where the ORM would cost more than the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from django.db import connection, connections

from imsite.core import sqlite, stamps
from imsite.core.postgresql import direct


def insert(
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    skip: bool = False,
    clash: str = "",
) -> None:
    """Insert `rows`, one statement; with `skip`, those that stand already are left alone.

    `clash` is the whole ON CONFLICT clause for those that are to be changed instead.
    """
    if not rows:
        return
    head = f"INSERT INTO {table} ({', '.join(columns)}) "
    tail = " ON CONFLICT DO NOTHING" if skip else f" {clash}"
    if stamps.is_sqlite():
        one = f"VALUES ({', '.join(['%s'] * len(columns))})"
        _each(head + one + tail, rows)
        return
    source = _unnest([_types(table)[name] for name in columns])
    _change(f"{head} SELECT * FROM {source}{tail}", _turned(rows))


def update(table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Update `rows` (values in the order of `columns`, then the id), one statement.

    `columns` maps a name to the SQL that sets it, `{v}` standing for the value given. Rows are
    updated, and so locked, in the order given.
    """
    if not rows:
        return
    if stamps.is_sqlite():
        sets = ", ".join(f"{name} = {sql.format(v='%s')}" for name, sql in columns.items())
        _each(f"UPDATE {table} SET {sets} WHERE id = %s", rows)
        return
    sets = ", ".join(
        f"{name} = {sql.format(v=f'v.v{n}')}" for n, (name, sql) in enumerate(columns.items())
    )
    source = _unnest([_types(table)[name] for name in (*columns, "id")])
    names = ", ".join(f"v{n}" for n in range(len(columns)))
    _change(
        f"UPDATE {table} SET {sets} FROM {source} AS v({names}, id) WHERE {table}.id = v.id",
        _turned(rows),
    )


@contextmanager
def together(*, ends: bool = False) -> Iterator[None]:
    """Send what is inserted and updated in this block in one round trip, at its end.

    With `ends` it also commits the transaction around it, unless that is part of another: the locks of
    heads are not held while an answer is on its way and somebody is at work. Nothing may be written
    after it. On SQLite, which has no round trips, each statement runs at once.
    """
    found: list[Question] = []
    before = _kept.set(found)
    try:
        yield
    finally:
        _kept.reset(before)
    if found:
        fetch_each(found, ends=ends)


def _change(sql: str, params: Sequence[Any]) -> None:
    kept = _kept.get()
    if kept is None:
        fetch_each([(sql, params)])
    else:
        kept.append((sql, params))


# What a thread or fiber keeps back until the end of its block, or None outside of one.
_kept: ContextVar[list["Question"] | None] = ContextVar("kept", default=None)


def _each(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement for each row on SQLite, where a statement more costs no round trip."""
    if not sqlite.change(connections["default"], sql, rows):
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)


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
    return f"{column} = ANY(%s::bigint[])", [_array(ids)]


def found_by(column: str, query: str) -> str:
    """Return the condition that `column` is one of what `query` finds, which is asked once.

    With IN, PostgreSQL may ask it anew for each row of a table that has just grown: one with a LIMIT
    that locks and skips what is locked then finds others each time, and in the end all of them.
    """
    return f"{column} IN ({query})" if stamps.is_sqlite() else f"{column} = ANY(ARRAY({query}))"


def by_key(sql: str) -> str:
    """Return SQL that PostgreSQL is to look up by key, planned once, also where it is asked alone.

    Not where a cursor has begun a transaction before: nothing is set in the midst of one.
    """
    return direct.Keyed(sql)


def side_by_side(sql: str) -> str:
    """Return SQL whose tables PostgreSQL is to walk through together, in the order of their keys.

    It is for a join of many rows that are all in the two indexes: to look up each costs twice as much.
    """
    return direct.Merged(sql)


def cast(kind: str) -> str:
    """Return what follows a value in SQL to make it of this type, where there are types."""
    return "" if stamps.is_sqlite() else f"::{kind}"


def keyed(table: str, condition: str) -> str:
    """Return SQL that joins `table` as `e`, looked up by `condition` for each row before it.

    A plan made while a log was small reads all of it; so it is not left to the planner.
    """
    if stamps.is_sqlite():
        return f"JOIN {table} e ON {condition}"
    return f"JOIN LATERAL (SELECT e.* FROM {table} e WHERE {condition} OFFSET 0) e ON true"


# One array a column, whatever the number of rows: the statement stays the same and stays prepared,
# and its plan is a look-up by key for each row.
_TYPES: dict[type, str] = {int: "bigint", str: "text", UUID: "uuid", datetime: "timestamptz"}


def _unnest(types: Sequence[str]) -> str:
    return f"unnest({', '.join(f'%s::{each}[]' for each in types)})"


def _turned(rows: Sequence[Sequence[Any]]) -> list[str]:
    return [_array(column) for column in zip(*rows, strict=True)]


def _array(column: Sequence[Any]) -> str:
    """Return an array as PostgreSQL reads it: psycopg's own way takes five times as long."""
    kinds = set(map(type, column))
    if kinds == {int}:
        return f"{{{','.join(map(str, column))}}}"
    if kinds == {str}:
        # No text of ours holds a NUL, and PostgreSQL would not take it.
        joined = "\0".join(column)
        if joined.count("\0") == len(column) - 1:
            texts = _escaped(joined).replace("\0", '","')
            return f'{{"{texts}"}}'
    return f"{{{','.join([_LITERALS.get(type(value), _quoted)(value) for value in column])}}}"


def _quoted(value: Any) -> str:
    return f'"{_escaped(str(value))}"'


# Messages of one commit share one time.
@lru_cache(maxsize=1024)
def _of_time(value: datetime) -> str:
    return f'"{value.isoformat()}"'


_LITERALS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: str,
    int: str,
    UUID: str,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    datetime: _of_time,
}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


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


Question = tuple[str, Sequence[Any]]


def fetch_each(questions: Sequence[Question], *, ends: bool = False) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each statement (none of one that returns none), in one round trip if it can be.

    They run one after the other, and each sees what was committed before it began. With `ends` the
    transaction may be committed with them.
    """
    if not stamps.is_sqlite():
        found: list[list[tuple[Any, ...]]] | None
        found = direct.fetch_each(connections["default"], questions, ends=ends)
        if found is not None:
            return found
    return [fetch(*each) for each in questions]


def fetch(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    wrapper = connections["default"]
    straight = sqlite if stamps.is_sqlite() else direct
    found: list[tuple[Any, ...]] | None = straight.fetch(wrapper, sql, params)
    if found is None:
        with wrapper.cursor() as cursor:
            cursor.execute(sql, params)
            found = cursor.fetchall() if cursor.description else []
    return found


def execute(sql: str, params: Sequence[Any] = ()) -> int:
    """Run a statement that changes rows and return how many it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def moment(value: datetime) -> Any:
    """Return a time as a parameter for raw SQL."""
    return connection.ops.adapt_datetimefield_value(value) if stamps.is_sqlite() else value


def wire_time(column: str) -> str:
    """Return SQL for a time as the API writes it, as a text.

    A datetime costs psycopg 6 µs, and us 3 to write it down again; PostgreSQL writes it in one.
    """
    if stamps.is_sqlite():
        # As Django stores it: with six digits after the second, or none.
        return f"(replace(substr({column} || '.000', 1, 23), ' ', 'T') || 'Z')"
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def time(value: Any) -> datetime | None:
    """Return a time that raw SQL gave as an aware datetime in UTC."""
    found: datetime | None = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


@cache
def vendor() -> str:
    """Return the database's name, by which statements are kept once built."""
    return connection.vendor


def joined(ordered: str, column: str, *, count: bool = False) -> str:
    """Return SQL for one row: the values of a column in `ordered`, commas between; and how many."""
    add = "group_concat" if stamps.is_sqlite() else "string_agg"
    # The inner order is the order of adding, on both: the inner rows come sorted from one scan.
    many = ", count(*)" if count else ""
    return f"SELECT {add}({column}, ','){many} FROM ({ordered}) AS listed"
