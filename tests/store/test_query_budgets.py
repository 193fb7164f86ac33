"""Exact numbers of queries on the hot paths, the same whatever the size of group and log."""

import uuid
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from conversations import headview, markers, opening, sync
from imsite.core import clock
from messages import drafts, history, log

SIZES = [(2, 10), (2000, 10), (2, 5000)]


@pytest.fixture(
    scope="module", params=SIZES, ids=lambda size: f"{size[0]} members, {size[1]} entries"
)
def place(request, database):
    """A group of so many members with so many entries: (its id, its owner)."""
    members, entries = request.param
    now, run = clock.now(), uuid.uuid4().hex[:8]
    people = User.objects.bulk_create(
        User(
            username=f"q{run}_{n}",
            username_key=f"q{run}_{n}",
            display_name="Q",
            display_key="q",
            created_at=now,
        )
        for n in range(members)
    )
    wanted = opening.Group(title="Budget", member_ids=tuple(each.pk for each in people[1:]))
    conversation_id, _ = opening.group(people[0].pk, wanted, now=now)
    said = [draft(conversation_id, people[0].pk) for _ in range(entries)]
    log.append_many(said, now=now)
    # The first on a new connection also asks which database it is.
    sync.changes(people[0].pk, cursor_text=None, limit=1)
    return conversation_id, people[0].pk


def draft(conversation_id: int, sender_id: int) -> drafts.Draft:
    message = {"client_id": str(uuid.uuid4()), "text": "hello"}
    return drafts.parse(conversation_id, sender_id, message)


def queries(call) -> int:
    """Count the statements of a call, BEGIN and COMMIT apart."""
    with CaptureQueriesContext(connection) as captured:
        call()
    told = [each["sql"] for each in captured.captured_queries]
    return len([sql for sql in told if not sql.startswith(("BEGIN", "COMMIT"))])


def test_send(place):
    """Lock, memberships, known client_ids, entries, words, stamp, heads, markers."""
    assert queries(lambda: log.append_many([draft(*place)], now=clock.now())) == 8


def test_send_of_many(place):
    """A group of sends costs what one costs."""
    said = [draft(*place) for _ in range(50)]
    assert queries(lambda: log.append_many(said, now=clock.now())) == 8


@pytest.mark.parametrize("ask", [{}, {"after": 3}, {"before": 9}, {"around": 5}, {"chat": True}])
def test_page(place, ask):
    """What may be read and the range in it at once; around a seq, or without changes, in two."""
    page = history.Ask(limit=50, **ask)
    most = 2 if {"around", "chat"} & ask.keys() else 1
    assert queries(lambda: history.page(place[1], place[0], page)) == most


def test_head(place):
    assert queries(lambda: headview.one(place[1], place[0])) == 1


def test_sync(place):
    """What moved, then the heads and the total of unread in one round trip."""
    assert queries(lambda: sync.changes(place[1], cursor_text=None, limit=100)) == 3


def test_idle_sync(place):
    """What moved, and nothing else: the cursor tells the total."""
    cursor = sync.changes(place[1], cursor_text=None, limit=100).cursor
    found: list[sync.Changes] = []
    poll = partial(sync.changes, place[1], cursor_text=cursor, limit=100)
    assert queries(lambda: found.append(poll())) == 1
    assert found[0].quiet and found[0].total == sync.unread_total(place[1])


def test_unread_total(place):
    assert queries(lambda: sync.unread_total(place[1])) == 1


def test_read_marker(place):
    """The membership with its head; then, as the own send moved the marker already, nothing."""
    assert queries(lambda: markers.move(place[1], place[0], seq=5, force=False)) == 1


def test_read_marker_that_moves(place):
    """The membership with its head, the ordinal there, the stamp, the marker."""
    conversation_id, _ = place
    reader = User.objects.filter(
        memberships__conversation_id=conversation_id, memberships__role="member"
    ).first()
    move = {"seq": headview.one(reader.pk, conversation_id)["read_seq"] + 1, "force": False}
    assert queries(lambda: markers.move(reader.pk, conversation_id, **move)) == 4
