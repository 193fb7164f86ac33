"""A replay through a real server: many clients, one log, nothing lost; and it says so if not."""

import io

import pytest
from django.core.management import call_command

from messages import demo
from messages.replaying.tally import Tally, compare


def test_a_replay_finds_again_all_that_it_sent(server):
    out = io.StringIO()
    call_command(
        "replay", str(demo.EXCERPT), server=server, users=5, speed=600, seconds=2.0, stdout=out
    )
    assert "every message is there once" in out.getvalue()
    assert "p99" in out.getvalue()


ITEMS = [
    {"seq": 1, "event": True, "kind": "created"},
    {"seq": 2, "client_id": "a", "sender_id": 7, "text": "one"},
    {"seq": 3, "client_id": "b", "sender_id": 8, "text": "two"},
]


def tally_of(**kept: tuple[int, str, int]) -> Tally:
    return Tally(kept=kept)


def test_a_log_that_is_what_was_sent_passes():
    assert compare(tally_of(a=(7, "one", 2), b=(8, "two", 3)), ITEMS) == []
    unknown = Tally(kept={"a": (7, "one", 2)}, unknown={"b"})
    assert compare(unknown, ITEMS) == []


@pytest.mark.parametrize(
    ("tally", "items"),
    [
        (tally_of(a=(7, "one", 2)), ITEMS),
        (tally_of(a=(7, "one", 2), b=(8, "two", 3), c=(8, "gone", 4)), ITEMS),
        (tally_of(a=(7, "one", 2), b=(8, "other", 3)), ITEMS),
        (tally_of(a=(7, "one", 2), b=(9, "two", 3)), ITEMS),
        (tally_of(a=(7, "one", 2), b=(8, "two", 3)), [ITEMS[0], ITEMS[2]]),
        (tally_of(a=(7, "one", 2), b=(8, "two", 3)), [*ITEMS, ITEMS[2] | {"seq": 4}]),
    ],
)
def test_every_kind_of_difference_is_found(tally, items):
    assert compare(tally, items)
