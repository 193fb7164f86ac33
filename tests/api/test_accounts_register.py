"""Registering and logging in."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import bans, devices
from accounts.models import User
from tests.cast import PASSWORD, Person
from tests.staff import warrant


def _post(path: str, body: dict, **headers: str):
    url = f"/api/v1/accounts/{path}"
    return Client().post(url, body, content_type="application/json", headers=headers)


def _name() -> str:
    return "u" + uuid.uuid4().hex[:12]


def test_registers_and_knows_me():
    name = _name()
    answer = _post("register", {"username": name, "password": PASSWORD, "display_name": " Ada "})
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert data.keys() == {"user", "device_id", "access", "access_expires_at", "refresh"}
    assert data["user"] == {
        "id": data["user"]["id"],
        "username": name,
        "display_name": " Ada ",
        "avatar_url": None,
        "bio": "",
        "kind": "person",
        "deleted": False,
    }
    me = Person(data).get("accounts/me")
    assert me.pop("created_at").endswith("Z") and me.pop("is_staff") is False
    assert me == data["user"]


@pytest.mark.parametrize("spelling", [str.upper, str.title, lambda n: "\uff55" + n[1:]])
def test_a_name_is_taken_however_it_is_spelt(spelling):
    name = _name()
    assert _post("register", {"username": name, "password": PASSWORD}).status_code == 201
    answer = _post("register", {"username": spelling(name), "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert _post("login", {"username": spelling(name), "password": PASSWORD}).status_code == 200


def test_of_two_at_once_one_gets_the_name():
    name = _name()

    def register(_: int) -> int:
        try:
            return _post("register", {"username": name, "password": PASSWORD}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(register, range(4))) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a" * 33),
        ("username", "a b c"),
        ("username", "~12"),
        ("username", 12345),
        ("username", "\u200babc"),
        ("password", "short7!"),
        ("password", "x" * 257),
        ("password", "8675309123"),
        ("password", "password123"),
        ("display_name", "  \u200b "),
        ("display_name", "x" * 101),
        ("device", {"platform": "x" * 41}),
        ("device", {"name": "x" * 101}),
        ("device", {"model": "x"}),
        ("nick", "x"),
    ],
)
def test_refuses_by_field(field, value):
    answer = _post("register", {"username": _name(), "password": PASSWORD, field: value})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    [place] = answer.json()["data"]["fields"]
    assert place.split(".")[0] == field


def test_code_points_count_not_bytes():
    body = {"username": "жук" + _name()[:29], "password": "🔑" * 256, "display_name": "ﷺ" * 100}
    assert _post("register", body).status_code == 201
    assert _post("login", body | {"display_name": None}).status_code == 400
    del body["display_name"]
    assert _post("login", body).status_code == 200


def test_null_is_the_same_as_absent():
    body = {"username": _name(), "password": PASSWORD, "display_name": None, "device": None}
    data = _post("register", body).json()["data"]
    assert data["user"]["display_name"] == body["username"]


def test_unknown_user_and_wrong_password_look_the_same(alice):
    answers = [
        _post("login", {"username": name, "password": "wrong horse"}, x_request_id="same")
        for name in (alice.user["username"], _name(), "~1", "x" * 5000)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["code"] == 40103


def test_passwords_are_hashed_at_the_cost_that_is_thought_sound(real_hashes):
    kept = User.objects.get(id=Person.new().id).password
    assert kept.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_unknown_user_and_wrong_password_take_the_same_time(real_hashes):
    alice = Person.new("alice")

    def spent(name: str) -> float:
        # Of this thread's own CPU: on a loaded machine the clock on the wall says nothing.
        started = time.thread_time()
        _post("login", {"username": name, "password": "wrong horse"})
        return time.thread_time() - started

    known = min(spent(alice.user["username"]) for _ in range(3))
    unknown = min(spent(_name()) for _ in range(3))
    assert 0.5 < known / unknown < 2


def test_who_has_no_password_cannot_log_in():
    name = _name()
    User.objects.create_user(name, created_at=timezone.now(), kind="bot")
    answer = _post("login", {"username": name, "password": ""})
    assert answer.json()["error"] == "bad_credentials"


def test_a_stale_token_does_not_keep_one_out(alice):
    body = {"username": alice.user["username"], "password": PASSWORD}
    assert _post("login", body, authorization="Bearer nonsense").status_code == 200


def test_a_login_reuses_its_own_device_only(alice, bob):
    body = {"username": alice.user["username"], "password": PASSWORD}
    again = _post("login", {**body, "device": {"id": alice.device_id, "name": "Phone"}})
    other = _post("login", {**body, "device": {"id": bob.device_id}})
    assert again.json()["data"]["device_id"] == alice.device_id
    assert other.json()["data"]["device_id"] not in (alice.device_id, bob.device_id)
    assert alice.refused("GET", "accounts/me") == "token_invalid"
    back = Person(again.json()["data"])
    names = {each["id"]: each["name"] for each in back.get("accounts/devices")["items"]}
    assert names[alice.device_id] == "Phone"
    assert bob.get("accounts/me")["id"] == bob.id


def test_a_banned_user_hears_why_only_with_the_right_password(alice):
    until = timezone.now() + timezone.timedelta(hours=1)
    bans.ban(warrant(), alice.id, until=until)
    name = alice.user["username"]
    wrong = _post("login", {"username": name, "password": "wrong horse"})
    right = _post("login", {"username": name, "password": PASSWORD})
    assert wrong.json()["error"] == "bad_credentials"
    assert (right.status_code, right.json()["error"]) == (403, "banned")
    assert right.json()["data"]["reason"] == "spam"
    assert right.json()["data"]["until"].endswith("Z")


def test_logins_are_counted_by_name_and_by_address(alice, settings):
    settings.IM_LIMITS = True
    settings.IM_REDIS_URL = "unix:///nowhere/valkey.sock"
    settings.IM_LIMIT = {**settings.IM_LIMIT, "login": "2/minute"}
    settings.IM_TRUSTED_PROXIES = 1

    def log_in(name: str, address: str) -> int:
        body = {"username": name, "password": "wrong horse"}
        return _post("login", body, x_forwarded_for=address).status_code

    name = alice.user["username"]
    tries = [log_in(name, f"10.9.0.{last}") for last in range(3)]
    assert tries == [401, 401, 429]
    tries = [log_in(_name(), "10.9.1.1") for _ in range(3)]
    assert tries == [401, 401, 429]


def test_a_device_that_is_not_there_is_a_new_one(alice):
    device = devices.sign_in(alice.id, devices.Claim(id=2**53 - 1), now=timezone.now())
    assert device.pk != 2**53 - 1
