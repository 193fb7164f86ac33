"""What support does from a person's page: with a reason, on record, never to staff."""

import json
import time

import pytest
from django.test import Client

from accounts import audit
from accounts.models import User
from tests import desk
from tests.cast import Person


@pytest.fixture(scope="module")
def support(database):
    return desk.browser(desk.new_staff("Support"))


def do(client: Client, person_id: int, act: str, reason: str = "asked by mail"):
    return client.post(f"/admin/accounts/user/{person_id}/{act}/", {"reason": reason})


def body(answer) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_ending_devices_ends_tokens(support):
    alice = Person.new()
    assert do(support, alice.id, "end").status_code == 302
    assert alice.request("GET", "accounts/me").status_code == 401
    last = desk.last_act(f"user:{alice.id}")
    assert (last.act, json.loads(last.after)) == (
        "user.end_sessions",
        {"devices": [alice.device_id]},
    )


def test_one_device_can_be_ended_alone(support):
    alice = Person.new()
    path = f"/admin/accounts/device/{alice.device_id}/end/"
    assert support.post(path, {"reason": "stolen"}).status_code == 302
    assert alice.request("GET", "accounts/me").status_code == 401


def test_an_export_is_what_the_person_would_get(support):
    alice = Person.new()
    answer = do(support, alice.id, "export")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == f'attachment; filename="person-{alice.id}.json"'
    assert json.loads(body(answer)) == alice.get("accounts/export")
    assert desk.last_act(f"user:{alice.id}").act == "user.export"


def test_an_erased_person_is_gone_as_if_by_themselves(support):
    alice, bob = Person.new("alice"), Person.new()
    assert do(support, alice.id, "erase").status_code == 302
    assert alice.request("GET", "accounts/me").status_code == 401
    assert bob.get(f"accounts/users/{alice.id}")["deleted"]
    kept = desk.last_act(f"user:{alice.id}")
    assert kept.act == "user.erase"
    assert alice.user["username"] not in str(vars(kept))
    assert do(support, alice.id, "erase").status_code == 404


def test_the_badge_page_shows_the_entries(support):
    made = desk.world()
    made["talk"].say(made["alice"], "the very words")
    page = do(support, made["bob"].id, "badge").content.decode()
    assert "the very words" in page
    assert f"<strong>{made['bob'].get('sync')['unread_total']}</strong>" in page


@pytest.mark.parametrize("act", ["end", "export", "erase", "badge"])
def test_nothing_happens_without_a_reason_nor_to_staff(support, act):
    alice, before = Person.new(), audit.verify().head
    assert do(support, alice.id, act, reason="").status_code == 200
    assert do(support, alice.id, act, reason=" \u200b").status_code == 400
    boss = desk.new_staff("Moderator")
    assert do(support, boss.pk, act).status_code == 403
    assert audit.verify().head == before
    assert alice.get("accounts/me")
    assert User.objects.get(pk=boss.pk).is_active


def test_nobody_acts_on_himself(database):
    user = desk.new_staff("Support")
    assert do(desk.browser(user), user.pk, "end").status_code == 403


def test_an_operator_takes_codes_away_but_not_a_superusers():
    operator = desk.browser(desk.new_staff("Operator"))
    assert do(operator, desk.new_staff("Moderator").pk, "reset_codes").status_code == 302
    assert do(operator, desk.new_staff(superuser=True).pk, "reset_codes").status_code == 403


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_the_audit_log_is_exported_on_record(kind):
    actor = desk.new_staff("Operator")
    answer = desk.browser(actor).post(
        "/admin/accounts/auditentry/export/", {"form": kind, "reason": "yearly"}
    )
    lines = body(answer).decode()
    assert answer["Content-Disposition"] == f'attachment; filename="audit.{kind}"'
    last = desk.last_act("audit:all")
    assert (last.act, last.actor_id) == ("audit.export", actor.pk)
    assert bytes(last.digest).hex() in lines


def test_a_history_is_what_the_audit_log_says():
    alice = Person.new()
    do(desk.browser(desk.new_staff("Support")), alice.id, "end", "lost her phone")
    senior = desk.browser(desk.new_staff("Senior moderator"))
    page = senior.get(f"/admin/accounts/user/{alice.id}/history/", follow=True).content.decode()
    assert "lost her phone" in page


def test_the_dashboard_counts_from_samples(database):
    from imsite.core import clock
    from imsite.desk import dashboard, samples

    now = clock.now()
    samples.take(now=now)
    samples.take(now=now)
    root = desk.new_staff(superuser=True)
    seen = dashboard.seen_by(root, now=now)
    assert seen.charts[0].title == "Sends an hour"
    [work] = [tile for tile in seen.tiles if tile.title == "Periodic work"]
    assert not work.alarm
    [late] = [
        tile
        for tile in dashboard.seen_by(root, now=now + 2 * samples.LATE).tiles
        if tile.title == "Periodic work"
    ]
    assert late.alarm
    began = time.thread_time()
    assert desk.browser(root).get("/admin/").status_code == 200
    assert time.thread_time() - began < 2
