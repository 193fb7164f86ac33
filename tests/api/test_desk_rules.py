"""Content rules from the admin's pages: written, tried, switched; held messages decided upon."""

import html
import uuid

import pytest
from django.test import Client

from messages.models import Held, PolicyRule
from messages.policy import standing
from tests import desk
from tests.rules import ruled

HOSTILE = "<script>alert(1)</script>\u202egnp.exe =cmd|' /C calc'!A0 \x1b[31m"
NEW = "/admin/messagelog/policyrule/new/"


@pytest.fixture
def at_desk() -> Client:
    return desk.browser(desk.new_staff("Senior moderator"))


def form(talk, **more) -> dict:
    return {
        "name": "a rule",
        "kind": "phrases",
        "patterns": "deskword",
        "action": "mask",
        "scope": "conversation",
        "conversation_id": talk.id,
        "times": 5,
        "seconds": 60,
        "counted": "sender",
        "least": 10,
        "told": "",
        "reason": "because",
        **more,
    }


def page(client: Client, path: str, given: dict | None = None) -> str:
    answer = client.get(path) if given is None else client.post(path, given)
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def test_a_rule_is_tried_kept_switched_on_and_deleted(at_desk, talk, alice):
    talk.say(alice, f"a deskword {HOSTILE}")
    tried = page(at_desk, NEW, form(talk, **{"try": "1"}))
    assert "it would have hit 1</h2>" in tried
    assert "a ********" in tried
    assert "<script>alert" not in tried
    assert "\u202e" not in tried
    assert not PolicyRule.objects.filter(conversation_id=talk.id).exists()

    kept = at_desk.post(NEW, form(talk, name=HOSTILE[:100], save="1"))
    rule = PolicyRule.objects.get(conversation_id=talk.id)
    own = f"/admin/messagelog/policyrule/{rule.pk}"
    assert kept["Location"] == f"{own}/change/"
    assert not rule.enabled
    assert "<script>alert" not in page(at_desk, f"{own}/change/") + page(
        at_desk, "/admin/messagelog/policyrule/"
    )

    assert at_desk.post(f"{own}/enable/", {"reason": "on"}).status_code == 302
    standing.refresh()
    talk.say(alice, "another deskword")
    assert talk.all(alice)[-1]["text"] == "another ********"
    shown = page(at_desk, f"{own}/write/")
    assert "deskword" in shown
    assert at_desk.post(f"{own}/write/", form(talk, patterns="x*y")).status_code == 302
    assert PolicyRule.objects.get(pk=rule.pk).patterns == "x*y"
    assert at_desk.post(f"{own}/disable/", {"reason": "off"}).status_code == 302
    gone = at_desk.post(f"{own}/remove/", {"reason": "gone"})
    assert gone["Location"] == "/admin/messagelog/policyrule/"
    assert not PolicyRule.objects.filter(pk=rule.pk).exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": "regex", "patterns": "ok\n("}, "line 2: missing )"),
        ({"kind": "domains", "patterns": "no domain"}, "not a domain"),
        ({"patterns": ""}, "give at least one line"),
        ({"conversation_id": ""}, "say which conversation"),
        ({"kind": "flood"}, "a flood has none"),
        ({"reason": ""}, "This field is required"),
        ({"reason": "\u200b"}, "must not be empty"),
        ({"times": "many"}, "Enter a whole number"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(at_desk, talk, wrong, told):
    for button in ("try", "save"):
        shown = page(at_desk, NEW, form(talk, **wrong, **{button: "1"}))
        assert told in html.unescape(shown)
    assert not PolicyRule.objects.filter(conversation_id=talk.id).exists()


def test_a_held_message_is_seen_and_decided(at_desk, talk, alice, bob):
    texts = [f"heldword {HOSTILE}", "heldword two"]
    with ruled({"conversation_id": talk.id, "patterns": "heldword", "action": "hold"}):
        for text in texts:
            message = {"client_id": str(uuid.uuid4()), "text": text}
            bob.refused("POST", f"{talk.path}/messages", message)
    first, second = Held.objects.filter(conversation_id=talk.id).order_by("id")
    queue = page(at_desk, "/admin/messagelog/held/")
    assert "heldword two" in queue
    # A queue: what has waited longest comes first.
    listed = [each.pk for each in at_desk.get("/admin/messagelog/held/").context["cl"].result_list]
    assert listed == sorted(listed)
    assert f">{first.pk}<" in queue
    beyond = at_desk.get(f"/admin/messagelog/held/?after={first.pk}").context["cl"].result_list
    assert [each.pk for each in beyond] == [each for each in listed if each > first.pk]
    back = at_desk.get(f"/admin/messagelog/held/?before={second.pk}").context["cl"].result_list
    assert [each.pk for each in back] == [each for each in listed if each < second.pk]
    assert "<script>alert" not in queue
    let = at_desk.post(f"/admin/messagelog/held/{first.pk}/release/", {"reason": "fine"})
    assert let.status_code == 302
    assert talk.all(alice)[-1]["text"] == texts[0]
    assert (
        at_desk.post(f"/admin/messagelog/held/{second.pk}/refuse/", {"reason": "no"}).status_code
        == 302
    )
    again = at_desk.post(f"/admin/messagelog/held/{second.pk}/release/", {"reason": "yes"})
    assert again.status_code == 409
    assert "heldword two" not in page(at_desk, "/admin/messagelog/held/?state=all")
    assert "refused" in page(at_desk, f"/admin/messagelog/held/{second.pk}/change/")


def test_a_moderator_decides_but_writes_no_rule(talk):
    client = desk.browser(desk.new_staff("Moderator"))
    assert client.get("/admin/messagelog/held/").status_code == 200
    assert "New rule" not in page(client, "/admin/messagelog/policyrule/")
    assert client.post(NEW, form(talk)).status_code == 403
    assert "Held messages" in page(client, "/admin/")
