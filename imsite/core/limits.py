"""Rate limits: one atomic round trip to valkey for each hit, a limiter in this process while it is away.

A moving window: never more than N hits in any span of the rate's length, and a refused hit costs
nothing. The library's own Lua script decides and counts in one step, so that racing requests
cannot both take the last place.
"""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.conf import settings
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from imsite.core import fibers, metrics, valkey
from imsite.core.errors import AppError, Code

log = logging.getLogger("imsite.limits")

# Seconds a request may wait for valkey, for each step; there are at most two on the way to a fall back.
_PATIENCE = 0.08
# Seconds from which on its answers are waited for in a thread, where others share ours: on a machine far
# away, or slow.
_NEAR = 0.002
# Seconds for which valkey is left alone after it failed.
_PAUSE = 2.0
_MAX_KEY = 80
# Keys kept while valkey is away: more than this is a flood, and forgetting beats growing.
_MAX_LOCAL = 10_000


class RateLimited(AppError):
    """Too many requests; wait a little."""

    code = Code.RATE_LIMITED


def hit(scope: str, key: str, *, cost: int = 1) -> None:
    """Count `cost` against the budget of `key` in `scope`; raise RateLimited when it is used up.

    `key` may be any text; RateLimited carries `retry_after` in seconds.
    """
    if not settings.IM_LIMITS:
        return
    if len(key) > _MAX_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    for item in _items(settings.IM_LIMIT[scope]):
        # A batch larger than the whole budget passes when nothing else was asked, or it never could.
        wait = _wait(item, (scope, key), max(1, min(cost, item.amount)))
        if wait is not None:
            metrics.limit_refusals.labels(scope).inc()
            raise RateLimited(retry_after=wait)


def check() -> None:
    """Raise ValueError if a configured rate cannot be read."""
    for rate in settings.IM_LIMIT.values():
        _items(rate)


@lru_cache(maxsize=64)
def _items(rate: str) -> list[RateLimitItem]:
    return parse_many(rate)


def _wait(item: RateLimitItem, ids: tuple[str, str], cost: int) -> float | None:
    """Return None if the hit was let through, else the seconds until one may be."""
    if _shared.open():
        try:
            ask = partial(_timed, _limiter(settings.IM_REDIS_URL), item, ids, cost)
            wait = fibers.aside(ask) if _is_far else ask()
        except (RedisError, OSError) as error:
            _shared.failed(error)
        else:
            _shared.answered()
            return wait
    metrics.limit_fallbacks.inc()
    return _ask(_local.limiter(), item, ids, cost)


_is_far = False


def are_quick() -> bool:
    """Say whether a hit is counted so soon that a loop's thread may wait for it, in no fiber."""
    return not (settings.IM_LIMITS and _is_far)


def _timed(*question: Any) -> float | None:
    """Ask, and note whether the next answer is worth waiting for on the loop's thread."""
    global _is_far
    began = time.monotonic()
    try:
        return _ask(*question)
    finally:
        _is_far = time.monotonic() - began > _NEAR


def _ask(
    limiter: MovingWindowRateLimiter, item: RateLimitItem, ids: tuple[str, str], cost: int
) -> float | None:
    if limiter.hit(item, *ids, cost=cost):
        return None
    reset = limiter.get_window_stats(item, *ids).reset_time
    # A millisecond more, so that the oldest hit is out of the window for certain.
    return max(0.0, reset - time.time()) + 0.001


class _Straight(MovingWindowRateLimiter):
    """Asks the library's script over a connection that each thread keeps to itself.

    It is asked before every send and sync. The client that redis-py puts around a connection (pool, events,
    retries, packing of whatever one passes) takes two thirds of what a question costs us.
    """

    def __init__(self, storage: RedisStorage) -> None:
        super().__init__(storage)
        self._redis = storage
        self._mine = threading.local()

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Say whether a hit of this cost was let through, and count it if so."""
        key = self._redis.prefixed_key(item.key_for(*identifiers))
        told = (time.time(), item.amount, item.get_expiry(), cost)
        sha = self._redis.lua_acquire_moving_window.sha
        try:
            return bool(self._ask("EVALSHA", sha, 1, key, *told))
        except NoScriptError:
            # New to this valkey, or forgotten by it: the library hands it over.
            return super().hit(item, *identifiers, cost=cost)

    def _ask(self, *parts: str | int | float) -> Any:
        command = _packed(*parts)
        connection = self._connection()
        was_open = connection.is_connected
        try:
            return _answer(connection, command)
        except RedisConnectionError:
            # Valkey closed it since the last question.
            if not was_open:
                raise
            return _answer(connection, command)

    def _connection(self) -> Any:
        # The child of a fork must not talk over its parent's.
        if getattr(self._mine, "pid", None) != os.getpid():
            client: Any = self._redis.get_connection()
            self._mine.connection = client.connection_pool.make_connection()
            self._mine.pid = os.getpid()
        return self._mine.connection


def _answer(connection: Any, command: bytes) -> Any:
    """Return the answer to a command; after a failure in the middle the connection begins anew."""
    connection.send_packed_command([command])
    return connection.read_response()


def _packed(*parts: str | int | float) -> bytes:
    """Return a command as valkey reads it."""
    raw = [str(part).encode() for part in parts]
    told = [b"$%d\r\n%s\r\n" % (len(part), part) for part in raw]
    return b"*%d\r\n%s" % (len(raw), b"".join(told))


@lru_cache(maxsize=4)
def _limiter(url: str) -> MovingWindowRateLimiter:
    return _Straight(_storage(url))


def _storage(url: str) -> RedisStorage:
    # Without retries: the pool reconnects by itself when the server has closed a connection.
    return RedisStorage(
        url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url,
        key_prefix="im:limit",
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # passed on to redis as it is
    )


class _Local:
    """The limiter of this process, bounded."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def limiter(self) -> MovingWindowRateLimiter:
        """Return the limiter; a new one when too many keys are in it."""
        if len(self._storage.events) > _MAX_LOCAL:
            self._storage = MemoryStorage()
            self._limiter = MovingWindowRateLimiter(self._storage)
        return self._limiter


_shared = valkey.Respite(log, instead="limits are local", pause=_PAUSE)
_local = _Local()


def address(meta: Mapping[str, Any]) -> str:
    """Return the client's address as far as it can be trusted; of IPv6 the network (/64).

    Behind N trusted proxies it is the Nth entry of X-Forwarded-For from the right: what stands
    further left was written by the client.
    """
    seen = str(meta.get("REMOTE_ADDR") or "")
    hops = settings.IM_TRUSTED_PROXIES
    if hops > 0:
        chain = str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",")
        if len(chain) >= hops and (found := _network(chain[-hops])):
            return found
    return _network(seen) or "unknown"


def _network(text: str) -> str | None:
    parsed = _parse(text.strip())
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        # One customer has at least a /64, so single addresses in it mean nothing.
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed) if parsed else None


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host)
    except ValueError:
        return None
