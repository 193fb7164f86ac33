"""What is asked for by key is what a look at every row finds, and costs no look at every row."""

import random
import time

import pytest
from django.conf import settings
from django.db import connection

from conversations import moved
from conversations.models import Membership
from imsite.core import rows
from tests.cast import Person, Talk, talk_of
from tests.environment import ENGINE

TABLES = ["conversations_conversation", "conversations_membership"]


def act(rng: random.Random, talk: Talk, who: Person, owner: Person) -> None:
    """Change a head by its conversation, its membership, both, or its end."""
    newest = owner.head(talk.id)["last_seq"]
    match rng.randrange(6):
        case 0 | 1:
            talk.say(owner)
        case 2:
            who.request("POST", f"{talk.path}/read", {"seq": newest})
        case 3:
            who.request("POST", f"{talk.path}/settings", {"hidden": rng.random() < 0.5})
        case 4:
            who.request("POST", f"{talk.path}/leave", {})
        case _:
            owner.request("POST", f"{talk.path}/members/add", {"user_ids": [who.id]})


@pytest.fixture(params=range(3))
def lived(request, database):
    """Somebody whose heads changed in all ways; a group dissolved, and one of others."""
    rng = random.Random(request.param)
    owner, who = Person.new("owner"), Person.new("who")
    talks = [talk_of(owner, who) for _ in range(8)]
    talk_of(owner, Person.new("other"))
    for _ in range(50):
        act(rng, rng.choice(talks), who, owner)
    owner.post(f"{talks[0].path}/dissolve")
    return who


def heads_of(who: Person) -> list[tuple[int, int, int]]:
    """Return (stamp, id, version) of each head, in the order of changes, by a look at every row."""
    found = []
    for seat in Membership.objects.filter(user_id=who.id).select_related("conversation"):
        talk, active = seat.conversation, seat.state == "active"
        stamp = max(seat.stamp, talk.stamp) if active else seat.stamp
        found.append((stamp, talk.pk, seat.version + talk.version * active))
    return sorted(found)


def told(question: rows.Question) -> list[tuple[int, int, int]]:
    """Return (place, id, version) of what a question finds."""
    found = [row[3:] for row in rows.fetch(*question)]
    return [(at, id, version) for id, version, at in found if id is not None]


def test_what_changed_since_is_what_a_look_at_every_row_finds(lived):
    everything = heads_of(lived)
    stamps = sorted({stamp for stamp, _, _ in everything})
    for since in (0, *stamps, stamps[-1] + 1):
        wanted = [head for head in everything if head[0] >= since]
        for limit in (1, 3, 100):
            assert told(moved.since(lived.id, since, (), limit)) == wanted[:limit]
            for head in wanted:
                behind = [each for each in wanted if each[:2] > head[:2]]
                assert told(moved.since(lived.id, since, head[:2], limit)) == behind[:limit]


def test_the_first_pass_finds_every_active_head(lived):
    seats = Membership.objects.filter(user_id=lived.id, state="active")
    times = seats.filter(conversation__dissolved_at=None).values_list(
        "conversation__last_at", "conversation_id"
    )
    wanted = [each for _, each in sorted(times, reverse=True)]
    found, at = [], ()
    while page := told(moved.first(lived.id, at, 2)):
        found += [each for _, each, _ in page]
        at = (str(page[-1][0]), page[-1][1])
    assert found == wanted


@pytest.fixture
def misled():
    """Let the planner believe that a look-up costs a thousand times what it does."""
    with connection.cursor() as cursor:
        cursor.execute("SET random_page_cost = 4000")
        cursor.execute("DISCARD PLANS")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET random_page_cost")
        cursor.execute("DISCARD PLANS")


@pytest.mark.skipif(ENGINE != "postgresql", reason="PostgreSQL's own")
@pytest.mark.skipif(not settings.IM_DB_PREPARE, reason="guides prepared statements alone")
def test_no_table_is_read_whole(lived, misled):
    questions = [
        moved.since(lived.id, 0, (), 100),
        moved.first(lived.id, (), 100),
        moved.total(lived.id),
    ]
    before = scans()
    for question in questions:
        for _ in range(7):
            rows.fetch(*question)
    assert scans() == before
    # The same left to the planner does read them so.
    for sql, params in questions:
        rows.fetch("".join(sql), params)
    assert scans() != before


def scans() -> list[tuple[str, int]]:
    """Return how often each table was read whole."""
    # What this session did is handed on when it is idle, at most once a second.
    time.sleep(1.1)
    rows.fetch("SELECT pg_stat_clear_snapshot()::text")
    sql = "SELECT relname::text, seq_scan FROM pg_stat_user_tables ORDER BY 1"
    return [each for each in rows.fetch(sql) if each[0] in TABLES]
