"""Group commit: senders hand over drafts and wait; one thread appends all that wait at once.

While one commit is in flight the next group gathers, without a timer: a lone sender waits for
nobody, and under load the cost of a durable commit is shared (design §4: 3 to 30 times as many).
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import close_old_connections, connections

from imsite.core import clock, fibers, metrics
from imsite.core.envelope import as_app_error
from imsite.core.errors import AppError, Unavailable
from messages import log
from messages.drafts import Draft
from messages.log import Receipt, Result
from messages.policy import desk
from messages.policy.gate import Verdict, judge

logger = logging.getLogger("imsite.writer")
# A sender who waited this long is told to retry: the same client_id makes that safe.
_PATIENCE = 15.0


class Behind(Unavailable):
    """Too many messages wait to be written; send again soon."""


Answer = Callable[[Result], None]


@dataclass(slots=True)
class Waiting:
    """A draft, and whom to tell what became of it, on the writer's thread, after the commit."""

    draft: Draft
    # Made by the thread of the sender: the writer's time is everybody's.
    verdict: Verdict
    answer: Answer
    since: float


class Patient:
    """A thread or fiber that waits for what becomes of its drafts: for all of them with one latch.

    A future for each would cost as much as the draft's share of the commit.
    """

    __slots__ = ("_latch", "_left", "results")

    def __init__(self, count: int) -> None:
        # None is what nothing is known of.
        self.results: list[Result | None] = [None] * count
        self._left = count
        self._latch = fibers.Latch()

    def hear(self, n: int, result: Result) -> None:
        """Take the result of draft `n`."""
        self.results[n] = result
        self._left -= 1
        if not self._left:
            self._latch.open()

    def wait(self, seconds: float) -> Sequence[Result | None]:
        """Return the results when all are there, or after so many seconds those that are."""
        self._latch.wait(seconds)
        return self.results


class Writer:
    """One process's way into the log: a queue and a thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.waiting: deque[Waiting] = deque()
        self.ready = threading.Condition()
        threading.Thread(target=self.run, name="writer", daemon=True).start()

    def submit(self, drafts: Sequence[tuple[Draft, Answer]]) -> None:
        """Queue drafts in this order; refuse all when too many wait already."""
        now = time.monotonic()
        items = [Waiting(draft, judge(draft), answer, now) for draft, answer in drafts]
        with self.ready:
            if len(self.waiting) + len(drafts) > settings.IM_WRITER_QUEUE:
                metrics.writer_refusals.inc(len(drafts))
                raise Behind(retry_after=1.0)
            self.waiting.extend(items)
            self.ready.notify()

    def run(self) -> None:
        """Append group after group for as long as the process lives."""
        while True:
            group = self.take()
            # No request begins or ends here: a connection that died meanwhile is dropped by hand.
            close_old_connections()
            self.append(group)

    def take(self) -> list[Waiting]:
        """Wait for drafts and return those that stand in the queue, up to a group."""
        with self.ready:
            while not self.waiting:
                self.ready.wait()
            count = min(len(self.waiting), settings.IM_WRITER_GROUP)
            return [self.waiting.popleft() for _ in range(count)]

    def append(self, group: list[Waiting]) -> None:
        """Append a group; if it fails as a whole, try its drafts one by one."""
        began = time.monotonic()
        metrics.group_wait.observe(began - group[0].since)
        try:
            results = self.keep(group)
        except Exception as error:
            # Whatever it was, every sender waits for an answer and the thread must live.
            connections.close_all()
            metrics.group_failures.inc()
            self.recover(group, error)
            return
        for each, result in zip(group, results, strict=True):
            each.answer(result)
        metrics.group_size.observe(len(group))
        metrics.group_time.observe(time.monotonic() - began)

    def keep(self, group: list[Waiting]) -> list[log.Result]:
        """Hold a group against the rules of this second, and append it."""
        now, drafts = clock.now(), [each.draft for each in group]
        verdicts = desk.verdicts(drafts, [each.verdict for each in group], now=now)
        return log.append_many(drafts, now=now, verdicts=verdicts)

    def recover(self, group: list[Waiting], error: Exception) -> None:
        """Find the draft at fault, or tell the only one left."""
        logger.warning("a group of %d failed", len(group), exc_info=error)
        if len(group) == 1:
            group[0].answer(as_app_error(error))
            return
        for each in group:
            self.append([each])


_lock = threading.Lock()
_writer: Writer | None = None


def the_writer() -> Writer:
    """Return this process's writer; a forked child starts its own."""
    global _writer
    with _lock:
        if _writer is None or _writer.pid != os.getpid():
            _writer = Writer()
        return _writer


def submit(draft: Draft, answer: Answer) -> None:
    """Queue a draft; `answer` gets the receipt, or an AppError, after the commit, in another thread."""
    the_writer().submit([(draft, answer)])


def send(draft: Draft) -> Receipt:
    """Append a draft and return its receipt, or raise what became of it."""
    [result] = send_many([draft])
    if isinstance(result, AppError):
        raise result
    return result


def send_many(drafts: Sequence[Draft]) -> list[Result]:
    """Append drafts in this order; a refused one gets its error and fails no other.

    One that the database takes too long for gets Unavailable, and may be kept all the same.
    """
    if not drafts:
        return []
    patient = Patient(len(drafts))
    the_writer().submit([(each, partial(patient.hear, n)) for n, each in enumerate(drafts)])
    results = patient.wait(_PATIENCE)
    return [Unavailable(retry_after=1.0) if each is None else each for each in results]
