"""Floods: one text so often in so long, over all processes, each send once, valkey there or not."""

import os
import subprocess
import sys
import time
import uuid

import pytest
from django.test import override_settings

from messages.policy import flood
from tests.conftest import ROOT
from tests.rules import ruled

AWAY = "redis://127.0.0.1:1/0"


def sightings(text: str, ids, times: int = 3, seconds: int = 60) -> list[flood.Sighting]:
    return [
        flood.Sighting.of(rule_id=1, whose=0, text=text, id=str(each), times=times, seconds=seconds)
        for each in ids
    ]


@pytest.fixture(params=["valkey", "away"])
def counting(request, valkey):
    """Counted on valkey, or in this process while it is away."""
    flood._shared.closed_until = 0.0
    if request.param == "valkey":
        yield
    else:
        with override_settings(IM_REDIS_URL=AWAY):
            yield
    flood._shared.closed_until = 0.0


def test_more_than_so_many_of_one_text_are_too_many_and_retries_do_not_count(counting):
    text, now = uuid.uuid4().hex, time.time()
    ids = [1, 1, 2, 2, 2, 3, 4, 5]
    over = flood.count(sightings(text, ids), now=now)
    assert over == [each > 3 for each in ids]
    # Each hears the same at a retry.
    assert flood.count(sightings(text, [3, 4, 1]), now=now + 1) == [False, True, False]
    assert flood.count(sightings(text + "x", [9]), now=now + 1) == [False]
    assert flood.count(sightings(text, [6]), now=now + 62) == [False]


_COUNT = """
import sys, time
from messages.policy import flood
for n in range(20):
    named = dict(rule_id=1, whose=0, text=sys.argv[1], id=f"{sys.argv[2]}-{n}")
    one = flood.Sighting.of(**named, times=10, seconds=60)
    print(int(flood.count([one], now=time.time())[0]))
"""


def test_processes_count_together(valkey):
    text = uuid.uuid4().hex
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "imsite.settings"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _COUNT, text, str(n)],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    told = [each.communicate(timeout=60)[0].split() for each in started]
    # Two clocks of one machine may set a send before another that was counted already.
    assert 10 <= sum(each.count("0") for each in told) <= 12


def passes(who, talk, text: str, **more) -> bool:
    message = {"client_id": str(uuid.uuid4()), "text": text, **more}
    return who.request("POST", f"{talk.path}/messages", message).json()["code"] == 0


def test_a_flood_is_stopped_in_every_conversation_and_its_retries_are_not(
    counting, talk, direct, alice, bob
):
    rule = {"kind": "flood", "patterns": "", "times": 3, "seconds": 60, "least": 5}
    text = f"Buy now {uuid.uuid4()}"
    with ruled(rule):
        kept = {"client_id": str(uuid.uuid4()), "text": text}
        first = [
            alice.request("POST", f"{talk.path}/messages", kept).json()["data"] for _ in range(6)
        ]
        assert len({each["seq"] for each in first}) == 1
        assert passes(alice, direct, text.upper())
        assert passes(alice, talk, f"{text}\u200b")
        assert not passes(alice, direct, text)
        assert not passes(alice, talk, text)
        assert passes(bob, talk, text)
        assert passes(alice, talk, "ok") and all(passes(alice, talk, "ok") for _ in range(4))
        again = alice.request("POST", f"{talk.path}/messages", kept).json()["data"]
        assert again == {**first[0], "duplicate": True}


def test_a_flood_of_anyone_and_its_scope(counting, talk, direct, alice, bob):
    rule = {
        "kind": "flood",
        "patterns": "",
        "times": 2,
        "seconds": 60,
        "least": 5,
        "counted": "anyone",
        "scope": "group",
        "exempt_admins": True,
    }
    text = f"Everybody says {uuid.uuid4()}"
    with ruled(rule):
        assert all(passes(alice, direct, text) for _ in range(4))
        assert passes(bob, talk, text) and passes(bob, talk, text)
        assert not passes(bob, talk, text)
        # The owner is spared; what is said in direct conversations was not counted.
        assert passes(alice, talk, text)
