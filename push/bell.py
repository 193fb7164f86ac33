"""Rings for pushes soon after something was said or read: a hint, off the request's way (a follower).

One thread a process rings a Celery task, for all that happened since it rang last. A bell that is
not heard costs seconds: the sweep finds everything by itself.
"""

import logging
import os
import threading
import time

from django.utils.module_loading import import_string

log = logging.getLogger("imsite.push")
# Of a layer above, which knows Celery; and not imported before it is needed, for Celery costs a quarter
# of a second and the web must start quickly.
_RING = "imsite.celery.ring"
# Seconds between two bells.
_EVERY = 0.25
# Seconds for which nothing is rung after it failed.
_PAUSE = 2.0
# Readings told at once; of more the sweep finds out by itself.
_MOST = 5_000


class Bell:
    """What happened since the last ringing, and the thread that rings."""

    def __init__(self) -> None:
        self.moved = False
        self.reads: dict[tuple[int, int], int] = {}
        self.ready = threading.Event()
        threading.Thread(target=self._run, name="push-bell", daemon=True).start()

    def _run(self) -> None:
        failing = False
        while True:
            self.ready.wait()
            self.ready.clear()
            try:
                self._ring()
                failing = False
            except Exception as error:
                # Whatever it is, the thread must live; the sweep does without it meanwhile.
                if not failing:
                    log.warning("nobody hears the bell for pushes: %s", type(error).__name__)
                failing = True
            time.sleep(_PAUSE if failing else _EVERY)

    def _ring(self) -> None:
        ring = import_string(_RING)
        reads, self.reads = self.reads, {}
        moved, self.moved = self.moved, False
        if reads:
            ring("push.tasks.clear", [[*pair, device_id] for pair, device_id in reads.items()])
        if moved:
            ring("push.tasks.push")


_lock = threading.Lock()
_bell: Bell | None = None


def _the_bell() -> Bell:
    global _bell
    if _bell is None:
        with _lock:
            _bell = _bell or Bell()
    return _bell


def heads_moved() -> None:
    """Ring soon, for new entries."""
    bell = _the_bell()
    bell.moved = True
    bell.ready.set()


def read(user_id: int, conversation_id: int, device_id: int) -> None:
    """Ring soon, so that the reader's other devices are cleared."""
    bell = _the_bell()
    if len(bell.reads) < _MOST:
        bell.reads[user_id, conversation_id] = device_id
        bell.ready.set()


def _forget() -> None:
    # The child of a fork has no such thread.
    global _bell, _lock
    _bell, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
