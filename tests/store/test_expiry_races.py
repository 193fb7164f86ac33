"""Expiry beside everything else: pages without holes, markers, acts and sends, and kills in the middle."""

import copy
import signal
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta
from functools import partial

from django.test import Client

from imsite.core import clock
from imsite.core.pace import Pace
from messages import drafts, log, retention
from tests.aging import calendar, left
from tests.cast import Person, talk_of
from tests.conftest import ROOT
from tests.store.test_races import together

DAYS, A_DAY = 4, 40
# A real process whose clock is ahead by so many days; it begins when its input ends.
SHIFTED = """
import os, sys
from datetime import timedelta
from imsite.core import clock
real, ahead = clock.now, timedelta(days=float(sys.argv.pop(1)))
clock.now = lambda: real() + ahead
os.environ["DJANGO_SETTINGS_MODULE"] = "imsite.settings"
import django
django.setup()
from django.core.management import execute_from_command_line
print("ready", flush=True)
sys.stdin.read()
execute_from_command_line(sys.argv)
"""


def process(*args: str, ahead: float = 0) -> subprocess.Popen:
    """Make ready for a command in a process of its own, which begins with `communicate` or `begin`."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", SHIFTED, str(ahead), *args]
    return subprocess.Popen(command, cwd=ROOT, **pipes)


def begin(ready: subprocess.Popen) -> None:
    """Let it begin, once it is ready."""
    assert ready.stdout.readline()
    ready.stdin.close()
    ready.stdin = None


def again(who: Person) -> Person:
    """Return the same person with a client of their own, for a thread."""
    found = copy.copy(who)
    found.http = Client(raise_request_exception=False)
    return found


def fill(talk, who: Person, count: int) -> None:
    """Say many things at once."""
    said = [
        drafts.parse(talk.id, who.id, {"client_id": str(uuid.uuid4()), "text": f"old {n}"})
        for n in range(count)
    ]
    log.append_many(said, now=clock.now())


class Reader:
    """Reads pages again and again until all has expired: none may have a hole, nothing may fail."""

    def __init__(self, who: Person, talk, over: threading.Event) -> None:
        self.who, self.talk, self.over = who, talk, over

    def ask(self, path: str) -> dict:
        answer = self.who.request("GET", path)
        assert answer.status_code == 200, answer.content
        return answer.json()["data"]

    def run(self, query: str) -> None:
        while not self.over.is_set():
            page = self.ask(f"{self.talk.path}/messages?{query}")
            seqs = [item["seq"] for item in page["items"]]
            covered = range(page["from_seq"], page["to_seq"] + 1)
            assert page["floor_seq"] < page["from_seq"]
            if "chat" not in query:
                assert seqs == list(covered)
            assert set(seqs) <= set(covered)

    def sync(self) -> None:
        while not self.over.is_set():
            for head in self.ask("sync?messages=20")["items"]:
                if head["id"] == self.talk.id:
                    seqs = [item["seq"] for item in head["items"]]
                    low = max(head["floor_seq"], head["last_seq"] - 20)
                    assert seqs == list(range(low + 1, head["last_seq"] + 1))

    def act(self) -> None:
        n = 0
        while not self.over.is_set():
            n += 7
            seq = 1 + n % (DAYS * A_DAY)
            for path, body in (
                ("read", {"seq": seq, "force": True}),
                (f"messages/{seq}/react", {"emoji": "👍", "op": "add"}),
                (f"messages/{seq}/recall", {}),
                (f"messages/{seq}/report", {"reason": "spam"}),
            ):
                answer = self.who.request("POST", f"{self.talk.path}/{path}", body)
                # 403: while it stands, another's message is not for a plain member to recall.
                assert answer.status_code in (200, 400, 403, 404, 409, 410), answer.content
            self.talk.say(self.who, "meanwhile")


def test_nothing_is_torn_while_it_goes(alice, bob, carol):
    talk = talk_of(alice, bob, carol, retention_days=8)
    with calendar(alice, bob, carol) as days:
        for _ in range(DAYS):
            fill(talk, alice, A_DAY)
            days.go_on(1)
        bob.post(f"{talk.path}/messages/5/report", {"reason": "spam"})
        over = threading.Event()

        def expire() -> None:
            try:
                for day in range(8, 8 + DAYS + 1):
                    pace = Pace(rest=0.2)
                    pace.size = 30
                    retention.expire(now=clock.now() + timedelta(days=day - DAYS), pace=pace)
            finally:
                over.set()

        together(
            expire,
            partial(Reader(again(alice), talk, over).run, "after=0&limit=200"),
            partial(Reader(again(alice), talk, over).run, "view=chat&limit=50&after=0"),
            Reader(again(bob), talk, over).sync,
            Reader(again(carol), talk, over).act,
        )
        head = carol.head(talk.id)
        assert head["floor_seq"] >= DAYS * A_DAY
        assert [item["seq"] for item in talk.all(carol)] == list(
            range(head["floor_seq"] + 1, head["last_seq"] + 1)
        )


def test_a_killed_run_leaves_nothing_half_and_the_next_goes_on(valkey, alice, bob):
    with calendar(alice, bob) as days:
        days.go_on(-30)
        talk = talk_of(alice, bob, retention_days=9)
        for _ in range(3):
            fill(talk, alice, 700)
        days.go_on(30)
        whole = len(left(talk.id)["entries"])
        for running in [process("expire", "log") for _ in range(2)]:
            before = len(left(talk.id)["entries"])
            begin(running)
            while len(left(talk.id)["entries"]) == before and running.poll() is None:
                time.sleep(0.002)
            running.send_signal(signal.SIGKILL)
            running.communicate()
            page, kept = talk.page(bob, "?after=0"), left(talk.id)
            assert (page["items"], page["floor_seq"]) == ([], whole)
            assert kept["entries"] == list(range(whole - len(kept["entries"]) + 1, whole + 1))
        days.expire()
        assert not any(left(talk.id).values())


def test_a_process_that_is_eight_days_ahead_deletes_nothing(valkey, alice, bob):
    talk = talk_of(alice, bob, retention_days=1)
    seq = talk.say(alice)["seq"]
    running = process("expire", ahead=8)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    head = bob.head(talk.id)
    assert (head["floor_seq"], head["backlog_from"], head["last_seq"]) == (0, 1, seq)
    assert alice.get("accounts/devices")["items"], "nor does any device end"
