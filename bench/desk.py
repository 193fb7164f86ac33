"""Measure the admin's lists over a log of a million entries: each with its queries and its time.

    python -m bench.desk [--engine sqlite|postgresql] [--entries N]

The database is made for the run. Each list is opened six times in this process, the first time to
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
from uuid import UUID

import django

from bench.rig import ENGINES
from tests import postgres

_BAR = 1.0
_ROUNDS = 5
_PER_LOG = 1_000
_PEOPLE = 20_000
_MEMBERS = 20
_COLUMNS = (
    "id", "conversation_id", "sender_id", "client_id", "kind", "ordinal", "created_at", "wire",
)  # fmt: skip


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
        django.setup()
        slow = _run(asked.entries // _PER_LOG)
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
    _people()
    _groups(logs)
    for place in range(1, logs + 1):
        _log(place)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"{logs * _PER_LOG:,} entries in {logs:,} logs: {time.monotonic() - began:.0f} s")
    slow = _measure(logs)
    connections.close_all()
    return slow


def _people() -> None:
    from accounts.models import Device, User
    from imsite.core import clock

    now = clock.now()
    people = [
        User(username=f"user{n}", username_key=f"user{n}", display_name=f"User {n}", created_at=now)
        for n in range(_PEOPLE)
    ]
    for user in people:
        user.call(user.display_name)
    User.objects.bulk_create(people, batch_size=5_000)
    seen = {"rotated_at": now, "created_at": now, "last_seen_at": now, "salt": b"0" * 16}
    devices = [Device(user_id=n + 1, **seen) for n in range(_PEOPLE)]
    Device.objects.bulk_create(devices, batch_size=5_000)


def _sender(place: int, n: int) -> int:
    return (place * _MEMBERS + n % _MEMBERS) % _PEOPLE + 1


def _groups(logs: int) -> None:
    from conversations.models import Conversation, Membership
    from imsite.core import clock

    now = clock.now()
    heads = {"head_seq": _PER_LOG, "head_ordinal": _PER_LOG, "member_count": _MEMBERS}
    groups = [
        Conversation(kind="group", title=f"Group {n}", created_at=now, last_at=now, **heads)
        for n in range(logs)
    ]
    Conversation.objects.bulk_create(groups, batch_size=2_000)
    seats = [
        Membership(conversation_id=place, user_id=_sender(place, n), joined_at=now)
        for place in range(1, logs + 1)
        for n in range(_MEMBERS)
    ]
    Membership.objects.bulk_create(seats, batch_size=5_000)


def _log(place: int) -> None:
    """Write one log: each message holds a word that all have, one of fifty, and one of its own."""
    from django.db import transaction

    from imsite.core import clock, rows, stamps
    from messages import search
    from messages.models import packed

    moment, entries, words = rows.moment(clock.now()), [], []
    for seq in range(1, _PER_LOG + 1):
        key, sender = packed(place, seq), _sender(place, seq)
        text = f"message about topic{place * seq % 50} number{place}x{seq}"
        wire = (
            f'{{"seq":{seq},"ordinal":{seq},"kind":"text","sender_id":{sender},'
            f'"sent_at":"2026-11-23T14:50:00.123Z","text":"{text}"}}'
        )
        client_id = UUID(int=key).hex if stamps.is_sqlite() else UUID(int=key)
        entries.append((key, place, sender, client_id, "text", seq, moment, wire))
        words.append((key, text))
    with transaction.atomic():
        rows.insert("messagelog_entry", _COLUMNS, entries)
        search.index(words)


def _measure(logs: int) -> bool:
    from django.test import Client

    from accounts.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("root", "correct horse battery"))
    middle = (logs // 2) << 32 | 500
    entry, person = "/admin/messagelog/entry/", f"user{_sender(logs // 2, 3) - 1}"
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
        "one person": f"/admin/accounts/user/{_sender(logs // 2, 3)}/change/",
        "devices": "/admin/accounts/device/",
        "devices, ended": "/admin/accounts/device/?state=ended",
        "audit log": "/admin/accounts/auditentry/",
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
