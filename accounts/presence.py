"""Who is connected now, and how far each device has pulled: in valkey alone, expiring, never the truth.

Each process that holds sockets keeps one set of their devices, and says every `BEAT` seconds that it
lives; of a process that was killed the set is gone after `LIFE`. What a device pulled is noted for
`KEEP`. Both are told by one thread a process, merged, so that a request pays a microsecond; while
valkey is away they wait, and readers take everybody for absent: a push too many is better than none.
"""

import atexit
import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import redis
from django.conf import settings

from imsite.core import valkey

log = logging.getLogger("imsite.presence")
# Seconds between two signs of life of a process, and after which one without them is gone.
BEAT = 15
LIFE = 60
# Seconds for which is known what a device pulled: longer than a night of quiet hours.
KEEP = 12 * 3600
# Seconds in which what is told is gathered.
_EVERY = 0.02
# Seconds that valkey has to answer, and for which it is left alone when it did not.
_PATIENCE = 2.0
_PAUSE = 0.5
# Pulls kept while valkey is away, and ids in one command.
_MOST_KEPT = 50_000
_CHUNK = 5_000
_PROCESSES = "im:online"
Pair = tuple[int, int]


def _store() -> Any:
    return valkey.client(settings.IM_REDIS_URL, patience=_PATIENCE)


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


class Teller:
    """What this process knows, and the thread that tells it."""

    def __init__(self) -> None:
        self._key = f"{_PROCESSES}:{secrets.token_hex(8)}"
        self._open: Counter[int] = Counter()
        self._changed: set[int] = set()
        self._pulled: dict[Pair, int] = {}
        self._ready = threading.Condition()
        self._told_at = -float(BEAT)
        # Everything is told anew: valkey may have forgotten it.
        self._anew = False
        # It was told of sockets, so there must be a set of ours.
        self._kept = False
        self._store = _store()
        threading.Thread(target=self._run, name="presence", daemon=True).start()

    def turn(self, device_id: int, by: int) -> None:
        """Note a socket more or less of a device."""
        with self._ready:
            self._open[device_id] += by
            if self._open[device_id] == (by > 0):
                self._changed.add(device_id)
                self._ready.notify()
            if self._open[device_id] <= 0:
                del self._open[device_id]

    def pull(self, device_id: int, reached: Iterable[Pair]) -> None:
        """Note that a device holds these conversations up to these seqs."""
        with self._ready:
            for conversation_id, seq in reached:
                key = (device_id, conversation_id)
                self._pulled[key] = max(seq, self._pulled.get(key, 0))
            while len(self._pulled) > _MOST_KEPT:
                del self._pulled[next(iter(self._pulled))]
            self._ready.notify()

    def _run(self) -> None:
        failing = False
        while True:
            pulled = self._wait()
            try:
                self._tell(pulled)
                failing = False
            except Exception as error:
                # Whatever it was: the thread must live, and all is told anew.
                self._anew = True
                self._take_back(pulled)
                if not failing:
                    log.warning("presence waits, valkey failed: %s", type(error).__name__)
                failing = True
            time.sleep(_PAUSE if failing else _EVERY)

    def _wait(self) -> dict[Pair, int]:
        """Wait for news or the next beat; return what was pulled."""
        with self._ready:
            while not (self._changed or self._pulled or self._anew):
                left = self._told_at + BEAT - time.monotonic()
                if self._open and left <= 0:
                    break
                self._ready.wait(left if self._open else None)
            pulled, self._pulled = self._pulled, {}
            return pulled

    def _take_back(self, pulled: dict[Pair, int]) -> None:
        with self._ready:
            for key, seq in pulled.items():
                self._pulled[key] = max(seq, self._pulled.get(key, 0))

    def _tell(self, pulled: dict[Pair, int]) -> None:
        pipe = self._store.pipeline(transaction=True)
        pipe.exists(self._key)
        _add_pulled(pipe, pulled)
        watched = self._add_sockets(pipe)
        was_there = pipe.execute()[0]
        self._told_at = time.monotonic()
        with self._ready:
            # No set where there was one: it was flushed, or we were silent for too long.
            self._anew = bool(watched and self._kept and not was_there)
            self._kept = bool(self._open)

    def _add_sockets(self, pipe: Any) -> bool:
        """Add what changed, or a sign of life; say whether there was anything to say."""
        with self._ready:
            changed, self._changed = self._changed, set()
            whole = self._anew
            if not (changed or whole or self._open):
                return False
            here = list(self._open) if whole else [each for each in changed if each in self._open]
            gone = [] if whole else [each for each in changed if each not in self._open]
        if whole:
            self._kept = False
            pipe.delete(self._key)
        for some in _chunks(here):
            pipe.sadd(self._key, *some)
        for some in _chunks(gone):
            pipe.srem(self._key, *some)
        now = time.time()
        pipe.zadd(_PROCESSES, {self._key: now})
        # Names of processes that ended long ago; one taken away wrongly is back with its next beat.
        pipe.zremrangebyscore(_PROCESSES, "-inf", now - 86_400)
        pipe.expire(self._key, LIFE)
        return True

    def farewell(self) -> None:
        """Take this process's sockets off, if valkey is there."""
        try:
            self._store.pipeline().delete(self._key).zrem(_PROCESSES, self._key).execute()
        except (redis.RedisError, OSError):
            return


def _pulled_key(device_id: int) -> str:
    return f"im:pulled:{device_id}"


def _add_pulled(pipe: Any, pulled: dict[Pair, int]) -> None:
    by_device: dict[int, dict[int, int]] = {}
    for (device_id, conversation_id), seq in pulled.items():
        by_device.setdefault(device_id, {})[conversation_id] = seq
    for device_id, reached in by_device.items():
        # Only ever higher: an older page that is pulled later takes nothing back.
        pipe.zadd(_pulled_key(device_id), reached, gt=True)
        pipe.expire(_pulled_key(device_id), KEEP)


_lock = threading.Lock()
_teller: Teller | None = None


def _the_teller() -> Teller:
    global _teller
    with _lock:
        if _teller is None:
            _teller = Teller()
        return _teller


def opened(device_id: int) -> None:
    """Note that this device holds a socket here."""
    _the_teller().turn(device_id, 1)


def closed(device_id: int) -> None:
    """Note that a socket of this device, which was noted, is gone."""
    _the_teller().turn(device_id, -1)


def pulled(device_id: int, reached: Iterable[Pair]) -> None:
    """Note that this device has pulled each (conversation, seq); never waits, never fails."""
    try:
        _the_teller().pull(device_id, reached)
    except Exception:
        # The page is on its way: nothing that fails here may turn it into an error.
        log.exception("a pull was not noted")


class Readers:
    """The store as those who ask see it, left alone for a while after it failed."""

    def __init__(self) -> None:
        self._store: Any = None
        self._closed_until = 0.0

    def ask(self, question: Any, otherwise: Any) -> Any:
        """Return what `question` finds in the store, or `otherwise` while valkey is away."""
        if time.monotonic() < self._closed_until:
            return otherwise
        try:
            self._store = self._store or _store()
            return question(self._store)
        except (redis.RedisError, OSError) as error:
            log.warning("all count as absent, valkey failed: %s", type(error).__name__)
            self._closed_until = time.monotonic() + _PAUSE
            return otherwise


_readers = Readers()


def online(device_ids: Collection[int]) -> set[int]:
    """Return those of these devices that hold a socket, of whatever process; none without valkey."""
    ids = list(device_ids)
    if not ids:
        return set()
    absent: set[int] | None = _readers.ask(lambda store: _absent(store, ids), None)
    return set() if absent is None else set(ids) - absent


def _absent(store: Any, ids: list[int]) -> set[int]:
    """Return who is in no process's set: their difference is made there, and only it comes back."""
    keys = store.zrange(_PROCESSES, 0, -1)
    if not keys:
        return set(ids)
    asked = f"im:asked:{secrets.token_hex(8)}"
    found: set[int] = set()
    for some in _chunks(ids):
        pipe = store.pipeline(transaction=True)
        pipe.sadd(asked, *some)
        pipe.sdiff([asked, *keys])
        pipe.delete(asked)
        found.update(map(int, pipe.execute()[1]))
    return found


def pulled_to(pairs: Collection[Pair]) -> dict[Pair, int]:
    """Return how far each (device, conversation) has pulled, as far as is known; else left out."""
    wanted = list(pairs)
    if not wanted:
        return {}

    def question(store: Any) -> dict[Pair, int]:
        found: dict[Pair, int] = {}
        for start in range(0, len(wanted), _CHUNK):
            some = wanted[start : start + _CHUNK]
            pipe = store.pipeline(transaction=False)
            for device_id, conversation_id in some:
                pipe.zscore(_pulled_key(device_id), conversation_id)
            for pair, score in zip(some, pipe.execute(), strict=True):
                if score is not None:
                    found[pair] = int(score)
        return found

    answer: dict[Pair, int] = _readers.ask(question, {})
    return answer


def _forget() -> None:
    # The child of a fork has none of the threads, and must not share a connection.
    global _teller, _lock, _readers
    _teller, _lock, _readers = None, threading.Lock(), Readers()


def _finish() -> None:
    if _teller is not None:
        _teller.farewell()


os.register_at_fork(after_in_child=_forget)
atexit.register(_finish)
