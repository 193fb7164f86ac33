"""The site's epoch: notices that the database was restored or replaced, so that cursors start anew.

Stamps only grow. Whoever answers a sync sees the newest one for free; the highest ever seen under
an epoch is remembered in the process and, every few seconds, in a file beside the database. A
database that knows less than that was put back, and gets another epoch: every cursor of before is
then answered with `reset: true`. (Put back the file as well, and `manage.py new_epoch` must say so.)

On PostgreSQL the site also remembers which cluster and database its epoch began in, so that a dump
restored elsewhere is known whatever its transaction ids; asked whenever a connection is new.
"""

import json
import logging
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.backends.signals import connection_created

from conversations.models import Site
from imsite.core import rows, stamps

log = logging.getLogger("imsite.site")
# Seconds between writes of the file: what a restore takes back must be older than this to be seen.
_EVERY = 5.0


class Watch:
    """The highest stamp that this process, or its file, has seen under an epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.epoch, self.stamp = self._load()
        self.due = 0.0

    def _load(self) -> tuple[str, int]:
        try:
            kept = json.loads(self.path.read_text())
            return str(kept["epoch"]), int(kept["stamp"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", 0

    def seen(self, epoch: str, stamp: int) -> bool:
        """Take note of a stamp; return False if a higher one was seen under this epoch."""
        with self.lock:
            if epoch == self.epoch and stamp < self.stamp:
                return False
            self.epoch, self.stamp = epoch, stamp
            if time.monotonic() >= self.due:
                self.due = time.monotonic() + _EVERY
                self._keep()
        return True

    def _keep(self) -> None:
        draft = self.path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            draft.write_text(json.dumps({"epoch": self.epoch, "stamp": self.stamp}))
            draft.replace(self.path)
        except OSError as error:
            # A full disk must not keep anybody from reading; what the process knows still watches.
            log.warning("the watch file cannot be written: %s", error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)


_watch: list[Watch] = []
# Set when a connection was made: what it leads to may be another database than before.
_new = threading.Event()
_PART = 20_000
_TABLES = ("conversations_conversation", "conversations_membership")


def _connected(**_: object) -> None:
    _new.set()


connection_created.connect(_connected)


def is_sound(epoch: str, stamp: int) -> bool:
    """Say whether the database stands where it stood; if it was put back, give it a new epoch."""
    if _new.is_set() and not stamps.is_sqlite() and not _is_at_home(epoch):
        return False
    if not _watch:
        _watch.append(Watch(Path(settings.DATA_DIR) / "watch.json"))
    if _watch[0].seen(epoch, stamp):
        return True
    # An older snapshot may simply have come in late: a fresh one decides.
    known = _watch[0].stamp
    [(fresh_epoch, fresh)] = rows.fetch(
        f"SELECT s.epoch, {stamps.ceiling_sql()} FROM conversations_site s"
    )
    if fresh_epoch == epoch and fresh < known:
        renew(epoch)
        return False
    return bool(fresh_epoch == epoch)


def _is_at_home(epoch: str) -> bool:
    """Say whether this is the database that the epoch began in; if not, begin another."""
    _new.clear()
    try:
        here = stamps.origin()
        kept = Site.objects.values_list("origin", flat=True).get(pk=1)
        if not kept:
            Site.objects.filter(pk=1, origin="").update(origin=here)
    except BaseException:
        _new.set()
        raise
    if kept in ("", here):
        return True
    renew(epoch)
    return False


def renew(epoch: str) -> None:
    """Give the site a new epoch, once for however many notice that `epoch` is over.

    Stamps of another cluster may lie ahead of ours, and would make heads look new for ever: they go.
    """
    with transaction.atomic():
        fresh = {"epoch": secrets.token_hex(8), "origin": stamps.origin()}
        if Site.objects.filter(pk=1, epoch=epoch).update(**fresh) and not stamps.is_sqlite():
            for table in _TABLES:
                _forget_stamps(table, since=stamps.take())


def _forget_stamps(table: str, *, since: int) -> None:
    """Part by part, so that no statement takes longer than statements may."""
    [(top,)] = rows.fetch(f"SELECT coalesce(max(id), 0) FROM {table}")
    for low in range(0, top, _PART):
        rows.execute(
            f"UPDATE {table} SET stamp = 0 WHERE id > %s AND id <= %s AND stamp >= %s",
            [low, low + _PART, since],
        )
