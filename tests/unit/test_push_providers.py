"""Each provider against a server that speaks its protocol: what arrives, and what each refusal means."""

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from push import transport
from push.breaker import PATIENCE
from push.providers.base import PushFailed
from tests.standins.sending import TEXT, TITLE, push_of, send, target_of

NAMES = ["fcm", "apns", "webpush", "webhook"]
HTTP1 = ["fcm", "webpush", "webhook"]
TOKEN = "abcdef0123456789"


def of(*names):
    """Run a test with each of these stand-ins."""
    return pytest.mark.parametrize("standin", names, indirect=True)


def refused(target, push=None) -> PushFailed:
    """Return how a push failed."""
    with pytest.raises(PushFailed) as failure:
        send(target, push)
    return failure.value


@of(*NAMES)
def test_what_is_pushed_arrives(standin):
    send(target_of(standin))
    [said] = standin.accepted()
    assert (said["conversation_id"], said["seq"], said["badge"]) == (7, 42, 3)
    assert (said["title"], said["text"], said["clear"]) == (TITLE, TEXT, False)


@of(*NAMES)
def test_a_silent_push_says_nothing_and_clears(standin):
    send(target_of(standin), push_of(silent=True, title=None, text=None, badge=0))
    [said] = standin.accepted()
    assert (said["conversation_id"], said["seq"], said["badge"], said["clear"]) == (7, 42, 0, True)
    assert said.get("title") is None and said.get("text") is None


@of(*NAMES)
def test_without_previews_nothing_of_the_message_is_told(standin):
    send(target_of(standin), push_of(title=None, text=None))
    [said] = standin.accepted()
    assert not said["clear"] and said["title"] in (None, "")
    assert said["text"] in (None, "New message")


@of("fcm", "apns", "webpush")
def test_a_conversation_is_one_notification(standin):
    for seq in (1, 2):
        send(target_of(standin), push_of(seq=seq))
    send(target_of(standin), push_of(seq=2, silent=True))
    assert len({said["collapse"] for said in standin.accepted()}) == 1
    send(target_of(standin), push_of(conversation_id=8))
    assert len({said["collapse"] for said in standin.accepted()}) == 2


@of("fcm", "webpush")
def test_nobody_keeps_a_push_for_longer_than_it_is_wanted(standin):
    now = datetime.now(UTC)
    for left in (timedelta(seconds=90), timedelta(days=400), timedelta(seconds=-5)):
        send(target_of(standin), push_of(expires_at=now + left))
    ttls = [said["ttl"] for said in standin.accepted()]
    assert 80 <= ttls[0] <= 90 and ttls[1:] == [28 * 86_400, 0]


@of("apns")
def test_apple_is_told_when_a_push_is_no_longer_wanted(standin):
    send(target_of(standin), push_of(expires_at=datetime.now(UTC) + timedelta(hours=1)))
    send(target_of(standin), push_of(expires_at=datetime.now(UTC) - timedelta(hours=1)))
    [first, second] = standin.accepted()
    assert 3590 <= first["expiration"] - time.time() <= 3600 and second["expiration"] == 0


GONE = [
    ("fcm", 404, ""),
    ("fcm", 400, ""),
    ("fcm", 403, ""),
    ("apns", 410, "Unregistered"),
    ("apns", 410, "ExpiredToken"),
    ("apns", 400, "BadDeviceToken"),
    ("apns", 400, "DeviceTokenNotForTopic"),
    ("webpush", 404, ""),
    ("webpush", 410, ""),
    ("webhook", 410, ""),
]


@pytest.mark.parametrize(("standin", "status", "reason"), GONE, indirect=["standin"])
def test_a_dead_token_is_told_as_such_and_harms_nobody_else(standin, status, reason):
    standin.order(TOKEN, status=status, reason=reason)
    dead, living = target_of(standin, TOKEN), target_of(standin, "0123456789abcdef")
    for _ in range(PATIENCE + 1):
        failed = refused(dead)
        assert failed.gone and not failed.unwell
    send(living)


@of("apns")
@pytest.mark.parametrize(("ago", "gone"), [(60, False), (-60, True)])
def test_a_token_that_was_registered_since_it_died_stays(standin, ago, gone):
    """Apple says when it knew a token for dead: registered after that, it lives again."""
    registered_at = datetime.now(UTC)
    died = int((registered_at.timestamp() - ago) * 1000)
    standin.order(TOKEN, status=410, reason="Unregistered", timestamp=died)
    failed = refused(target_of(standin, TOKEN, registered_at=registered_at))
    assert failed.gone == gone and not failed.unwell


OURS = [("fcm", 400), ("apns", 413), ("webpush", 413), ("webpush", 403), ("webhook", 422)]


@pytest.mark.parametrize(("standin", "status"), OURS, indirect=["standin"])
def test_a_push_that_is_refused_neither_kills_its_token_nor_stops_others(standin, status):
    odd = push_of(badge=-1) if standin.route == "fcm" else push_of()
    if standin.route != "fcm":
        standin.order(TOKEN, status=status)
    for _ in range(PATIENCE + 1):
        failed = refused(target_of(standin, TOKEN), odd)
        assert not failed.gone and not failed.unwell
    send(target_of(standin, "0123456789abcdef"))


@of(*NAMES)
@pytest.mark.parametrize("status", [500, 503])
def test_a_provider_in_trouble_is_spared_and_healed_when_it_heals(standin, status):
    standin.order(status=status)
    target, calls = target_of(standin), 0
    while (failed := refused(target)) and "rests" not in failed.reason:
        calls += 1
        assert failed.unwell and not failed.gone
    assert calls == PATIENCE and 0 < failed.retry_after <= 1
    standin.reset()
    time.sleep(failed.retry_after)
    send(target_of(standin))


@of(*NAMES)
def test_retry_after_of_the_provider_is_kept_for_everybody(standin):
    standin.order(status=503, retry_after="7", times=1)
    assert 6 < refused(target_of(standin)).retry_after <= 7
    assert 6 < refused(target_of(standin, "0123456789abcdef")).retry_after <= 7
    assert standin.accepted() == []


@of("webhook")
def test_retry_after_may_be_a_date(standin):
    moment = datetime.now(UTC) + timedelta(seconds=9)
    standin.order(status=503, retry_after=format_datetime(moment, usegmt=True), times=1)
    assert 7 < refused(target_of(standin)).retry_after <= 9


@of("fcm", "webhook")
def test_a_quota_is_the_whole_provider_s(standin):
    standin.order(TOKEN, status=429, retry_after="5")
    assert 4 < refused(target_of(standin, TOKEN)).retry_after <= 5
    assert refused(target_of(standin, "0123456789abcdef")).unwell


@of("apns", "webpush")
def test_a_throttled_device_is_that_device_s_alone(standin):
    standin.order(TOKEN, status=429, retry_after="5")
    failed = refused(target_of(standin, TOKEN))
    assert failed.retry_after == 5 and not failed.unwell and not failed.gone
    send(target_of(standin, "0123456789abcdef"))


@of(*NAMES)
@pytest.mark.parametrize("how", ["hang", "close"])
def test_no_answer_ends_in_time_and_the_next_push_passes(impatient, standin, how):
    standin.order(TOKEN, how=how, times=1)
    began = time.monotonic()
    failed = refused(target_of(standin, TOKEN))
    assert failed.unwell and not failed.gone
    assert time.monotonic() - began < impatient + 1.5
    send(target_of(standin, TOKEN))


@of(*HTTP1)
def test_an_answer_that_drips_ends_in_time(impatient, standin):
    standin.order(TOKEN, how="drip", times=1)
    began = time.monotonic()
    assert refused(target_of(standin, TOKEN)).unwell
    assert time.monotonic() - began < impatient + 1.5


@of(*NAMES)
def test_a_provider_that_is_not_there_is_unwell(standin, settings):
    target = target_of(standin)
    if standin.route == "webpush":
        target = target_of(standin, token=target.token.replace(standin.url, "https://localhost:1"))
    settings.IM_FCM_URL = settings.IM_APNS_URL = "https://localhost:1"
    settings.IM_PUSH_WEBHOOK_URL = "http://localhost:1"
    transport.close()
    failed = refused(target)
    assert failed.unwell and not failed.gone


@of(*NAMES)
def test_tokens_and_texts_are_in_no_line_and_no_reason(impatient, standin, caplog):
    failures = []
    with caplog.at_level(logging.INFO):
        for order in ({"status": 500}, {"status": 410}, {"how": "close"}, {"how": "hang"}):
            standin.order(TOKEN, times=1, **order)
            failures.append(refused(target_of(standin, TOKEN)))
        standin.order(status=503, retry_after="1", times=1)
        failures.append(refused(target_of(standin, TOKEN)))
    told = caplog.text + "".join(repr(failed) + str(failed.__cause__) for failed in failures)
    for secret in (TOKEN, TEXT, TITLE, "PRIVATE KEY", "whsec_", "Bearer "):
        assert secret not in told


@of("webhook")
def test_a_push_has_one_id_however_often_it_is_sent(standin):
    for push in (push_of(), push_of(), push_of(seq=43), push_of(silent=True)):
        send(target_of(standin), push)
    ids = [said["id"] for said in standin.accepted()]
    assert ids[0] == ids[1] and len(set(ids)) == 3


@of("webhook")
def test_a_receiver_who_knows_another_secret_refuses(standin, settings):
    settings.IM_PUSH_WEBHOOK_SECRET = "another secret of ours"
    failed = refused(target_of(standin))
    assert failed.reason == "401" and failed.unwell and not failed.gone
    assert standin.accepted() == []


@of("webhook")
def test_a_receiver_is_told_who_the_push_is_for(standin):
    send(target_of(standin, app="org.example.im"))
    [said] = standin.accepted()
    told = {name: said[name] for name in ("provider", "device_id", "app", "token")}
    assert told == {"provider": "fcm", "device_id": 9, "app": "org.example.im", "token": TOKEN}


@of("fcm", "apns")
def test_a_key_that_is_none_makes_the_provider_unwell(standin, settings):
    account = {**settings.IM_FCM_SERVICE_ACCOUNT, "private_key": "a secret that is no key"}
    settings.IM_FCM_SERVICE_ACCOUNT, settings.IM_APNS_KEY = account, "a secret that is no key"
    transport.close()
    failed = refused(target_of(standin))
    assert failed.unwell and not failed.gone and "secret" not in failed.reason
