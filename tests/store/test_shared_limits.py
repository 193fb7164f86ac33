"""Rate limits counted in a real valkey: one budget for all who ask, whatever becomes of their connections."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits.strategies import MovingWindowRateLimiter

from imsite.core import limits

pytestmark = pytest.mark.once


@pytest.fixture
def limited(valkey, settings):
    """Switch limits on, and fail if valkey is not what answers."""
    settings.IM_LIMITS = True
    settings.IM_LIMIT = {"few": "5/minute", "many": "50/minute"}
    yield limits._limiter(settings.IM_REDIS_URL)
    assert limits._shared.closed_until == 0.0, "valkey was asked, and nobody else"


def passes(key: str, scope: str = "few") -> bool:
    try:
        limits.hit(scope, key)
    except limits.RateLimited:
        return False
    return True


def fresh() -> str:
    return uuid.uuid4().hex


def test_the_library_counts_in_the_same_window(limited):
    """So processes of before and after an upgrade share a budget."""
    key, [item] = fresh(), limits._items("5/minute")
    library = MovingWindowRateLimiter(limited.storage)
    assert [passes(key), library.hit(item, "few", key), passes(key)] == [True] * 3
    assert [library.hit(item, "few", key, cost=3), library.hit(item, "few", key)] == [False, True]
    assert [passes(key), passes(key)] == [True, False]


def test_threads_share_a_budget(limited):
    key = fresh()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: passes(key, "many"), range(120)))
    assert found.count(True) == 50


def test_it_goes_on_after_valkey_forgot_the_script(limited):
    key = fresh()
    assert passes(key)
    limited._redis.get_connection().script_flush()
    assert [passes(key) for _ in range(5)] == [True] * 4 + [False]


def test_it_goes_on_after_valkey_closed_the_connection(limited):
    key = fresh()
    assert passes(key)
    number = limited._ask("CLIENT", "ID")
    limited._redis.get_connection().client_kill_filter(_id=number)
    assert [passes(key) for _ in range(5)] == [True] * 4 + [False]
    assert limited._ask("CLIENT", "ID") != number


def test_a_command_is_written_in_bytes(limited):
    assert limited._ask("ECHO", "ünï\r\n🙂") == "ünï\r\n🙂".encode()
