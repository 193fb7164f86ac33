"""Group commit: senders hand over drafts and wait; one writer appends all that wait at once.

While one commit is in flight the next group gathers, without a timer: a lone sender waits for
nobody, and under load the cost of a durable commit is shared (design §4: 3 to 30 times as many).
"""

import asyncio
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
from imsite.core.turns import let_pass
from messages import log, ready
from messages.drafts import Draft
from messages.log import Receipt, Result
from messages.policy import desk
from messages.policy.gate import Verdict, judge
from messages.ready import Ready

logger = logging.getLogger("imsite.writer")
# A sender who waited this long is told to retry: the same client_id makes that safe.
_PATIENCE = 15.0
# Characters of text after which a group is full: cutting words out of 4,000 takes milliseconds, in which
# a loop whose writer this is answers nobody.
_MOST_TEXT = 32_768
# And of one submission, what its sender makes ready: a long batch would stand in everybody's way too.
_OWN_TEXT = 8_192


class Behind(Unavailable):
    """Too many messages wait to be written; send again soon."""


Answer = Callable[[Result], None]


@dataclass(slots=True)
class Waiting:
    """A draft, and whom to tell what became of it, on the writer's side, after the commit."""

    draft: Draft
    # Made by the sender: the writer's time is everybody's.
    verdict: Verdict
    item: Ready | None
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
    """A way into the log: a queue, and group after group out of it."""

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()

    def submit(self, drafts: Sequence[tuple[Draft, Answer]]) -> None:
        """Queue drafts in this order; refuse all when too many wait already."""
        # Before any work: where there is too much already.
        self._require_room(len(drafts))
        now, left = time.monotonic(), _OWN_TEXT
        items = []
        for draft, answer in drafts:
            left -= len(draft.text or "")
            item = ready.sent(draft) if left >= 0 else None
            items.append(Waiting(draft, judge(draft), item, answer, now))
        self.queue(items)

    def _require_room(self, count: int) -> None:
        if len(self.waiting) + count > settings.IM_WRITER_QUEUE:
            metrics.writer_refusals.inc(count)
            raise Behind(retry_after=1.0)

    def queue(self, items: list[Waiting]) -> None:
        """Take them in, unless too many wait."""
        self._require_room(len(items))
        self.waiting.extend(items)

    def take(self) -> list[Waiting]:
        """Return those that stand in the queue, up to a group."""
        group: list[Waiting] = []
        size = 0
        while self.waiting and len(group) < settings.IM_WRITER_GROUP and size < _MOST_TEXT:
            group.append(self.waiting.popleft())
            size += len(group[-1].draft.text or "")
        return group

    def append(self, group: list[Waiting]) -> None:
        """Append a group; if it fails as a whole, try its drafts one by one."""
        # No request begins or ends here: a connection that died meanwhile is dropped by hand.
        close_old_connections()
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
        # What was too long for its sender is made ready here, before any lock.
        items = [each.item or ready.sent(each.draft) for each in group]
        return log.append_many(drafts, now=now, verdicts=verdicts, items=items)

    def recover(self, group: list[Waiting], error: Exception) -> None:
        """Find the draft at fault, or tell the only one left."""
        logger.warning("a group of %d failed", len(group), exc_info=error)
        if len(group) == 1:
            group[0].answer(as_app_error(error))
            return
        for each in group:
            self.append([each])


class ThreadWriter(Writer):
    """The writer of senders who wait in threads of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.pid = os.getpid()
        self.ready = threading.Condition()
        threading.Thread(target=self.run, name="writer", daemon=True).start()

    def queue(self, items: list[Waiting]) -> None:
        """Take them in, and wake the thread."""
        with self.ready:
            super().queue(items)
            self.ready.notify()

    def take(self) -> list[Waiting]:
        """Wait until there is somebody to return."""
        with self.ready:
            while not self.waiting:
                self.ready.wait()
            return super().take()

    def run(self) -> None:
        """Append group after group for as long as the process lives."""
        while True:
            group = self.take()
            self.append(group)


class FiberWriter(Writer):
    """The writer of senders in fibers: one itself, so that no thread of theirs waits for another."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        # While it waits for its commit the next group gathers, so the loop never stands for it.
        # With heads locked, as other processes want them, it goes on before another request begins.
        self._fibers = fibers.Fibers("writer", 1, stand=0, presses=True)
        self._runs = False

    def queue(self, items: list[Waiting]) -> None:
        """Take them in; they go with all that the loop has ready now."""
        if not fibers.current():
            let_pass()
        super().queue(items)
        self._ring()

    def _ring(self) -> None:
        if not self._runs:
            self._runs = True
            self.loop.call_soon(self._fibers.start, self._stopped, self._run)

    def _run(self) -> None:
        while self.waiting:
            self.append(self.take())

    def _stopped(self, result: None, error: Exception | None) -> None:
        self._runs = False
        if error:
            logger.error("the writer broke", exc_info=error)
        if self.waiting:
            self._ring()


_lock = threading.Lock()
_in_thread: ThreadWriter | None = None
_in_fiber: FiberWriter | None = None


def the_writer() -> Writer:
    """Return the writer of this process's threads, or of the fibers of this loop."""
    global _in_thread
    if fibers.current():
        return _loops_writer()
    with _lock:
        # A forked child starts its own.
        if _in_thread is None or _in_thread.pid != os.getpid():
            _in_thread = ThreadWriter()
        return _in_thread


def _loops_writer() -> Writer:
    global _in_fiber
    if _in_fiber is None or _in_fiber.loop is not asyncio.get_running_loop():
        _in_fiber = FiberWriter()
    return _in_fiber


def submit(draft: Draft, answer: Answer, *, on_loop: bool = False) -> None:
    """Queue a draft; `answer` gets the receipt, or an AppError, after the commit, from the writer.

    Say `on_loop` on the thread of a loop with fibers, in a fiber or not: all of its drafts then go the
    same way, and none overtakes another.
    """
    (_loops_writer() if on_loop else the_writer()).submit([(draft, answer)])


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
