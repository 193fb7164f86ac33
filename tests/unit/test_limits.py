"""Rate limits without a server: the local limiter, its retry time, and whose address is believed."""

import time

import pytest

from imsite.core import limits


@pytest.fixture
def limited(settings):
    """Switch limits on, with no valkey to ask."""
    settings.IM_LIMITS = True
    settings.IM_REDIS_URL = "unix:///nowhere/valkey.sock"
    settings.IM_LIMIT = {"few": "3/second", "none": "0/minute"}


def _hits(key: str, times: int, **more: int) -> list[bool]:
    return [_passes(key, **more) for _ in range(times)]


def _passes(key: str, *, scope: str = "few", **more: int) -> bool:
    try:
        limits.hit(scope, key, **more)
    except limits.RateLimited:
        return False
    return True


def test_lets_through_exactly_the_amount(limited):
    assert _hits("exact", 5) == [True, True, True, False, False]


def test_keys_do_not_share_a_budget(limited):
    assert _hits("one", 3) + _hits("other", 3) == [True] * 6


def test_a_cost_counts_as_that_many_hits(limited):
    assert _hits("cost", 1, cost=2) + _hits("cost", 2) == [True, True, False]


def test_a_refused_hit_costs_nothing(limited):
    assert _hits("refused", 1) + _hits("refused", 1, cost=3) + _hits("refused", 2) == [
        True,
        False,
        True,
        True,
    ]


def test_a_batch_over_the_whole_budget_passes_on_a_fresh_one(limited):
    assert _hits("batch", 2, cost=100) == [True, False]


def test_waiting_as_told_is_enough(limited):
    _hits("wait", 3)
    with pytest.raises(limits.RateLimited) as refusal:
        limits.hit("few", "wait")
    assert 0 < refusal.value.retry_after <= 1.01
    time.sleep(refusal.value.retry_after)
    assert _passes("wait")


def test_nothing_passes_a_rate_of_none(limited):
    assert not _passes("any", scope="none")


def test_a_key_may_be_any_text(limited):
    assert _passes("ß" * 100_000) and _passes("a b:c\n")


def test_off_means_off(settings):
    settings.IM_LIMITS = False
    limits.hit("no such scope", "key")


def test_a_dead_valkey_never_makes_a_request_wait_long(limited):
    started = time.monotonic()
    for number in range(200):
        limits.hit("few", f"dead {number}")
    # Waiting for each would take minutes.
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        (2, "1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, "1.1.1.1, 2.2.2.2", "9.9.9.9"),
        (1, "forged, 2.2.2.2:8080", "2.2.2.2"),
        (1, "[2001:db8::1]:443", "2001:db8::/64"),
        (1, "nonsense", "9.9.9.9"),
        (1, "", "9.9.9.9"),
    ],
)
def test_address_is_the_one_that_trusted_proxies_saw(settings, proxies, forwarded, seen):
    settings.IM_TRUSTED_PROXIES = proxies
    meta = {"REMOTE_ADDR": "9.9.9.9", "HTTP_X_FORWARDED_FOR": forwarded}
    assert limits.address(meta) == seen


@pytest.mark.parametrize(
    ("remote", "seen"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_address_of_a_network_or_of_nobody(settings, remote, seen):
    settings.IM_TRUSTED_PROXIES = 0
    assert limits.address({"REMOTE_ADDR": remote}) == seen


def test_a_rate_that_makes_no_sense_is_refused_at_the_start(settings):
    settings.IM_LIMIT = {"send": "often"}
    with pytest.raises(ValueError, match="often"):
        limits.check()
