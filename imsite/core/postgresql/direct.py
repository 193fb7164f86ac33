"""Asks prepared statements straight through libpq: a third of what a cursor costs the client.

A page or an idle sync keeps the server busy for some 50 µs; Django's and psycopg's cursors around it
took 150. Here a statement is prepared once a connection, numbers and texts go as they are, and
psycopg's C code loads the rows. Several statements go in one round trip, each with a snapshot of its
own as ever. It is for reading and for writing many rows; the ORM keeps to its cursors.
"""

import select
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import OperationalError
from psycopg._preparing import PrepareManager
from psycopg.adapt import Transformer
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

from imsite.core import fibers

# Statements kept on a connection; there are some dozens, and each holds a plan on the server.
_MOST = 200
_PLAIN = frozenset((int, str))
_IDLE, _OPEN = TransactionStatus.IDLE, TransactionStatus.INTRANS
_OUTDATED = (FeatureNotSupported, InvalidSqlStatementName)
# Said at the start of a transaction of ours, or before such a statement. PostgreSQL would plan anew for
# each length of an array (200 µs a statement), and read whole tables while they are small.
_PLANNED = """SELECT set_config(name, value, true) FROM (VALUES
 ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'),
 ('enable_nestloop', '{looked_up}'), ('enable_mergejoin', '{merged}')) AS v(name, value)"""
# Here everything is looked up by key,
_BY_KEY = _PLANNED.format(looked_up="on", merged="off")
# or two tables are walked through together, in the order of their keys.
_IN_ORDER = _PLANNED.format(looked_up="off", merged="on")
_WAYS = frozenset((_BY_KEY, _IN_ORDER))
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


Question = tuple[str, Sequence[Any]]


class Keyed(str):
    """SQL that is never left to the planner: everything is looked up by key, also where it is asked alone."""

    __slots__ = ()
    way = _BY_KEY


class Merged(Keyed):
    """SQL of which the tables are walked through together, in the order of their keys."""

    __slots__ = ()
    way = _IN_ORDER


def fetch(wrapper: BaseDatabaseWrapper, sql: str, params: Sequence[Any]) -> Any:
    """Return all rows of a query, or None where only a cursor will do."""
    found = fetch_each(wrapper, [(sql, params)])
    return None if found is None else found[0]


def fetch_each(
    wrapper: BaseDatabaseWrapper, questions: Sequence[Question], *, ends: bool = False
) -> Any:
    """Return all rows of each statement, or None where only a cursor will do.

    With `ends` the transaction is committed with them, unless it is part of another.
    """
    for _, params in questions:
        if not _PLAIN.issuperset(map(type, params)):
            return None
    wrapper.close_if_health_check_failed()
    if wrapper.connection is None:
        wrapper.ensure_connection()
    line: Line | None = wrapper.connection.line
    if line is None or wrapper.execute_wrappers or not line.holds(questions):
        return None
    status = line.pgconn.transaction_status
    if status != _IDLE and (wrapper.autocommit or status != _OPEN):
        return None
    if wrapper.queries_logged:
        wrapper.queries_log.extend({"sql": sql, "time": "0.000"} for sql, _ in questions)
    # Django opens a transaction with its first statement.
    begins = status == _IDLE and not wrapper.autocommit
    ends = ends and _may_end(wrapper)
    with wrapper.wrap_database_errors:
        if len(questions) > 1 or begins or ends or isinstance(questions[0][0], Keyed):
            return line.ask_each(questions, begins=begins, ends=ends)
        return [line.ask(*questions[0])]


def _may_end(wrapper: BaseDatabaseWrapper) -> bool:
    """Say whether Django will do nothing but commit at the end of this block."""
    alone = len(wrapper.atomic_blocks) == 1
    return alone and wrapper.commit_on_exit and not wrapper.needs_rollback


class Line:
    """The bare connection of libpq, and the statements prepared on it."""

    def __init__(self, connection: Any) -> None:
        self.pgconn = connection.pgconn
        self.loader = Transformer(connection)
        self.begin: bytes = connection._get_tx_start_command()
        self.names: dict[str, bytes] = {}
        self.count = 0
        self.reading, self.sending = select.poll(), select.poll()
        self.reading.register(self.pgconn.socket, select.POLLIN)
        # It may have something to say while it takes a long question, and must be let.
        self.sending.register(self.pgconn.socket, select.POLLIN | select.POLLOUT)
        self.patience = settings.IM_DB_PATIENCE

    def holds(self, questions: Sequence[Question]) -> bool:
        """Say whether these statements are prepared, or may be."""
        return len(self.names) + len(questions) <= _MOST or all(
            sql in self.names for sql, _ in questions
        )

    def ask(self, sql: str, params: Sequence[Any]) -> Any:
        """Return the rows of a statement."""
        name = self.names.get(sql) or self.prepare(sql)
        self.pgconn.send_query_prepared(name, _encoded(params))
        try:
            return self.rows(self.answer())
        except _OUTDATED:
            # A migration changed what it returns: prepared anew, it works the next time.
            del self.names[sql]
            raise

    def ask_each(self, questions: Sequence[Question], *, begins: bool, ends: bool) -> Any:
        """Return the rows of each statement, asked in one round trip.

        A transaction may begin with it, and end: Django finds nothing left to be committed then.
        """
        # Where none is open or begins, the round trip is one by itself: what is set holds up to its end.
        starts = self.pgconn.transaction_status == _IDLE
        asked = _guided(questions, alone=not begins) if starts else questions
        named = [
            (self.names.get(sql) or self.prepare(sql), _encoded(params)) for sql, params in asked
        ]
        self.pgconn.enter_pipeline_mode()
        if begins:
            self.pgconn.send_query_params(self.begin, None)
        for each in named:
            self.pgconn.send_query_prepared(*each)
        if ends:
            # After a statement that failed it is passed over like all behind it.
            self.pgconn.send_query_params(b"COMMIT", None)
        self.pgconn.pipeline_sync()
        results = self.answers(holding=not ends)
        self.pgconn.exit_pipeline_mode()
        for result in results:
            if result.status not in _GOOD:
                error = error_from_result(result)
                if isinstance(error, _OUTDATED):
                    # Which of them it is, is not said.
                    self.names.clear()
                raise error
        # Behind these there is only what ended the transaction.
        answers = zip(asked, results[begins:], strict=not ends)
        return [self.rows(result) for (sql, _), result in answers if sql not in _WAYS]

    def rows(self, result: Any) -> Any:
        """Return what is in a result."""
        self.loader.set_pgresult(result)
        return self.loader.load_rows(0, result.ntuples, tuple)

    def prepare(self, sql: str) -> bytes:
        """Prepare a statement and return its name."""
        self.count += 1
        name = b"im_%d" % self.count
        self.pgconn.send_prepare(name, _numbered(sql))
        self.answer()
        self.names[sql] = name
        return name

    def answer(self) -> Any:
        """Wait for the one result and return it; raise what the server says is wrong."""
        self.wait()
        result = self.pgconn.get_result()
        # Only after the last result, which is none, does the connection take another question.
        while self.pgconn.get_result() is not None:
            pass
        if result.status not in _GOOD:
            raise error_from_result(result)
        return result

    def answers(self, *, holding: bool) -> list[Any]:
        """Wait for all results up to where they are in step again; after one failure the rest is void."""
        found: list[Any] = []
        while True:
            self.wait(holding=holding)
            result = self.pgconn.get_result()
            if result is None:
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)

    def wait(self, *, holding: bool = True) -> None:
        """Wait until there is a result; `holding`: there may be locks in hand after it."""
        pgconn = self.pgconn
        while (unsent := pgconn.flush()) or pgconn.is_busy():
            ready = self.sending if unsent else self.reading
            if not fibers.poll(
                ready, pgconn.socket, self.patience, writing=bool(unsent), holding=holding
            ):
                # Whatever it still answers belongs to no question any more.
                pgconn.finish()
                raise OperationalError("the server does not answer")
            pgconn.consume_input()


def _guided(questions: Sequence[Question], *, alone: bool) -> list[Question]:
    """Return the questions, each behind what has to be set for it; for a whole transaction one thing."""
    asked: list[Question] = []
    said = ""
    for sql, params in questions:
        way = sql.way if alone and isinstance(sql, Keyed) else _BY_KEY
        if way != said:
            asked.append((way, ()))
            said = way
        asked.append((sql, params))
    return asked


def _encoded(params: Sequence[Any]) -> list[bytes]:
    return [str(each).encode() for each in params]


@cache
def _numbered(sql: str) -> bytes:
    """Return the statement with $1, $2 … for each %s."""
    first, *rest = sql.split("%s")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))).encode()


class Keeping(PrepareManager):
    """Keeps statements prepared over a rollback, after which psycopg would drop all, ours too.

    It does so for tables that were made in the transaction; nothing here makes tables while it serves.
    """

    def clear(self) -> bool:
        """Keep them."""
        return False


def equip(connection: Any) -> None:
    """Give a new connection its line, unless statements must not stay prepared."""
    kept = Keeping()
    kept.prepare_threshold = connection.prepare_threshold
    connection._prepared = kept
    connection.line = Line(connection) if settings.IM_DB_PREPARE else None
