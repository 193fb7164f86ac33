"""Sends touch no index of heads and markers: HOT updates, which clean up after themselves."""

import time
import uuid

import pytest
from django.db import connection

from imsite.core import clock, rows
from messages import drafts, log
from tests.cast import Person, talk_of
from tests.environment import ENGINE

pytestmark = pytest.mark.skipif(ENGINE != "postgresql", reason="PostgreSQL's own")
TABLES = ["conversations_conversation", "conversations_membership"]


def told() -> dict[str, tuple[int, int]]:
    """Return (updates, of which HOT) by table."""
    # What this session did is handed on when it is idle, at most once a second.
    time.sleep(1.1)
    rows.fetch("SELECT pg_stat_clear_snapshot()::text")
    sql = "SELECT relname::text, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
    return {name: (all_, hot) for name, all_, hot in rows.fetch(sql) if name in TABLES}


def test_sends_are_hot(alice):
    people = [Person.new("hot") for _ in range(5)]
    talks = [talk_of(alice, *people).id for _ in range(20)]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) " + ", ".join(TABLES))
    before = told()
    for n in range(200):
        group = [draft(talks[(n + k) % 20], people[k % 5].id) for k in range(16)]
        log.append_many(group, now=clock.now())
    after = told()
    for table in TABLES:
        updates = after[table][0] - before[table][0]
        hot = after[table][1] - before[table][1]
        assert updates >= 3000
        assert hot / updates >= 0.95, f"{table}: {hot} of {updates}"


def draft(conversation_id: int, sender_id: int) -> drafts.Draft:
    message = {"client_id": str(uuid.uuid4()), "text": "hello"}
    return drafts.parse(conversation_id, sender_id, message)
