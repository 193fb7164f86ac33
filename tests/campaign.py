"""A whole site under fire: people talk while its parts are killed, and every push is accounted for.

Nobody but Alice sends; the others are absent, and read or see recalled some of it. After each fault
each of them must have been pushed for all that is unread, within a minute, and told nothing twice
more often than something died.
"""

import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import redis

from push.lanes import FRESH
from tests.flows.test_supervise_whole import Site
from tests.standins.running import Standin
from tests.store.remote import User

# Seconds in which all must be pushed after healing.
PROMISE = 60.0
# Seconds that a call of the provider may take.
TIMEOUT = 1.5
# Seconds between a look at what stands and the push, at most (and some for threads to begin).
UNDER_WAY = FRESH + TIMEOUT + 0.25
TALKING = 4.0
PEOPLE, TALKS = 5, 3


# Seconds that a part may take to start on a machine that has much else to do.
STARTING = 120.0


def _below(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@dataclass
class Sent:
    """A message of Alice's: where, when it was acknowledged, when its recall was."""

    talk: int
    seq: int
    at: float
    recalled_at: float = 0.0


@dataclass
class Report:
    """What a campaign saw."""

    faults: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    pushes: int = 0
    twice: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    late: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        waits = [round(wait, 1) for wait in sorted(self.waits)]
        return (
            f"{sum(self.faults.values())} faults {dict(self.faults)}: {self.messages} messages, "
            f"{self.pushes} pushes, {sum(self.twice.values())} doubled (at most "
            f"{max(self.twice.values(), default=0)} times each), {len(self.late)} after read or "
            f"recall; all pushed after {waits[len(waits) // 2]} s at the median, {waits[-1]} s at "
            f"most; undisturbed after {median(self.delays):.2f} s at the median"
        )


class Campaign:
    """The site, its people, and what is true."""

    def __init__(self, site: Site, standin: Standin, seed: int) -> None:
        self.site, self.standin = site, standin
        self.random = random.Random(seed)
        self.report = Report()
        run, base = uuid.uuid4().hex[:6], f"{site.base}/api/v1/"
        self.alice = User(base, f"alice_{run}")
        self.others = [User(base, f"other_{run}_{n}") for n in range(PEOPLE)]
        self.tokens = {f"token-{run}-{n}": other for n, other in enumerate(self.others)}
        for token, other in self.tokens.items():
            other.post("push/tokens", {"provider": "fcm", "token": token})
        ids = [other.id for other in self.others]
        group = {"kind": "group", "title": "Fire", "member_ids": ids}
        self.talks = [self.alice.post("conversations", group)["id"] for _ in range(TALKS)]
        self.sent: list[Sent] = []
        # By (person, conversation): (up to, when it was acknowledged).
        self.read: dict[tuple[int, int], list[tuple[int, float]]] = {}
        self.faults: dict[str, Callable[[], None]] = {
            "worker": lambda: self.kill("worker"),
            "task": self.kill_task,
            "beat": lambda: self.kill("beat"),
            "valkey": lambda: self.kill("valkey"),
            "flush": self.flush,
            "hang": self.hang,
        }

    def kill(self, part: str) -> None:
        """Kill a part; the supervisor starts it again."""
        os.kill(self.site.complete()[part], signal.SIGKILL)

    def kill_task(self) -> None:
        """Kill a process of the worker that runs tasks."""
        if below := _below(self.site.complete()["worker"]):
            os.kill(self.random.choice(below), signal.SIGKILL)

    def flush(self) -> None:
        """Let valkey forget everything, queue and presence."""
        with redis.Redis(unix_socket_path=str(next(self.site.folder.rglob("*.sock")))) as store:
            store.flushall()

    def hang(self) -> None:
        """Let the provider answer nobody for a while."""
        self.standin.order(how="hang")
        threading.Timer(TALKING / 2, lambda: self.standin.order(how="answer")).start()

    def undisturbed(self, count: int) -> None:
        """Send now and then, and note how long each push takes."""
        self.until_whole()
        for _ in range(count):
            self.say(self.talks[0])
            self.until_pushed()
            told = self.sent[-1]
            first = min(p["at"] for p in self.pushes() if p["seq"] == told.seq)
            self.report.delays.append(first - told.at)

    def round(self, fault: str) -> None:
        """Talk, break something in the middle, and wait until all that is unread was pushed."""
        self.report.faults[fault] += 1
        strike = threading.Timer(self.random.uniform(0.2, TALKING / 2), self.faults[fault])
        strike.start()
        until = time.monotonic() + TALKING
        while time.monotonic() < until:
            self.act()
            time.sleep(self.random.uniform(0.01, 0.15))
        strike.join()
        self.until_whole()
        wait = self.until_pushed()
        self.report.waits.append(wait)
        print(f"{fault}: {len(self.sent)} messages, all pushed after {wait:.1f} s", flush=True)

    def act(self) -> None:
        """Say something; now and then somebody reads, or it is recalled."""
        talk = self.random.choice(self.talks)
        self.say(talk)
        chance = self.random.random()
        if chance < 0.15:
            reader = self.random.choice(self.others)
            seq = self.sent[-1].seq
            reader.post(f"conversations/{talk}/read", {"seq": seq})
            self.read.setdefault((reader.id, talk), []).append((seq, time.time()))
        elif chance < 0.25:
            last = self.sent[-1]
            self.alice.post(f"conversations/{talk}/messages/{last.seq}/recall")
            last.recalled_at = time.time()

    def say(self, talk: int) -> None:
        """Send a message, with retries as a client does."""
        message = {"client_id": str(uuid.uuid4()), "text": "fire"}
        path = f"conversations/{talk}/messages"
        while (answer := self.alice.ask("POST", path, message)).status_code == 503:
            time.sleep(0.2)
        self.sent.append(Sent(talk, answer.json()["data"]["seq"], time.time()))

    def pushes(self) -> list[dict[str, Any]]:
        """Return what the provider took for our people, but for clears."""
        return [p for p in self.standin.accepted() if p["token"] in self.tokens and not p["clear"]]

    def owed(self) -> dict[tuple[str, int], int]:
        """Return by (token, conversation) the newest that its person has not read."""
        found: dict[tuple[str, int], int] = {}
        for token, who in self.tokens.items():
            for each in self.sent:
                marks = self.read.get((who.id, each.talk), [])
                if not each.recalled_at and each.seq > max((seq for seq, _ in marks), default=0):
                    key = (token, each.talk)
                    found[key] = max(each.seq, found.get(key, 0))
        return found

    def until_whole(self) -> None:
        """Wait until every part runs again: from then on the promise counts."""
        deadline = time.monotonic() + STARTING
        while not (worker := self.site.complete()["worker"]) or not _below(worker):
            assert time.monotonic() < deadline, "the worker does not come up"
            time.sleep(0.1)

    def until_pushed(self) -> float:
        """Wait until all that is owed was pushed; return the seconds."""
        began, owed = time.monotonic(), self.owed()
        while True:
            told: dict[tuple[str, int], int] = {}
            for push in self.pushes():
                key = (push["token"], push["conversation_id"])
                told[key] = max(push["seq"], told.get(key, 0))
            left = {key: seq for key, seq in owed.items() if told.get(key, 0) < seq}
            if not left:
                return time.monotonic() - began
            assert time.monotonic() - began < PROMISE, f"not pushed: {left}"
            time.sleep(0.1)

    def close(self) -> Report:
        """Account for every push."""
        # A claim of the dead runs out: whatever is sent once more is sent by then.
        time.sleep(self.patience)
        report, pushes = self.report, self.pushes()
        for who in (self.alice, *self.others):
            who.close()
        report.messages, report.pushes = len(self.sent), len(pushes)
        seen = Counter((p["token"], p["conversation_id"], p["seq"]) for p in pushes)
        report.twice = Counter({key: count - 1 for key, count in seen.items() if count > 1})
        recalls = {(s.talk, s.seq): s.recalled_at for s in self.sent if s.recalled_at}
        for push in pushes:
            place = (push["conversation_id"], push["seq"])
            who = self.tokens[push["token"]].id
            marks = self.read.get((who, place[0]), [])
            ended = [at for seq, at in marks if seq >= place[1]] + [recalls.get(place, 0.0)]
            if late := [push["at"] - at for at in ended if 0 < at < push["at"] - UNDER_WAY]:
                report.late.append(f"{place} to {who}, {max(late):.1f} s after")
        return report

    @property
    def patience(self) -> float:
        """Seconds after which the claims of a dead worker have run out (push/debts.lease)."""
        return TIMEOUT * 3 + 5
