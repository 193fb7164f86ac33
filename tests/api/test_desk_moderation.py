"""Moderation from the admin's pages: the queue, a case, recalling many, acts on people and conversations."""

import html
import re
import uuid

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from conversations.models import Membership
from messages import tasks
from messages.models import Case, Letter, RecallOrder
from messages.moderation import cases, orders
from tests import desk
from tests.cast import talk_of
from tests.staff import member_of_staff
from tests.store.test_recall_orders import fill

HOSTILE = "<script>alert(1)</script>\u202egnp.exe =cmd|' /C calc'!A0 \x1b[31m"
REASON = {"reason": "it was spam"}


@pytest.fixture
def senior() -> User:
    return desk.new_staff("Senior moderator")


@pytest.fixture
def at_desk(senior) -> Client:
    return desk.browser(senior)


@pytest.fixture
def case(alice, bob, talk) -> Case:
    seq = talk.say(bob, HOSTILE)["seq"]
    alice.post(f"{talk.path}/messages/{seq}/report", {"reason": HOSTILE[:100], "note": HOSTILE})
    return Case.objects.get(conversation_id=talk.id, seq=seq)


def page_of(case: Case, name: str = "change") -> str:
    return f"/admin/messagelog/case/{case.pk}/{name}/"


def text_of(client: Client, path: str, **more) -> str:
    answer = client.get(path, **more)
    assert answer.status_code == 200, (path, answer.content)
    return answer.content.decode()


def done(answer) -> str:
    """Return where a POST that worked leads."""
    assert answer.status_code == 302, answer.content.decode()
    return answer["Location"]


def test_from_the_queue_to_a_closed_case(at_desk, senior, case, alice, talk):
    link = f'href="{page_of(case)}"'
    Case.objects.filter(closed_at=None, pk__lt=case.pk - 20).update(closed_at=case.opened_at)
    assert link in text_of(at_desk, "/admin/messagelog/case/")
    shown = text_of(at_desk, page_of(case))
    assert "<script>alert" not in shown and "\u202e" not in shown and "\x1b" not in shown
    assert html.escape("<script>alert(1)</script>") in shown
    assert done(at_desk.post(page_of(case, "work"), {"claim": "1"})) == page_of(case)
    case.refresh_from_db()
    assert case.claimed_by_id == senior.pk
    look = html.unescape(re.search(r'href="([^"]*sender=\d+&amp;conversation=\d+)"', shown)[1])
    assert "This would recall 1 messages" in text_of(at_desk, look)
    outcome = {"outcome": "recall", "seconds": "", "words": "", **REASON}
    assert done(at_desk.post(page_of(case, "work"), outcome)) == "/admin/messagelog/case/"
    case.refresh_from_db()
    assert (case.outcome, case.closed_by_id) == ("recall", senior.pk)
    [item] = talk.page(alice, f"?around={case.seq}&limit=1")["items"]
    assert "text" not in item
    assert link not in text_of(at_desk, "/admin/messagelog/case/")
    assert link in text_of(at_desk, "/admin/messagelog/case/?closed=1")
    assert "recalled" in text_of(at_desk, page_of(case))


def test_a_claimed_case_is_refused_to_others_in_words(at_desk, case):
    other = desk.browser(desk.new_staff("Moderator"))
    done(at_desk.post(page_of(case, "work"), {"claim": "1"}))
    answer = other.post(page_of(case, "work"), {"claim": "1"})
    assert answer.status_code == 409
    assert "Another moderator works on this case." in answer.content.decode()
    outcome = {"outcome": "dismiss", **REASON}
    assert other.post(page_of(case, "work"), outcome).status_code == 409
    done(at_desk.post(page_of(case, "work"), {"release": "1"}))
    done(other.post(page_of(case, "work"), outcome))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"outcome": "recall"}, 200),
        ({"outcome": "recall", "reason": "   "}, 400),
        ({"outcome": "pardon", **REASON}, 200),
        ({"outcome": "mute", "seconds": "", **REASON}, 400),
        ({"outcome": "mute", "seconds": "7", **REASON}, 200),
        ({"outcome": "recall", "reason": "x" * 501}, 200),
        ({"outcome": "recall", "reason": "a\x00b"}, 200),
        ({}, 200),
    ],
)
def test_an_outcome_that_is_not_whole_closes_nothing(at_desk, case, fields, status):
    answer = at_desk.post(page_of(case, "work"), fields)
    assert answer.status_code == status
    case.refresh_from_db()
    assert case.closed_at is None


def test_a_moderator_is_offered_only_what_he_may_do(case):
    only = desk.browser(member_of_staff(cases.HANDLE))
    found = re.findall(r'name="outcome" value="(\w+)"', text_of(only, page_of(case)))
    assert found == ["dismiss", "warn"]
    answer = only.post(page_of(case, "work"), {"outcome": "ban", **REASON})
    assert answer.status_code == 200
    case.refresh_from_db()
    assert case.closed_at is None


def test_no_form_is_taken_without_its_token_and_no_get_changes_anything(senior, case):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(senior)
    assert strict.post(page_of(case, "work"), {"claim": "1"}).status_code == 403
    strict.get(page_of(case, "work") + "?claim=1&outcome=dismiss&reason=x")
    case.refresh_from_db()
    assert case.claimed_by_id is None and case.closed_at is None


@pytest.mark.parametrize(
    "path", ["case/x/change/", "case/999999999999999999/work/", "case/-1/change/"]
)
def test_a_case_that_is_not_there_is_not_found(at_desk, path):
    assert at_desk.get(f"/admin/messagelog/{path}").status_code == 404


def test_the_queue_costs_the_same_however_long_it_is(case, django_assert_max_num_queries):
    client = desk.browser(desk.new_staff(superuser=True))
    client.get("/admin/messagelog/case/")
    with django_assert_max_num_queries(9):
        client.get("/admin/messagelog/case/")


NEW = "/admin/messagelog/recallorder/new/"


def chosen_in(shown: str) -> str:
    return html.unescape(re.search(r'name="chosen" value="([^"]*)"', shown)[1])


def test_recalling_many_with_a_look_before_and_an_undo_after(at_desk, senior, alice, bob, talk):
    word = uuid.uuid4().hex
    for n in range(3):
        talk.say(bob, f"{word} {n}")
    talk.say(alice, "mine stays")
    query = {"sender": bob.user["username"], "conversation": str(talk.id), "phrase": word.upper()}
    shown = text_of(at_desk, NEW, data=query)
    assert "This would recall 3 messages of 1 people in 1 conversations" in shown
    assert f"{word} 2" in shown
    later = talk.say(bob, f"{word} later")["seq"]
    here = done(at_desk.post(NEW, {"chosen": chosen_in(shown), **REASON}))
    assert "3 of 3" in text_of(at_desk, here)
    items = {i["seq"]: i for i in talk.all(alice) if not i.get("event")}
    assert sum("recalled_at" in i for i in items.values()) == 3
    assert "text" in items[later]
    order = RecallOrder.objects.latest("pk")
    undo = f"/admin/messagelog/recallorder/{order.pk}/undo/"
    assert undo in text_of(at_desk, here)
    assert done(at_desk.post(undo, REASON)) == here
    assert all("text" in i for i in talk.all(alice) if not i.get("event"))
    assert undo not in text_of(at_desk, here)
    written = AuditEntry.objects.filter(actor_id=senior.pk).order_by("number")
    assert [each.act for each in written] == ["messages.recall", "messages.restore"]
    assert {each.address for each in written} == {"127.0.0.1"}


def test_a_large_order_goes_on_in_the_worker(at_desk, alice, bob, monkeypatch):
    talk = talk_of(alice, bob)
    fill(talk, bob, orders.STEP + 50)
    rung: list[int] = []
    monkeypatch.setattr("messages.tasks.ring", rung.append)
    shown = text_of(at_desk, NEW, data={"conversation": str(talk.id)})
    here = done(at_desk.post(NEW, {"chosen": chosen_in(shown), **REASON}))
    order = RecallOrder.objects.latest("pk")
    assert rung == [order.pk]
    busy = text_of(at_desk, here)
    assert f"{orders.STEP} of {orders.STEP + 50}" in busy and 'http-equiv="refresh"' in busy
    tasks.carry_out(order.pk)
    after = text_of(at_desk, here)
    assert 'http-equiv="refresh"' not in after


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-01 00:00"},
        {"phrase": "?!"},
        {"sender": "nobody_of_that_name", "phrase": "!"},
        {"conversation": "999999999999"},
    ],
)
def test_a_look_at_the_whole_site_is_refused(at_desk, query):
    assert at_desk.get(NEW, data=query).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"sender": "nobody_of_that_name"},
        {"conversation": "999999999"},
        {"conversation": "no number"},
        {"sender": HOSTILE},
        {"since": "soon", "conversation": "1"},
    ],
)
def test_a_look_at_nothing_offers_nothing_to_order(at_desk, query):
    assert 'name="chosen"' not in text_of(at_desk, NEW, data=query)


@pytest.mark.parametrize("chosen", ["", "{}", "[]", "nonsense", '{"sql": 1}', '{"sender_id": "1"}'])
def test_a_form_that_was_tampered_with_orders_nothing(at_desk, chosen):
    before = RecallOrder.objects.count()
    assert at_desk.post(NEW, {"chosen": chosen, **REASON}).status_code in (200, 400)
    assert RecallOrder.objects.count() == before


def test_people_and_conversations_are_acted_on_from_their_pages(at_desk, alice, bob, talk):
    person = f"/admin/accounts/user/{bob.id}"
    shown = text_of(at_desk, f"{person}/change/")
    assert f"{person}/ban/" in shown and f"{person}/unban/" not in shown
    assert "Ban" in text_of(at_desk, f"{person}/ban/")
    done(at_desk.post(f"{person}/warn/", {"words": "Mind your words.", **REASON}))
    assert Letter.objects.get(to_id=bob.id).sent_at is not None
    done(at_desk.post(f"{person}/ban/", {"seconds": "3600", **REASON}))
    assert bob.request("GET", "sync").json()["data"]["reason"] == REASON["reason"]
    done(at_desk.post(f"{person}/unban/", REASON))
    bob.get("sync")
    group = f"/admin/conversations/conversation/{talk.id}"
    done(at_desk.post(f"{group}/freeze/", REASON))
    assert "frozen" in text_of(at_desk, f"{group}/change/")
    done(at_desk.post(f"{group}/thaw/", REASON))
    seat = Membership.objects.get(conversation_id=talk.id, user_id=bob.id).pk
    place = f"/admin/conversations/membership/{seat}"
    done(at_desk.post(f"{place}/mute/", {"seconds": "3600", **REASON}))
    assert bob.head(talk.id)["membership"]["muted_until"]
    done(at_desk.post(f"{place}/unmute/", REASON))
    done(at_desk.post(f"{place}/hand_over/", REASON))
    assert bob.head(talk.id)["membership"]["role"] == "owner"
    seq = talk.say(alice, "one by hand")["seq"]
    entry = f"/admin/messagelog/entry/{(talk.id << 32) + seq}"
    assert f"{entry}/recall/" in text_of(at_desk, f"{entry}/change/")
    done(at_desk.post(f"{entry}/recall/", REASON))
    assert "recalled_at" in talk.page(bob, f"?around={seq}&limit=1")["items"][0]
    done(at_desk.post(f"{group}/dissolve/", REASON))
    assert alice.head(talk.id)["state"] == "dissolved"


def test_staff_cannot_be_acted_on_from_their_page(at_desk):
    colleague = desk.new_staff("Moderator")
    answer = at_desk.post(f"/admin/accounts/user/{colleague.pk}/ban/", {"seconds": "", **REASON})
    assert answer.status_code == 403
    assert "Nobody acts on himself" in answer.content.decode()


def test_the_dashboard_tells_of_open_reports(at_desk, case):
    assert "Open reports" in text_of(at_desk, "/admin/")


def test_support_sees_nothing_of_it(case):
    client = desk.browser(desk.new_staff("Support"))
    for path in ("/admin/messagelog/case/", page_of(case), page_of(case, "work"), NEW):
        assert client.get(path).status_code == 403, path
