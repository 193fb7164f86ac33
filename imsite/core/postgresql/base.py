"""Connections that notice by themselves, and at no cost, when their database is gone or hangs.

Django's own health check asks `SELECT 1` before every request. A server that goes says so on the
socket, so a look at it tells as much in a microsecond. A server that hangs says nothing: that a
statement may take no longer than its timeout is then for the client to enforce.
"""

import select
import time
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from psycopg import Connection, IsolationLevel, OperationalError
from psycopg.errors import _WaitTimeout
from psycopg.waiting import Ready, Wait

from imsite.core import fibers
from imsite.core.postgresql import direct

# Seconds in which nobody tries to connect again after an attempt failed for want of an answer.
_REST = 1.0
# Seconds, where a statement may take as long as it likes.
_ENDLESS = 86_400.0
_MASKS = {
    Wait.R: select.POLLIN,
    Wait.W: select.POLLOUT,
    Wait.RW: select.POLLIN | select.POLLOUT,
}


class Patient(Connection[Any]):
    """A connection that gives up on a server which is there but does not answer."""

    # Seconds; None for as long as it takes.
    patience: float | None = settings.IM_DB_PATIENCE

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server, but never longer than a statement may take."""
        try:
            if fibers.current():
                return self._step_aside(gen, timeout or self.patience or _ENDLESS)
            return super().wait(gen, interval, timeout or self.patience)
        except _WaitTimeout:
            # Whatever it still answers belongs to no question any more.
            self.close()
            raise OperationalError("the server does not answer") from None

    def _step_aside(self, gen: Any, seconds: float) -> Any:
        """Do what psycopg's own wait does, and leave the loop to others meanwhile."""
        socket = self.pgconn.socket
        poller = select.poll()
        try:
            wants = next(gen)
            while True:
                writing = bool(wants & Wait.W)
                poller.register(socket, _MASKS[wants])
                if not fibers.poll(poller, socket, seconds, writing=writing):
                    raise _WaitTimeout
                wants = gen.send(_ready(poller))
        except StopIteration as end:
            return end.value

    def __del__(self, *_: Any) -> None:
        """Go quietly: a thread that ends takes its connection along, and libpq hangs up by itself."""


class SchemaEditor(DatabaseSchemaEditor):
    """Migrations take the time they need."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        self.execute("SET statement_timeout = 0", None)
        self.connection.connection.patience = None
        return entered

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if self.connection.is_usable():
            self.execute("RESET statement_timeout", None)
            self.connection.connection.patience = settings.IM_DB_PATIENCE


class DatabaseWrapper(base.DatabaseWrapper):
    """The connection of a thread."""

    SchemaEditorClass = SchemaEditor
    # When an attempt to connect was last left without an answer; shared by all threads.
    _unanswered = -_REST

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        connection = fibers.aside(self._connect, conn_params)
        direct.equip(connection)
        return connection

    @classmethod
    def _connect(cls, conn_params: dict[str, Any]) -> Patient:
        """Connect; right after a fruitless wait fail at once, so that callers do not pile up."""
        began = time.monotonic()
        if began - cls._unanswered < _REST:
            raise OperationalError("the server did not answer a moment ago")
        try:
            return Patient.connect(**conn_params)
        except OperationalError:
            if time.monotonic() - began >= _REST:
                cls._unanswered = time.monotonic()
            raise

    def is_usable(self) -> bool:
        """Say whether the server still listens; asked when a request begins, so it must cost nothing."""
        if self.connection is None or self.connection.closed:
            return False
        if self.errors_occurred:
            return bool(super().is_usable())
        return not _has_news(self.connection.pgconn.socket)


def _ready(poller: select.poll) -> Ready:
    """Return what a socket is ready for, as psycopg wants to hear it."""
    found = 0
    for _, events in poller.poll(0):
        found |= Ready.R if events & ~select.POLLOUT else 0
        found |= Ready.W if events & select.POLLOUT else 0
    return Ready(found)


def _has_news(socket: int) -> bool:
    """Say whether there is something to read: from an idle server, only its farewell."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
