"""A marker that goes back and forth: own entries never count, and are looked up once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations import markers
from conversations.models import Uncounted


def unread(who, talk, seq: int, *, force: bool = True) -> int:
    """Move the marker and return what is unread then."""
    return who.post(f"{talk.path}/read", {"seq": seq, "force": force})["unread"]


@pytest.mark.parametrize("order", [(0, 4, 9, 2), (9, 4, 0, 2), (4, 9, 2, 0), (5, 6, 1, 8)])
def test_own_entries_never_count_however_the_marker_jumps(alice, bob, talk, order):
    for n in range(8):
        talk.say(alice if n % 2 else bob, str(n))
    for seq in order:
        talk.say(alice, "own")
        items = talk.all(alice)
        expected = [
            each
            for each in items
            if each["seq"] > seq and not each.get("event") and each["sender_id"] == bob.id
        ]
        assert unread(alice, talk, seq) == len(expected)
        assert unread(alice, talk, items[-1]["seq"], force=False) == 0


def test_going_back_again_writes_nothing_anew(alice, bob, talk):
    for n in range(6):
        talk.say(alice, str(n))
    talk.say(bob, "unread")
    unread(alice, talk, 0)
    kept = set(Uncounted.objects.filter(conversation_id=talk.id).values_list("pk", flat=True))
    assert len(kept) == 6
    unread(alice, talk, 9, force=False)
    with CaptureQueriesContext(connection) as asked:
        markers.move(alice.id, talk.id, seq=2, force=True)
    assert not [each for each in asked if "INTO conversations_uncounted" in each["sql"]]
    assert kept == set(
        Uncounted.objects.filter(conversation_id=talk.id).values_list("pk", flat=True)
    )
    assert alice.head(talk.id)["unread"] == 1
