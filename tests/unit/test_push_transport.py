"""Pushes go where the settings say, failures are remembered by lane, and lines hold no secrets."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from push import transport
from push.providers.base import Push, PushFailed, Target

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PUSH = Push(
    conversation_id=7,
    seq=42,
    badge=3,
    title="a secret title",
    text="a secret text",
    silent=False,
    expires_at=NOW + timedelta(days=7),
)


class Unwell:
    """A provider that is down for those targets whose token says so."""

    def lane(self, target: Target) -> str:
        """Return the target's app."""
        return target.app

    def send(self, target: Target, push: Push, *, now: datetime) -> str:
        """Fail as the token says."""
        if target.token == "gone":
            raise PushFailed("not known", gone=True)
        if target.token == "down":
            raise PushFailed("500", unwell=True)
        return "taken"

    def close(self) -> None:
        """Have nothing open."""


@pytest.fixture(autouse=True)
def fresh():
    """Forget what other tests made."""
    transport.close()
    yield
    transport.close()


@pytest.fixture
def unwell(settings):
    """Send what is for fcm through the provider above."""
    settings.PUSH_PROVIDERS = {"unwell": f"{__name__}.Unwell"}
    settings.PUSH_ROUTES = {"fcm": "unwell"}


def _to(token: str, app: str = "one", provider: str = "fcm") -> str:
    target = Target(device_id=1, provider=provider, token=token, app=app)
    return transport.deliver(target, PUSH, now=NOW)


def _fall(app: str = "one") -> PushFailed:
    for _ in range(20):
        with pytest.raises(PushFailed) as failure:
            _to("down", app)
        if "rests" in failure.value.reason:
            return failure.value
    raise AssertionError("it never rests")


@pytest.mark.parametrize("provider", ["fcm", "apns", "webpush"])
def test_a_provider_that_is_not_set_up_goes_to_the_console(provider, caplog):
    with caplog.at_level(logging.INFO, "imsite.push"):
        assert _to("a secret token", provider=provider) == ""
    assert "conversation 7 up to 42, badge 3" in caplog.text
    assert "secret" not in caplog.text


def test_failures_make_the_lane_rest_and_say_for_how_long(unwell):
    resting = _fall()
    assert resting.unwell and not resting.gone and 0 < resting.retry_after <= 1
    with pytest.raises(PushFailed, match="rests"):
        _to("well")


def test_another_lane_of_the_same_provider_goes_on(unwell):
    _fall("one")
    assert _to("well", "other") == "taken"


def test_tells_how_long_a_whole_provider_rests(unwell):
    assert transport.resting("fcm", now=NOW) == 0
    _fall("unwell")
    assert 0 < transport.resting("fcm", now=NOW) <= 1


def test_dead_tokens_say_nothing_against_the_provider(unwell):
    for _ in range(20):
        with pytest.raises(PushFailed) as failure:
            _to("gone")
        assert failure.value.gone
    assert _to("well") == "taken"


def test_lanes_that_clients_name_are_not_remembered_without_bound(unwell):
    for n in range(3000):
        _to("well", f"host{n}")
    assert len(transport._breakers) <= 1000
