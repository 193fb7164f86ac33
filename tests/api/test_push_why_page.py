"""The admin's page on why a message woke somebody: for staff who may see it, with everything escaped."""

import uuid

import pytest
from django.test import Client

from accounts.models import AuditEntry, Device
from imsite.core import clock
from push import decisions
from tests.staff import member_of_staff

PAGE = "/admin/push/why/"


def client_of(*permissions: str, superuser: bool = False) -> Client:
    client = Client()
    client.force_login(member_of_staff(*permissions, superuser=superuser))
    return client


@pytest.fixture(scope="module")
def support(database) -> Client:
    """Who may see decisions, and nothing else."""
    return client_of("push.view_decision")


def test_it_is_for_staff_who_may_see_decisions(alice, support):
    assert support.get(PAGE).status_code == 200
    assert client_of("accounts.ban_user").get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
    assert support.post(PAGE).status_code == 405


def test_it_tells_of_any_users_message(bob, alice, talk, support):
    seq = talk.say(alice, "a secret of alice")["seq"]
    bob.post("push/tokens", {"provider": "fcm", "token": f"secret-{uuid.uuid4().hex}"})
    Device.objects.filter(pk=bob.device_id).update(name="<b>phone</b>")
    row = decisions.Decided(
        device_id=bob.device_id,
        user_id=bob.id,
        conversation_id=talk.id,
        from_seq=seq,
        to_seq=seq + 1,
        outcome="failed",
        detail="<script>503</script>",
    )
    decisions.note([row], now=clock.now())
    query = {"user": bob.user["username"], "conversation_id": talk.id, "seq": seq}
    html = support.get(PAGE, query).content.decode()
    assert "did not take" in support.get(PAGE, {**query, "user": bob.id}).content.decode()
    for told in ("failed", "did not take", "&lt;script&gt;503", "&lt;b&gt;phone", "fcm"):
        assert told in html
    for hidden in ("<script>503", "<b>phone", "secret-", "a secret of alice"):
        assert hidden not in html


@pytest.mark.parametrize(
    "query",
    [
        {"user": "x"},
        {"user": "<script>alert(1)</script>", "conversation_id": 1, "seq": 1},
        {"user": 0, "conversation_id": -1, "seq": 2**63},
        {"user": 2**53 - 1, "conversation_id": 2**53 - 1, "seq": 2**53 - 1},
        {"user": "x" * 41, "conversation_id": "٣", "seq": "1e3"},
    ],
)
def test_it_answers_nonsense_in_words(support, query):
    answer = support.get(PAGE, query)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()


def test_support_takes_a_token_away_on_record_and_says_why(alice):
    alice.post("push/tokens", {"provider": "fcm", "token": uuid.uuid4().hex})
    path = f"/admin/push/pushtoken/{alice.device_id}/forget/"
    may = client_of("desk.end_devices", "push.view_pushtoken")
    assert client_of("push.view_pushtoken").post(path, {"reason": "lost"}).status_code == 403
    assert may.post(path, {"reason": " "}).status_code in (200, 400)
    assert len(alice.get("push/tokens")["items"]) == 1
    assert may.post(path, {"reason": "a stolen phone"}).status_code == 302
    assert alice.get("push/tokens")["items"] == []
    [entry] = AuditEntry.objects.filter(target=f"user:{alice.id}", act="user.forget_token")
    assert (entry.reason, entry.after) == ("a stolen phone", f'{{"devices":[{alice.device_id}]}}')
