"""Four real processes append to the same conversations, each send tried twice: dense, and once each."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.cast import Person, talk_of
from tests.conftest import ROOT

PROCESSES, SENDS = 4, 60
# Groups of sends go in as the writer of each process would put them in; every group twice.
_SENDER = """
import json, sys, uuid, django
django.setup()
from imsite.core import clock
from messages import drafts, log
conversations, sender_id, sends = json.loads(sys.argv[1])
told = []
for n in range(0, sends, 3):
    group = []
    for k in range(3):
        text = f"{sender_id} says {n + k}"
        client_id = str(uuid.uuid4())
        conversation_id = conversations[(n + k) % len(conversations)]
        message = {"client_id": client_id, "text": text}
        group.append(drafts.parse(conversation_id, sender_id, message))
    first = log.append_many(group, now=clock.now())
    again = log.append_many(group[::-1], now=clock.now())[::-1]
    for draft, one, two in zip(group, first, again):
        told.append([draft.conversation_id, draft.text, one.seq, two.seq, one.duplicate, two.duplicate])
print(json.dumps(told))
"""


def at_once(scripts: list[tuple[str, Any]]) -> list[Any]:
    """Run scripts in a process each, all at the same time, and return what they print."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, json.dumps(argument)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "imsite.settings"},
        )
        for script, argument in scripts
    ]
    printed = [each.communicate(timeout=120)[0] for each in running]
    assert all(each.returncode == 0 for each in running)
    return [json.loads(each) for each in printed]


def test_dense_seqs_from_four_processes(alice):
    people = [Person.new("process") for _ in range(PROCESSES)]
    talks = [talk_of(alice, *people) for _ in range(3)]
    ids = [talk.id for talk in talks]
    # Each goes through the conversations in another order, which locks must not mind.
    told = at_once(
        [(_SENDER, [ids[n % 3 :] + ids[: n % 3], who.id, SENDS]) for n, who in enumerate(people)]
    )
    logs = {talk.id: {item["seq"]: item for item in talk.all(alice)} for talk in talks}
    for items in logs.values():
        assert sorted(items) == list(range(1, len(items) + 1))
    assert sum(map(len, logs.values())) == 3 + PROCESSES * SENDS
    for conversation_id, text, first, again, was, is_duplicate in (
        x for each in told for x in each
    ):
        assert first == again and (was, is_duplicate) == (False, True)
        assert logs[conversation_id][first]["text"] == text


def test_two_processes_race_with_one_client_id(alice, bob):
    """The same sends from both at once: each entry once, and both hear the same seq."""
    talk = talk_of(alice, bob)
    script = _SENDER.replace("str(uuid.uuid4())", "str(uuid.uuid5(uuid.NAMESPACE_URL, text))")
    one, two = at_once([(script, [[talk.id], bob.id, SENDS])] * 2)
    assert [row[2] for row in one] == [row[2] for row in two]
    assert all(not (a[4] is False and b[4] is False) for a, b in zip(one, two, strict=True))
    assert len(talk.all(alice)) == 1 + SENDS
