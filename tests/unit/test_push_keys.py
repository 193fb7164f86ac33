"""What providers know us by: made when needed, used again, renewed when refused, kept secret."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured

from push.providers import vapid, webpush
from push.providers.base import PushFailed, Target
from tests.standins.sending import send, target_of


def only(name):
    """Run a test with one provider."""
    return pytest.mark.parametrize("standin", [name], indirect=True)


def _hundred(standin):
    targets = [target_of(standin, f"{n:016x}") for n in range(100)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(send, targets))


@only("fcm")
def test_a_hundred_pushes_at_once_fetch_one_token(standin):
    _hundred(standin)
    assert standin.counts()["grants"] == 1
    assert standin.counts()["accepted"] == 100


@only("fcm")
def test_a_token_that_dies_early_is_fetched_anew_without_a_failure(standin):
    send(target_of(standin))
    standin.do("expire")
    send(target_of(standin))
    assert standin.counts()["grants"] == 2


@only("fcm")
def test_a_token_is_renewed_before_its_end(standin):
    standin.do("lives", seconds=1)
    send(target_of(standin))
    threading.Event().wait(0.6)
    send(target_of(standin))
    assert standin.counts()["grants"] == 2 and "refused: bearer" not in standin.counts()


@only("fcm")
@pytest.mark.parametrize("order", [{"status": 500}, {"how": "hang"}, {"how": "close"}])
def test_without_a_token_fcm_is_unwell_and_nobody_waits_in_turn(impatient, standin, order):
    standin.order("oauth", **order)
    failures = []

    def fail() -> None:
        with pytest.raises(PushFailed) as failure:
            send(target_of(standin))
        failures.append(failure.value)

    threads = [threading.Thread(target=fail) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(impatient + 2)
    assert [failed.unwell for failed in failures] == [True] * 10


@only("apns")
def test_a_hundred_pushes_share_a_connection_and_a_provider_token(standin):
    _hundred(standin)
    counts = standin.counts()
    assert (counts["accepted"], counts["connections"], counts["provider tokens"]) == (100, 1, 1)


@only("apns")
def test_an_expired_provider_token_is_made_anew_without_a_failure(standin):
    send(target_of(standin))

    standin.do("expire")
    send(target_of(standin))
    assert standin.counts()["provider tokens"] == 2


@only("apns")
def test_a_key_that_apple_does_not_know_makes_apns_unwell(standin, settings):
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    settings.IM_APNS_KEY = other.decode()
    with pytest.raises(PushFailed, match="403 InvalidProviderToken") as failure:
        send(target_of(standin))
    assert failure.value.unwell and not failure.value.gone


@only("webpush")
def test_one_signature_serves_many_pushes(standin):
    _hundred(standin)
    assert standin.counts()["signatures"] == 1


@only("webpush")
def test_browsers_and_push_services_see_the_same_key(standin):
    send(target_of(standin))
    assert standin.accepted()[0]["key"] == webpush.public_key()


def test_the_vapid_key_is_made_once_for_all_processes(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    with ThreadPoolExecutor(8) as threads:
        told = set(threads.map(lambda _: vapid.public_key(), range(32)))
    assert len(told) == 1 and len(told.pop()) == 87
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0


def test_a_given_vapid_key_may_be_pem_or_base64url(settings):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    raw = (
        base64.urlsafe_b64encode(key.private_numbers().private_value.to_bytes(32))
        .decode()
        .rstrip("=")
    )
    told = set()
    for given in (pem, raw):
        settings.IM_VAPID_PRIVATE_KEY = given
        told.add(vapid.public_key())
    assert len(told) == 1


@pytest.mark.parametrize("given", ["nonsense!", "-----BEGIN PRIVATE KEY-----\nAAAA"])
def test_a_vapid_key_that_is_none_is_refused(settings, given):
    settings.IM_VAPID_PRIVATE_KEY = given
    with pytest.raises(ImproperlyConfigured):
        vapid.public_key()


def test_a_subscription_that_is_none_is_forgotten(settings):
    settings.PUSH_ROUTES = {**settings.PUSH_ROUTES, "webpush": "webpush"}
    for token in ("", "{}", "[]", json.dumps({"endpoint": "https://x.example/1", "keys": {}})):
        with pytest.raises(PushFailed) as failure:
            send(Target(device_id=1, provider="webpush", token=token, app=""))
        assert failure.value.gone
