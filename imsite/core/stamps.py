"""The order of changes as the database sees it; the one module that knows the database's kind.

A stamp orders writing transactions. On SQLite there is one writer at a time, so a counter in the
site's row, bumped in each transaction, is in commit order. On PostgreSQL the stamp is the
transaction's id, and the horizon is the oldest id still unfinished in the reader's snapshot
(`pg_snapshot_xmin`): nothing below it can still appear.
"""

from functools import cache

from django.db import connection, connections

from imsite.core.postgresql import direct

_BUMP = "UPDATE conversations_site SET stamp = stamp + 1 WHERE id = 1 RETURNING stamp"
# The first eight digits of a WAL file's name are the timeline it is written on.
_ORIGIN = """SELECT concat_ws('/', s.system_identifier,
 left(pg_walfile_name(pg_current_wal_lsn()), 8), d.oid)
 FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()"""
_XID = "SELECT pg_current_xact_id()::text::bigint"


@cache
def is_sqlite() -> bool:
    """Say whether the embedded database is in use."""
    return connection.vendor == "sqlite"


def take() -> int:
    """Return the stamp of the present writing transaction."""
    found = None if is_sqlite() else direct.fetch(connections["default"], _XID, ())
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(_BUMP if is_sqlite() else _XID)
            found = cursor.fetchall()
    return int(found[0][0])


def asking() -> tuple[str, tuple[()]] | None:
    """Return what asks for the stamp together with other questions, after those that lock; None on SQLite.

    There the stamp is a write, which who turns out to write nothing should not make.
    """
    return None if is_sqlite() else (_XID, ())


def horizon_sql() -> str:
    """Return SQL for the lowest stamp that may still appear, over the site's row `s`."""
    return "s.stamp + 1" if is_sqlite() else "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def ceiling_sql() -> str:
    """Return SQL for the lowest stamp that nobody can have seen yet, over the site's row `s`."""
    return "s.stamp + 1" if is_sqlite() else "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


def origin() -> str:
    """Return what the database calls itself: a copy restored elsewhere answers something else.

    The cluster's identifier, its timeline (another after a point-in-time recovery or a failover) and
    the database's number. SQLite's is its file, and so without a name.
    """
    if is_sqlite():
        return ""
    with connection.cursor() as cursor:
        cursor.execute(_ORIGIN)
        return str(cursor.fetchone()[0])


def greatest(*terms: str) -> str:
    """Return SQL for the largest of `terms`."""
    return f"{'max' if is_sqlite() else 'greatest'}({', '.join(terms)})"


def least(*terms: str) -> str:
    """Return SQL for the smallest of `terms`."""
    return f"{'min' if is_sqlite() else 'least'}({', '.join(terms)})"


def share_sql() -> str:
    """Return the SQL that keeps the rows read from changing, as `lock_sql` does, but for many."""
    return "" if is_sqlite() else " FOR SHARE"


def lock_sql(of: str = "") -> str:
    """Return the SQL that locks the rows read, of one table alone where several are joined.

    On SQLite the transaction holds the lock already.
    """
    return "" if is_sqlite() else " FOR NO KEY UPDATE" + (f" OF {of}" if of else "")


def alone(key: int) -> None:
    """Be the only transaction that has asked for `key`, until its end; wait for one that has.

    On SQLite a transaction that writes is alone from its start.
    """
    if not is_sqlite():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [key])
