"""Rules as staff write them: checked, on record, in force in every process, counted, tried out."""

import time
import uuid
from datetime import timedelta

import httpx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from imsite.core import clock
from imsite.core.errors import AppError, InvalidRequest
from messages import drafts, log, writer
from messages.models import Entry, PolicyRule, Report
from messages.policy import desk, rules, tallies, testbox
from messages.policy.gate import judge
from tests.rules import ruled
from tests.staff import member_of_staff, warrant


def fields(**more) -> dict:
    return {"name": "r", "kind": "phrases", "action": "reject", "patterns": "someword", **more}


def test_a_rule_is_made_off_switched_changed_deleted_and_all_is_on_record(talk):
    given = warrant()
    rule = rules.save(given, None, fields(scope="conversation", conversation_id=talk.id))
    assert not rule.enabled
    rules.save(given, rule.pk, fields(patterns="otherword", action="flag"))
    for _ in range(2):
        rules.switch(given, rule.pk, enabled=True)
    rules.switch(given, rule.pk, enabled=False)
    rules.delete(given, rule.pk)
    found = AuditEntry.objects.filter(target=f"rule:{rule.pk}").order_by("number")
    assert [each.act.removeprefix("policy.") for each in found] == [
        "create",
        "change",
        "enable",
        "disable",
        "delete",
    ]
    assert "someword" in found[1].before
    assert "otherword" in found[1].after
    assert not PolicyRule.objects.filter(pk=rule.pk).exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"patterns": ""}, "patterns"),
        ({"patterns": "\u200b"}, "patterns"),
        ({"patterns": "a\n" * 20_001}, "patterns"),
        ({"kind": "regex", "patterns": "ok\n("}, "patterns"),
        ({"kind": "regex", "patterns": "x*"}, "patterns"),
        ({"kind": "domains", "patterns": "no domain"}, "patterns"),
        ({"kind": "nothing"}, "kind"),
        ({"action": "burn"}, "action"),
        ({"scope": "conversation"}, "conversation_id"),
        ({"conversation_id": 5}, "conversation_id"),
        ({"name": " "}, "name"),
        ({"told": "x" * 201}, "told"),
        ({"patterns": "a\x00b"}, "patterns"),
        ({"kind": "flood"}, "patterns"),
        ({"kind": "flood", "patterns": "", "times": 0, "seconds": 5, "least": 1}, "times"),
        (
            {
                "kind": "flood",
                "patterns": "",
                "action": "mask",
                "times": 5,
                "seconds": 5,
                "least": 1,
            },
            "action",
        ),
    ],
)
def test_a_bad_rule_is_refused_by_field(wrong, field):
    before = PolicyRule.objects.count()
    with pytest.raises(InvalidRequest) as refused:
        rules.save(warrant(), None, fields(**wrong))
    assert field in refused.value.data["fields"]
    assert PolicyRule.objects.count() == before


def test_rules_take_the_permission():
    given = warrant(actor=member_of_staff("messagelog.decide_held"))
    with pytest.raises(AppError):
        rules.save(given, None, fields())
    with pytest.raises(AppError):
        testbox.run(given, fields())


def sent(talk, who, text: str) -> drafts.Draft:
    return drafts.parse(talk.id, who.id, {"client_id": str(uuid.uuid4()), "text": text})


def queries(call) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    told = [each["sql"] for each in captured.captured_queries]
    return len([sql for sql in told if not sql.startswith(("BEGIN", "COMMIT"))])


def cost_of(some: list[drafts.Draft]) -> int:
    """Count the statements by which the writer's appends become more with rules."""
    now = clock.now()
    verdicts = desk.verdicts(some, [judge(each) for each in some], now=now)
    return queries(lambda: log.append_many(some, now=now, verdicts=verdicts))


def test_rules_cost_a_send_no_query(talk, alice):
    """Only what is flagged is a statement more, one for all of it."""
    cost_of([sent(talk, alice, "the first, which looks columns up")])
    plain = cost_of([sent(talk, alice, "hello")])
    place = {"conversation_id": talk.id}
    rejecting = {**place, "patterns": ["heldword"], "action": "hold"}
    with ruled(rejecting, {**place, "patterns": ["flagword"], "action": "flag"}):
        assert cost_of([sent(talk, alice, "hello")]) == plain
        cost_of([sent(talk, alice, "flagword first, which looks the columns up")])
        some = [sent(talk, alice, f"flagword {n}") for n in range(20)]
        assert cost_of(some) == plain + 1
    assert Report.objects.filter(conversation_id=talk.id, reporter=None).count() == 21


def test_the_rules_are_asked_for_once_a_second(talk, alice):
    draft = sent(talk, alice, "hello")
    with ruled({"conversation_id": talk.id, "patterns": ["someword"]}):
        began = time.monotonic()
        asked = queries(
            lambda: [desk.verdicts([draft], [judge(draft)], now=clock.now()) for _ in range(50)]
        )
        assert asked <= 1 + (time.monotonic() - began)


def test_a_rule_of_one_process_is_in_force_in_another_within_seconds(talk, alice, server):
    """A real server; the rule is written here, and taken away here."""
    with httpx.Client(base_url=server, timeout=30) as http:
        http.headers["Authorization"] = f"Bearer {alice.access}"

        def passes() -> bool:
            message = {"client_id": str(uuid.uuid4()), "text": "an elsewhereword"}
            answer = http.post(f"/api/v1/{talk.path}/messages", json=message)
            return answer.status_code == 201

        assert passes()
        given = warrant()
        rule = rules.save(
            given,
            None,
            fields(patterns="elsewhereword", scope="conversation", conversation_id=talk.id),
        )
        rules.switch(given, rule.pk, enabled=True)
        time.sleep(1.1)
        assert not any(passes() for _ in range(5))
        rules.switch(given, rule.pk, enabled=False)
        time.sleep(1.1)
        assert passes()
        rules.delete(given, rule.pk)


def test_a_verdict_by_older_rules_does_not_stand(talk, alice):
    draft = sent(talk, alice, "lateword")
    early = judge(draft)
    with ruled({"conversation_id": talk.id, "patterns": ["lateword"]}):
        [verdict] = desk.verdicts([draft], [early], now=clock.now())
        assert [rule.name for rule in verdict.hits] == ["test"]
        with pytest.raises(AppError):
            writer.send(draft)


def test_hits_are_counted_apart_from_sends(talk, alice):
    with ruled({"conversation_id": talk.id, "patterns": ["countedword"]}) as [rule]:
        for _ in range(3):
            alice.request(
                "POST",
                f"{talk.path}/messages",
                {"client_id": str(uuid.uuid4()), "text": "countedword"},
            )
        tallies.flush()
        rule.refresh_from_db()
        assert rule.hits == 3
        assert rule.hit_at is not None


def test_the_test_box_shows_what_a_rule_would_have_hit_and_changes_nothing(talk, alice, bob):
    for text in ("fine", "a boxword", "BOXWORD again", "a boxwordy thing"):
        talk.say(alice, text)
    recalled = talk.say(alice, "boxword taken back")["seq"]
    alice.post(f"{talk.path}/messages/{recalled}/recall")
    before = list(Entry.objects.filter(conversation_id=talk.id).values())
    place = {"scope": "conversation", "conversation_id": talk.id}
    trial = testbox.run(warrant(), fields(patterns="boxword", action="mask", **place))
    assert (trial.looked, trial.hit, trial.whole) == (4, 2, True)
    assert [each.text for each in trial.shown] == ["BOXWORD again", "a boxword"]
    assert [each.becomes for each in trial.shown] == ["******* again", "a *******"]
    assert list(Entry.objects.filter(conversation_id=talk.id).values()) == before
    assert talk.page(bob)["last_seq"] == len(before)
    bounded = testbox.run(warrant(), fields(patterns="boxword", **place), most=2)
    assert (bounded.looked, bounded.whole) == (2, False)


def test_the_test_box_counts_floods_and_spares_whom_the_rule_spares(talk, alice, bob):
    for who in (alice, bob):
        for _ in range(4):
            talk.say(who, "the very same text")
    place = {"scope": "conversation", "conversation_id": talk.id}
    flood = {"kind": "flood", "patterns": "", "times": 3, "seconds": 60, "least": 5}
    run = testbox.run(warrant(), fields(**flood, **place))
    assert run.hit == 2
    spared = testbox.run(warrant(), fields(**flood, **place, exempt_admins=True))
    assert [each.sender_id for each in spared.shown] == [bob.id]
    anyone = testbox.run(warrant(), fields(**{**flood, "counted": "anyone"}, **place))
    assert anyone.hit == 5


def test_the_test_box_looks_at_one_week(talk, alice):
    draft = sent(talk, alice, "oldword")
    log.append_many([draft], now=clock.now(), times=[clock.now() - timedelta(days=9)])
    talk.say(alice, "oldword")
    place = {"scope": "conversation", "conversation_id": talk.id}
    assert testbox.run(warrant(), fields(patterns="oldword", **place)).hit == 1
