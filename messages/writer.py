"""Group commit: senders hand over drafts and wait; one thread appends all that wait at once.

While one commit is in flight the next group gathers, without a timer: a lone sender waits for
nobody, and under load the cost of a durable commit is shared (design §4: 3 to 30 times as many).
"""

import logging
import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from django.conf import settings
from django.db import close_old_connections, connections

from imsite.core import clock, metrics
from imsite.core.envelope import as_app_error
from imsite.core.errors import AppError, Unavailable
from messages import log
from messages.drafts import Draft
from messages.log import Receipt
from messages.policy import desk
from messages.policy.gate import Verdict, judge

logger = logging.getLogger("imsite.writer")
# A sender who waited this long is told to retry: the same client_id makes that safe.
_PATIENCE = 15.0


class Behind(Unavailable):
    """Too many messages wait to be written; send again soon."""


@dataclass(slots=True)
class Waiting:
    """A draft and the sender who waits for its receipt."""

    draft: Draft
    # Made by the thread of the sender: the writer's time is everybody's.
    verdict: Verdict
    future: "Future[Receipt]" = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Writer:
    """One process's way into the log: a queue and a thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.waiting: deque[Waiting] = deque()
        self.ready = threading.Condition()
        threading.Thread(target=self.run, name="writer", daemon=True).start()

    def submit(self, drafts: list[Draft]) -> "list[Future[Receipt]]":
        """Queue drafts in this order; refuse all when too many wait already."""
        items = [Waiting(draft, judge(draft)) for draft in drafts]
        with self.ready:
            if len(self.waiting) + len(items) > settings.IM_WRITER_QUEUE:
                metrics.writer_refusals.inc(len(items))
                raise Behind(retry_after=1.0)
            self.waiting.extend(items)
            self.ready.notify()
        return [item.future for item in items]

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
            answer(each.future, result)
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
            answer(group[0].future, as_app_error(error))
            return
        for each in group:
            self.append([each])


def answer(future: "Future[Receipt]", result: log.Result) -> None:
    """Give a sender what became of the draft."""
    if isinstance(result, AppError):
        future.set_exception(result)
    else:
        future.set_result(result)


_lock = threading.Lock()
_writer: Writer | None = None


def the_writer() -> Writer:
    """Return this process's writer; a forked child starts its own."""
    global _writer
    with _lock:
        if _writer is None or _writer.pid != os.getpid():
            _writer = Writer()
        return _writer


def submit(draft: Draft) -> "Future[Receipt]":
    """Queue a draft; its future resolves to the receipt after the commit, or to an AppError."""
    return the_writer().submit([draft])[0]


def send(draft: Draft) -> Receipt:
    """Append a draft and return its receipt, or raise what became of it."""
    return wait(submit(draft))


def send_many(drafts: list[Draft]) -> list[log.Result]:
    """Append drafts in this order; a refused one gets its error and fails no other."""
    results: list[log.Result] = []
    until = time.monotonic() + _PATIENCE
    for future in the_writer().submit(drafts):
        try:
            results.append(wait(future, patience=max(0.0, until - time.monotonic())))
        except AppError as error:
            results.append(error)
    return results


def wait(future: "Future[Receipt]", *, patience: float = _PATIENCE) -> Receipt:
    """Return the receipt; raise Unavailable when the database takes more than `patience` seconds."""
    try:
        return future.result(timeout=patience)
    except TimeoutError as error:
        raise Unavailable(retry_after=1.0) from error
