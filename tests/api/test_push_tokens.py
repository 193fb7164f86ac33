"""Push tokens: one for a device, one device for a token, gone with the device."""

import base64
import os
import uuid
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from accounts import bans
from imsite.core import clock
from push import tokens
from push.models import PushSettings, PushToken
from tests.cast import PASSWORD, Person
from tests.staff import warrant


def b64(raw: bytes) -> str:
    """Write bytes as browsers do."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def point(form: PublicFormat = PublicFormat.UncompressedPoint) -> str:
    """A public key as a browser makes one."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return b64(key.public_bytes(Encoding.X962, form))


def subscription(**more) -> dict:
    """A subscription as a browser gives it."""
    keys = {"p256dh": point(), "auth": b64(os.urandom(16))}
    endpoint = f"https://push.example.org/{uuid.uuid4()}"
    return {"endpoint": endpoint, "expirationTime": None, "keys": keys, **more}


def fcm(token: str | None = None, **more) -> dict:
    """A registration with FCM."""
    return {"provider": "fcm", "token": token or uuid.uuid4().hex, **more}


def again(person: Person, **device) -> Person:
    """Log in once more, on a device of its own or on the one named."""
    body = {"username": person.user["username"], "password": PASSWORD, "device": device}
    answer = Client().post("/api/v1/accounts/login", body, content_type="application/json")
    return Person(answer.json()["data"])


def woken(*people: Person) -> dict[int, list[tuple[int, str]]]:
    """Where these people can be woken: {user: [(device, token)]}."""
    found = tokens.targets([each.id for each in people], now=clock.now())
    return {
        user_id: [(each.device_id, each.token) for each in targets]
        for user_id, targets in found.items()
    }


def test_a_device_registers_and_the_token_is_never_told(alice):
    told = alice.post("push/tokens", fcm("secret-of-a-phone", app="com.example.chat"))
    assert told == {
        "device_id": alice.device_id,
        "provider": "fcm",
        "app": "com.example.chat",
        "created_at": told["created_at"],
        "current": True,
    }
    listed = alice.get("push/tokens")
    assert listed == {"items": [told], "next": None}
    assert "secret-of-a-phone" not in str(listed)


def test_registering_anew_replaces_the_devices_own(alice):
    alice.post("push/tokens", fcm(app="one"))
    alice.post("push/tokens", {"provider": "apns", "token": "ab" * 32})
    [kept] = alice.get("push/tokens")["items"]
    assert (kept["provider"], kept["app"]) == ("apns", None)
    assert woken(alice) == {alice.id: [(alice.device_id, "ab" * 32)]}


def test_a_token_moves_to_the_device_that_registered_it_last(alice, bob):
    second = again(alice)
    token = uuid.uuid4().hex
    for person in (alice, second, bob, bob, alice):
        person.post("push/tokens", fcm(token))
        assert woken(alice, bob) == {person.id: [(person.device_id, token)]}
    assert bob.get("push/tokens")["items"] == []


def test_two_devices_swap_their_tokens(alice, bob):
    one, two = uuid.uuid4().hex, uuid.uuid4().hex
    alice.post("push/tokens", fcm(one))
    bob.post("push/tokens", fcm(two))
    alice.post("push/tokens", fcm(two))
    assert woken(alice, bob) == {alice.id: [(alice.device_id, two)]}
    bob.post("push/tokens", fcm(one))
    assert woken(alice, bob)[bob.id] == [(bob.device_id, one)]


def test_one_subscription_is_one_endpoint_whatever_its_keys(alice, bob):
    mine = subscription()
    alice.post("push/tokens", {"provider": "webpush", "subscription": mine})
    [(_, kept)] = woken(alice)[alice.id]
    assert orjson.loads(kept) == {"endpoint": mine["endpoint"], "keys": mine["keys"]}
    bob.post(
        "push/tokens", {"provider": "webpush", "subscription": {**subscription(), **_end(mine)}}
    )
    assert list(woken(alice, bob)) == [bob.id]


def _end(one: dict) -> dict:
    return {"endpoint": one["endpoint"], "expirationTime": 1_900_000_000_000.5}


def test_a_hexadecimal_token_is_the_same_in_any_case(alice, bob):
    token = uuid.uuid4().hex * 2
    alice.post("push/tokens", {"provider": "apns", "token": token})
    bob.post("push/tokens", {"provider": "apns", "token": token.upper()})
    assert list(woken(alice, bob)) == [bob.id]


def test_removing_is_for_this_device_and_as_often_as_one_likes(alice):
    second = again(alice)
    for person in (alice, second):
        person.post("push/tokens", fcm())
    for _ in range(2):
        assert second.post("push/tokens/remove") == {}
    assert [each["device_id"] for each in alice.get("push/tokens")["items"]] == [alice.device_id]


def test_beyond_the_limit_the_oldest_goes(alice, monkeypatch):
    monkeypatch.setattr(tokens, "MAX_PER_USER", 3)
    devices = [alice, *(again(alice) for _ in range(4))]
    for person in devices[:3]:
        person.post("push/tokens", fcm())
    alice.post("push/tokens", fcm())
    for person in devices[3:]:
        person.post("push/tokens", fcm())
    kept = {each["device_id"] for each in alice.get("push/tokens")["items"]}
    assert kept == {each.device_id for each in (alice, *devices[3:])}


@pytest.mark.parametrize("end", ["logout", "revoke", "password", "ban", "delete"])
def test_the_token_goes_with_the_device(alice, bob, end):
    second = again(alice)
    second.post("push/tokens", fcm())
    bob.post("push/tokens", fcm())
    if end == "logout":
        second.post("accounts/logout")
    elif end == "revoke":
        alice.post(f"accounts/devices/{second.device_id}/revoke")
    elif end == "password":
        alice.post("accounts/password", {"old": PASSWORD, "new": "another battery staple"})
    elif end == "ban":
        bans.ban(warrant(), alice.id, until=None)
    else:
        alice.post("accounts/delete", {"password": PASSWORD})
    assert not PushToken.objects.filter(user_id=alice.id).exists()
    assert list(woken(alice, bob)) == [bob.id]


def test_logging_in_anew_on_the_same_device_keeps_its_token(alice):
    alice.post("push/tokens", fcm("kept-" + uuid.uuid4().hex))
    anew = again(alice, id=alice.device_id)
    assert [each["current"] for each in anew.get("push/tokens")["items"]] == [True]
    # What the device was before may not register any more.
    assert alice.refused("POST", "push/tokens", fcm()) == "token_invalid"


def test_a_device_that_ended_unheard_is_no_target(alice):
    second = again(alice)
    second.post("push/tokens", fcm())
    alice.post(f"accounts/devices/{second.device_id}/revoke")
    # As if the process had died between the commit and the telling.
    PushToken.objects.create(
        device_id=second.device_id,
        user_id=alice.id,
        provider="fcm",
        token="t",
        digest=os.urandom(32),
        created_at=clock.now(),
    )
    assert woken(alice) == {}
    assert alice.get("push/tokens")["items"] == []


def test_a_dead_token_is_forgotten_unless_it_was_replaced(alice):
    alice.post("push/tokens", fcm())
    [dead] = tokens.targets([alice.id], now=clock.now())[alice.id]
    alice.post("push/tokens", {"provider": "webpush", "subscription": subscription()})
    assert not tokens.forget(dead)
    [living] = tokens.targets([alice.id], now=clock.now())[alice.id]
    since = living.registered_at - timedelta(seconds=1)
    assert not tokens.forget(replace(living, registered_at=since)), "registered again since"
    assert tokens.forget(living) and not tokens.forget(living)
    assert woken(alice) == {}


def test_the_key_for_browsers_is_a_point_and_stays(alice, bob):
    found = alice.get("push/webpush-key")
    assert found == bob.get("push/webpush-key")
    raw = base64.urlsafe_b64decode(found["key"] + "=" * (-len(found["key"]) % 4))
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    assert b64(raw) == found["key"] and len(raw) == 65


def test_targets_of_many_cost_one_query(alice, bob, carol, django_assert_num_queries):
    for person in (alice, bob):
        person.post("push/tokens", fcm())
    tokens.targets([alice.id], now=clock.now())
    with django_assert_num_queries(1):
        found = woken(alice, bob, carol)
    assert set(found) == {alice.id, bob.id}
    assert tokens.targets([], now=clock.now()) == {}


BAD_SUBSCRIPTIONS = {
    "endpoint": [
        "http://push.example.org/x",
        "https://",
        "https:push.example.org",
        "//push.example.org/x",
        "https://user:pass@push.example.org/x",
        "https://push.example.org:0/x",
        "https://push.example.org:99999/x",
        "https://push.example.org/x#y",
        "https://push.example.org/a b",
        "https://push.example.org/\n",
        "https://[::1/x",
        "https://push.example.org/é",
        "https://push_example.org/x",
        "https://push%2eexample.org/x",
        "https://push.example.org/" + "x" * 2048,
        "",
        5,
        None,
    ],
    "keys": [
        None,
        {},
        {"p256dh": point()},
        {"auth": b64(b"x" * 16)},
        {"p256dh": point(PublicFormat.CompressedPoint), "auth": b64(b"x" * 16)},
        {"p256dh": b64(b"\x04" + b"\x01" * 64), "auth": b64(b"x" * 16)},
        {"p256dh": b64(b"\x00"), "auth": b64(b"x" * 16)},
        {"p256dh": point() + "=", "auth": b64(b"x" * 16)},
        {"p256dh": point()[:-1] + "*", "auth": b64(b"x" * 16)},
        {"p256dh": "é" * 87, "auth": b64(b"x" * 16)},
        {"p256dh": point(), "auth": b64(b"x" * 15)},
        {"p256dh": point(), "auth": b64(b"x" * 17)},
        {"p256dh": point(), "auth": b64(b"x" * 16) + "=="},
        {"p256dh": point(), "auth": "A"},
        {"p256dh": point(), "auth": ""},
        {"p256dh": point(), "auth": b64(b"x" * 16), "more": 1},
    ],
    "expirationTime": ["soon", True, -1],
    "more": [1],
}


@pytest.fixture(scope="module")
def ann(database) -> Person:
    """Who gets nothing right."""
    return Person.new("ann")


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in BAD_SUBSCRIPTIONS.items() for value in values],
)
def test_refuses_what_no_browser_would_give(ann, field, value):
    body = {"provider": "webpush", "subscription": {**subscription(), field: value}}
    answer = ann.request("POST", "push/tokens", body)
    assert answer.status_code == 400, answer.content
    fields = answer.json()["data"]["fields"]
    assert fields and all(name.startswith(f"subscription.{field}") for name in fields)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "provider"),
        ({"provider": "sms", "token": "x"}, "provider"),
        ({"provider": None, "token": "x"}, "provider"),
        ({"provider": "fcm"}, "token"),
        ({"provider": "fcm", "token": None}, "token"),
        ({"provider": "fcm", "token": ""}, "token"),
        ({"provider": "fcm", "token": "a b"}, "token"),
        ({"provider": "fcm", "token": "a\n"}, "token"),
        ({"provider": "fcm", "token": "é"}, "token"),
        ({"provider": "fcm", "token": "x" * 4097}, "token"),
        ({"provider": "fcm", "token": 5}, "token"),
        ({"provider": "fcm", "token": "x", "subscription": subscription()}, "subscription"),
        ({"provider": "fcm", "subscription": subscription()}, "token"),
        ({"provider": "apns", "token": "ab" * 31}, "token"),
        ({"provider": "apns", "token": "ab" * 101}, "token"),
        ({"provider": "apns", "token": "ab" * 32 + "a"}, "token"),
        ({"provider": "apns", "token": "xy" * 32}, "token"),
        ({"provider": "webpush"}, "subscription"),
        ({"provider": "webpush", "token": "x"}, "token"),
        ({"provider": "webpush", "subscription": "x"}, "subscription"),
        ({"provider": "webpush", "token": "x", "subscription": subscription()}, "token"),
        ({"provider": "fcm", "token": "x", "app": "x" * 101}, "app"),
        ({"provider": "fcm", "token": "x", "app": "a\r\nb"}, "app"),
        ({"provider": "fcm", "token": "x", "app": " a"}, "app"),
        ({"provider": "fcm", "token": "x", "app": "a "}, "app"),
        ({"provider": "fcm", "token": "x", "app": "é"}, "app"),
        ({"provider": "fcm", "token": "x", "app": 5}, "app"),
        ({"provider": "fcm", "token": "x", "device_id": 5}, "device_id"),
    ],
)
def test_refuses_what_is_no_token_and_names_the_field(ann, body, field):
    answer = ann.request("POST", "push/tokens", body)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["data"]["fields"]
    assert ann.get("push/tokens")["items"] == []


def test_refuses_fields_and_parameters_that_it_does_not_know(alice):
    assert alice.refused("POST", "push/tokens/remove", {"device_id": 5}) == "invalid_request"
    for path in ("push/tokens?limit=5", "push/settings?x=1"):
        assert alice.refused("GET", path) == "invalid_request"
    answer = Client().get("/api/v1/push/tokens")
    assert answer.json()["error"] == "not_authenticated"


def test_the_export_holds_tokens_and_settings_and_deletion_takes_them(alice):
    token = uuid.uuid4().hex
    told = alice.post("push/tokens", fcm(token))
    settings = alice.post("push/settings", {"preview": False})
    found = alice.get("accounts/export")
    kept = {key: told[key] for key in ("device_id", "provider", "app", "created_at")}
    assert found["push_tokens"] == [{**kept, "token": token}]
    assert found["push_settings"] == settings
    alice.post("accounts/delete", {"password": PASSWORD})
    assert not PushToken.objects.filter(user_id=alice.id).exists()
    assert not PushSettings.objects.filter(pk=alice.id).exists()
