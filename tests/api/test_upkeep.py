"""Chores from outside: the command, and what readyz and metrics tell of it."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import Device, Ticket
from conversations import tasks, upkeep
from conversations.models import ChoreRun, JoinRequest
from imsite.core import caution, clock
from push.forgetting import SHOWN
from push.models import Debt, Decision, Look
from tests.aging import calendar, left
from tests.cast import talk_of


def expire(*args: str) -> str:
    out = StringIO()
    call_command("expire", *args, stdout=out, stderr=out)
    return out.getvalue()


def lags(client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    families = {each.name: each for each in text_string_to_metric_families(text)}
    found = families["imsite_chore_lag_seconds"].samples
    return {each.labels["chore"]: each.value for each in found}


def test_it_tells_first_and_does_it_then(alice, bob):
    with calendar(alice, bob) as days:
        days.go_on(-9)
        talk = talk_of(alice, bob, retention_days=1)
        last = [talk.say(alice)["seq"] for _ in range(3)][-1]
        days.go_on(9)
        told = expire("log", "--dry-run")
        counts = {kind: int(n) for kind, n in re.findall(r"\n  ([a-z ]+) (\d+): ", told)}
        assert counts["entries"] >= 3 and counts["floors"] >= 1 and "log, by " in told
        window = caution.read().at - timedelta(days=settings.IM_OFFLINE_DAYS)
        assert f"before {window:%Y-%m-%d}" in told and "IM_OFFLINE_DAYS 7" in told
        assert bob.head(talk.id)["floor_seq"] == 0
        assert "entries" in expire("log")
        assert bob.head(talk.id)["floor_seq"] == last
        assert left(talk.id)["entries"] == []


def test_a_process_whose_clock_runs_ahead_deletes_nothing(valkey, alice, bob):
    talk = talk_of(alice, bob, retention_days=1)
    with calendar(alice, bob) as days:
        talk.say(alice)
        days.go_on(8)
        expire("log", "--trust-clock")
        assert bob.head(talk.id)["floor_seq"] == 0
        days.expire()
        assert bob.head(talk.id)["floor_seq"] > 0


def test_an_unknown_chore_is_refused():
    with pytest.raises(CommandError):
        expire("dishes")


def test_what_ran_is_told(client, alice):
    ChoreRun.objects.all().delete()
    assert set(lags(client).values()) == {float("inf")}
    expire()
    assert set(lags(client)) >= {"devices", "log", "requests"}
    assert all(0 <= lag < 60 for lag in lags(client).values())
    chores = client.get("/readyz").json()["chores"]
    assert chores["log"]["lag_seconds"] < 60 and not chores["log"]["doubted"]


def test_what_is_left_keeps_the_lag(client, alice):
    expire("devices")
    ChoreRun.objects.filter(pk="devices").update(clear_at=clock.now() - timedelta(hours=5))
    Ticket.objects.create(
        digest=alice.access.encode()[:32],
        device_id=alice.device_id,
        epoch=1,
        expires_at=clock.now() - timedelta(hours=9),
    )
    pace = upkeep.Pace(budget=0)
    assert upkeep.run("devices", reading=caution.read(), pace=pace)[1].left
    assert lags(client)["devices"] > 4 * 3600
    tasks.run_chore(name="devices", newer="no matter")
    assert lags(client)["devices"] < 60
    assert not Ticket.objects.filter(device_id=alice.device_id).exists()


def test_a_clock_that_jumped_is_told_and_waited_for(client):
    expire("requests")
    ahead = caution.read()
    ahead = caution.Reading(ahead.at + timedelta(days=8), ahead.boot, ahead.uptime)
    plan, _ = upkeep.run("requests", reading=ahead)
    assert plan.doubt == ahead and plan.now < ahead.at - timedelta(days=7)
    assert client.get("/readyz").json()["chores"]["requests"]["doubted"]
    plan, _ = upkeep.run("requests", reading=ahead, trusting=True)
    assert plan.now == ahead.at
    ChoreRun.objects.all().delete()


def test_requests_go_with_their_group(alice, bob):
    talk = talk_of(alice, join="approve")
    bob.request("POST", f"{talk.path}/join", {})
    alice.post(f"{talk.path}/dissolve")
    assert JoinRequest.objects.filter(conversation_id=talk.id).exists()
    expire("requests")
    assert not JoinRequest.objects.filter(conversation_id=talk.id).exists()


def test_devices_long_gone_are_forgotten(alice, bob):
    long_ago = clock.now() - timedelta(days=121)
    Device.objects.filter(pk=alice.device_id).update(last_seen_at=long_ago)
    expire("devices")
    assert not Device.objects.filter(pk=alice.device_id).exists()
    assert Device.objects.filter(pk=bob.device_id).exists()


def test_every_chore_tells_what_it_would_take_and_takes_it(alice, bob, talk):
    """The days and knobs of each kind are named, and a run takes as many as were told."""
    talk.say(alice)
    Decision.objects.create(
        device_id=bob.device_id, user_id=bob.id, conversation_id=talk.id, from_seq=1, to_seq=1,
        outcome="pushed", at=clock.now() - timedelta(days=8),
    )  # fmt: skip
    Look.objects.create(
        conversation_id=talk.id, from_seq=1, to_seq=1, at=clock.now() - timedelta(days=8)
    )
    kept = {"user_id": bob.id, "provider": "fcm", "told_seq": 1}
    # One whose notification still stands is kept in mind for longer.
    for n, days in enumerate((8 + SHOWN.days, 8)):
        told_at = clock.now() - timedelta(days=days)
        Debt.objects.create(
            device_id=bob.device_id, conversation_id=talk.id + n, told_at=told_at, **kept
        )
    for name in ("devices", "log", "pushes", "requests"):
        _, due = upkeep.survey(name, reading=caution.read())
        told = {each.kind: each.number for each in due if each.number}
        assert all(each.rule for each in due)
        _, done = upkeep.run(name, reading=caution.read(), pace=upkeep.Pace(rest=0))
        assert done.gone == told
        assert name != "pushes" or set(told) == {"decisions", "looks", "debts"}
    [stays] = Debt.objects.filter(user_id=bob.id)
    assert stays.conversation_id == talk.id + 1
    said = expire("--dry-run")
    for knob in ("IM_OFFLINE_DAYS 7", "IM_REFRESH_DAYS 90", "retention_days", "last finished"):
        assert knob in said
