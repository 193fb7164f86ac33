"""Measure the admin's lists over a million entries and much to moderate: each with its queries and time.

    python -m bench.desk [--engine sqlite|postgresql] [--entries N]

The database is made for the run: a million entries of 20,000 people in a thousand logs, 10,000 open cases
with two reports each and as many closed, 10,000 held messages, 1,000 recall orders and an audit log of
100,000 rows. Each list is opened six times in this process, the first time to
warm up; the table shows the median and the slowest of the other five, and the number of queries. It
ends with 1 if the slowest of any is above a second.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django

from bench.desk_fill import PER_LOG, fill, sender
from bench.rig import ENGINES
from tests import postgres

_BAR = 1.0
_ROUNDS = 5


def main() -> None:
    """Fill a database, open the lists, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--entries", type=int, default=1_000_000)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="im-desk-")))
        os.environ["IM_DATA_DIR"] = str(folder)
        os.environ["DATABASE_URL"] = _database(stack, asked.engine, folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "imsite.settings"
        # Filling takes thousands of rows at a time, on a machine that may have much else to do.
        os.environ |= dict.fromkeys(("IM_DB_STATEMENT_TIMEOUT", "IM_DB_IDLE_TIMEOUT"), "60000")
        django.setup()
        slow = _run(asked.entries // PER_LOG)
    sys.exit(1 if slow else 0)


def _database(stack: ExitStack, engine: str, folder: Path) -> str:
    if engine == "sqlite":
        return f"sqlite:///{folder / 'desk.sqlite3'}"
    server = stack.enter_context(postgres.running()).url()
    name = f"imsite_desk_{os.getpid()}"
    stack.enter_context(postgres.database(server, name))
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def _run(logs: int) -> bool:
    from django.core.management import call_command
    from django.db import connection, connections

    call_command("migrate", verbosity=0)
    began = time.monotonic()
    fill(logs)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"{logs * PER_LOG:,} entries in {logs:,} logs: {time.monotonic() - began:.0f} s")
    slow = _measure(logs)
    connections.close_all()
    return slow


def _measure(logs: int) -> bool:
    from django.test import Client

    from accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username="root"))
    middle = (logs // 2) << 32 | 500
    entry, person = "/admin/messagelog/entry/", f"user{sender(logs // 2, 3) - 1}"
    lists = {
        "entries, first page": entry,
        "entries, in the middle": f"{entry}?after={middle}",
        "entries, the other way": f"{entry}?before={middle}",
        "entries, last page": f"{entry}?after={1 << 32 | 40}",
        "entries of a conversation": f"{entry}?conversation={logs // 2}",
        "entries of a sender": f"{entry}?sender={person}",
        "entries with a word of all": f"{entry}?q=message",
        "entries with a word of some": f"{entry}?q=topic7",
        "entries with a word of one": f"{entry}?q=number{logs // 2}x77",
        "one entry": f"{entry}{middle}/change/",
        "conversations": "/admin/conversations/conversation/",
        "conversations by title": f"/admin/conversations/conversation/?q=Group+{logs - 1}",
        "memberships of a person": f"/admin/conversations/membership/?user={person}",
        "people": "/admin/accounts/user/",
        "people by name": "/admin/accounts/user/?q=user9999",
        "people, banned": "/admin/accounts/user/?standing=banned",
        "one person": f"/admin/accounts/user/{sender(logs // 2, 3)}/change/",
        "devices": "/admin/accounts/device/",
        "devices, ended": "/admin/accounts/device/?state=ended",
        "cases": "/admin/messagelog/case/",
        "cases, page 150": "/admin/messagelog/case/?after=7450",
        "cases, closed": "/admin/messagelog/case/?closed=1",
        "one case": "/admin/messagelog/case/5000/change/",
        "held messages": "/admin/messagelog/held/",
        "held messages, page 150": "/admin/messagelog/held/?after=7450",
        "held messages, decided": "/admin/messagelog/held/?state=decided",
        "recall orders": "/admin/messagelog/recallorder/",
        "recall many, a person": f"/admin/messagelog/recallorder/new/?sender={person}",
        "recall many, a phrase": "/admin/messagelog/recallorder/new/?phrase=topic7",
        "content rules": "/admin/messagelog/policyrule/",
        "audit log": "/admin/accounts/auditentry/",
        "audit log, in the middle": "/admin/accounts/auditentry/?after=50000",
        "audit log of a person": "/admin/accounts/auditentry/?target=user:7",
        "audit log of an act": "/admin/accounts/auditentry/?act=user.mute",
        "dashboard": "/admin/",
    }
    return any([_open(client, name, path) > _BAR for name, path in lists.items()])


def _open(client: Any, name: str, path: str) -> float:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200, path
    count, taken = len(queries), []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        client.get(path)
        taken.append(time.perf_counter() - began)
    median, worst = statistics.median(taken), max(taken)
    print(f"{name:30} {count:3} queries {median * 1e3:8.1f} ms {worst * 1e3:8.1f} ms")
    return worst


if __name__ == "__main__":
    main()
