"""A content rule in a real browser: tried on what was said, kept, switched on; a held message let through."""

import uuid

from messages.models import Held, PolicyRule
from messages.policy import standing
from tests import desk
from tests.cast import Person, talk_of
from tests.rules import lift

HOSTILE = "<script>document.title='owned'</script>"


def test_a_rule_is_tried_before_it_is_switched_on(window):
    alice, bob = Person.new("alice"), Person.new("bob")
    talk = talk_of(alice, bob)
    talk.say(bob, f"cheap browserword watches {HOSTILE}")
    senior = desk.new_staff("Senior moderator", password=desk.STAFF_PASSWORD)
    window.log_in(senior.username)
    window.page.click("text=Content rules")
    window.page.click("text=New rule")
    for name, value in {
        "name": "Watches",
        "patterns": "browserword",
        "conversation_id": str(talk.id),
        "told": "No adverts, please.",
        "reason": "adverts",
    }.items():
        window.page.fill(f"[name={name}]", value)
    window.page.select_option("[name=scope]", "conversation")
    window.page.select_option("[name=action]", "hold")
    window.page.click("[name=try]")
    window.page.wait_for_selector("text=it would have hit 1")
    assert window.page.title() != "owned"
    window.page.locator("h2").last.scroll_into_view_if_needed()
    window.shoot("rule-tried")
    window.page.click("[name=save]")
    window.page.click("text=Switch on")
    window.page.fill("[name=reason]", "adverts")
    window.page.click("[type=submit][value='Switch on']")
    window.page.wait_for_selector("text=in force everywhere")
    rule = PolicyRule.objects.get(conversation_id=talk.id)
    standing.forget()

    message = {"client_id": str(uuid.uuid4()), "text": f"more browserword {HOSTILE}"}
    assert bob.refused("POST", f"{talk.path}/messages", message) == "rejected_by_policy"
    held = Held.objects.get(conversation_id=talk.id)
    window.open("messagelog/held/")
    window.shoot("held")
    window.page.click(f"#result_list a:text-is('{held.pk}')")
    window.page.click("text=Let through")
    window.page.fill("[name=reason]", "a collector")
    window.page.click("[type=submit][value='Let through']")
    window.page.wait_for_selector("text=It stands in the log")
    for who in (alice, bob):
        assert talk.all(who)[-1]["text"] == message["text"]
    lift(rule)
