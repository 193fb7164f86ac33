"""What a kill -9 can repeat: what was under way, each once more, in place of itself; nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest

from imsite.core import clock
from push import debts, sweep
from tests.cast import Person, talk_of
from tests.conftest import ROOT
from tests.pushing import phones, push
from tests.standins.running import standing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills as on Linux")
TALKS, PEOPLE = 6, 5
SWEEP = """
import django
django.setup()
from imsite.core import clock
from push import sweep
sweep.run(clock.now, budget=60)
"""


@pytest.fixture
def fcm(valkey, settings):
    """A provider, and nothing owed to anybody."""
    with phones():
        push(now=clock.now() + timedelta(days=2))
    with standing("fcm") as found:
        yield found


def crowd() -> dict[str, Person]:
    people = {}
    for _ in range(PEOPLE):
        who = Person.new("woken")
        token = f"kills-{who.device_id}"
        who.post("push/tokens", {"provider": "fcm", "token": token})
        people[token] = who
    return people


def test_a_kill_repeats_what_was_under_way_and_no_more(fcm, alice, settings):
    """The provider took pushes and the process died before it heard: nobody can know which."""
    people, threads = crowd(), settings.IM_PUSH_THREADS
    talks = [talk_of(alice, *people.values()) for _ in range(TALKS)]
    newest = {talk.id: talk.say(alice)["seq"] for talk in talks}
    assert 2 * threads < TALKS * PEOPLE
    fcm.order(how="mute")
    environment = {**os.environ, **fcm.environment}
    sweeping = subprocess.Popen([sys.executable, "-c", SWEEP], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 60
    while len(fcm.accepted()) < threads:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    taken = fcm.accepted()
    assert len(taken) == threads, "no more are under way than there are threads"
    sweeping.send_signal(signal.SIGKILL)
    sweeping.wait()
    fcm.order(how="answer")
    with phones() as phone:
        # Held by the dead until their leases end, and then by whoever comes.
        push()
        assert not phone.taken
        later = timedelta(seconds=debts.lease() + 1)
        sweep.run(lambda: clock.now() + later, budget=60)
        again = Counter((device, said.conversation_id, said.seq) for device, said in phone.taken)
    assert again == {
        (who.device_id, talk, seq): 1 for who in people.values() for talk, seq in newest.items()
    }
    doubled = Counter((said["token"], said["conversation_id"]) for said in taken)
    assert set(doubled.values()) == {1} and len(doubled) == threads
    # By which the system puts the second in the place of the first.
    assert all(said["collapse"] == str(said["conversation_id"]) for said in taken)
