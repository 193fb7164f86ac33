"""The door of the admin: password, code, limits; and who stands outside again from one click to the next."""

import base64
import time

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import identity
from accounts.models import User
from imsite.core import clock
from tests import desk
from tests.cast import PASSWORD, Person


@pytest.fixture
def moderator(database):
    return desk.new_staff("Moderator", password=desk.STAFF_PASSWORD)


def log_in(client: Client, user: User, password: str = desk.STAFF_PASSWORD, code: str = ""):
    """Send the form of the door."""
    given = {"username": user.username, "password": password, "code": code}
    return client.post("/admin/login/", {**given, "next": "/admin/"})


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def code_of(user: User) -> str:
    """The code that the phone of this user shows now."""
    device = TOTPDevice.objects.get(user=user)
    # What was shown once is not taken again: as if the next half minute had come.
    TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1)
    return _shown(device.bin_key)


def _shown(key: bytes) -> str:
    totp = TOTP(key)
    totp.time = time.time()
    return f"{totp.token():06d}"


def enrol(client: Client) -> Client:
    """Set up codes as the page asks for it."""
    page = client.get("/admin/codes/").content.decode()
    secret = page.split("<code>")[1].split("</code>")[0].replace(" ", "")
    done = client.post("/admin/codes/", {"code": _shown(base64.b32decode(secret))})
    assert done.status_code == 302, done.content
    return client


def test_name_and_password_open_it(moderator):
    client = desk.browser()
    assert log_in(client, moderator).status_code == 302
    assert is_in(client)
    cookie = client.cookies["imsite_staff"]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/admin/", "Strict", True)


@pytest.mark.parametrize("password", ["", "wrong horse battery", "x" * 5000])
def test_a_wrong_password_does_not(moderator, password):
    client = desk.browser()
    assert log_in(client, moderator, password).status_code == 200
    assert not is_in(client)


def test_who_is_no_staff_hears_what_a_wrong_password_hears(moderator):
    alice = User.objects.get(pk=Person.new().id)
    told = log_in(desk.browser(), alice, PASSWORD).context["form"].errors
    assert told == log_in(desk.browser(), moderator, "wrong").context["form"].errors


@pytest.mark.parametrize("name", ["\x00", "a" * 10_000, "\u202e", "nobody"])
def test_odd_names_are_refused_like_others(database, name):
    answer = desk.browser().post("/admin/login/", {"username": name, "password": "x" * 20})
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_guessing_is_slowed_down(moderator, settings):
    settings.IM_LIMITS = True
    settings.IM_REDIS_URL = "unix:///nowhere"
    settings.IM_LIMIT = {**settings.IM_LIMIT, "login": "3/minute"}
    seen = [log_in(desk.browser(), moderator, "wrong") for _ in range(4)]
    assert [answer.status_code for answer in seen] == [200, 200, 200, 429]
    assert int(seen[-1]["Retry-After"]) > 0


ENDINGS = {
    "banned": {"banned_at": clock.now()},
    "not active": {"is_active": False},
    "deleted": {"deleted_at": clock.now()},
    "no staff": {"is_staff": False},
    "other password": {"password": "!"},
}


@pytest.mark.parametrize("change", ENDINGS)
def test_a_session_ends_with_its_ground_at_the_next_click(moderator, change):
    client = desk.browser()
    log_in(client, moderator)
    assert is_in(client)
    User.objects.filter(pk=moderator.pk).update(**ENDINGS[change])
    assert not is_in(client)
    assert log_in(desk.browser(), moderator).status_code == 200


def test_deleting_the_account_by_the_api_ends_it(moderator):
    client = desk.browser()
    log_in(client, moderator)
    identity.close(moderator.pk, password=desk.STAFF_PASSWORD, now=clock.now())
    assert not is_in(client)


def test_once_set_up_codes_are_asked_for(moderator):
    enrol(desk.browser(moderator))
    client = desk.browser()
    assert log_in(client, moderator).status_code == 200
    assert log_in(client, moderator, code="000000").status_code == 200
    TOTPDevice.objects.filter(user=moderator).update(throttling_failure_count=0)
    code = code_of(moderator)
    assert log_in(client, moderator, code=code).status_code == 302
    assert is_in(client)
    assert log_in(desk.browser(), moderator, code=code).status_code == 200
    assert desk.last_act(f"user:{moderator.pk}").act == "staff.enrol"


def test_a_session_without_a_code_ends_when_codes_are_set_up(moderator):
    other = desk.browser(moderator)
    assert is_in(other)
    enrol(desk.browser(moderator))
    assert not is_in(other)
    assert other.get("/admin/codes/").status_code == 302


def test_where_codes_are_required_they_come_first(moderator, settings):
    settings.IM_ADMIN_OTP = True
    client = desk.browser()
    log_in(client, moderator)
    assert client.get("/admin/accounts/user/").status_code == 302
    on_the_way = client.get("/admin/login/")
    assert (on_the_way.status_code, on_the_way["Location"]) == (302, "/admin/codes/")
    assert b"errornote" in client.post("/admin/codes/", {"code": "123"}).content
    assert is_in(enrol(client))


def test_a_user_is_not_led_to_the_codes(database, settings):
    settings.IM_ADMIN_OTP = True
    client = desk.browser(User.objects.get(pk=Person.new().id))
    assert client.get("/admin/codes/").status_code == 302
    assert client.get("/admin/login/").status_code == 200


def test_a_lost_phone_is_forgotten_at_the_console(moderator):
    enrol(desk.browser(moderator))
    call_command("staff", "reset_codes", moderator.username, "--reason", "lost")
    assert log_in(desk.browser(), moderator).status_code == 302
    assert desk.last_act(f"user:{moderator.pk}").act == "staff.reset_codes"


def test_staff_are_made_and_unmade_at_the_console(database):
    alice = Person.new()
    name = alice.user["username"]
    call_command("staff", "grant", name, "--group", "Support", "--reason", "new")
    user = User.objects.get(pk=alice.id)
    assert user.is_staff
    assert user.has_perm("desk.end_devices")
    call_command("staff", "revoke", name, "--reason", "left")
    user = User.objects.get(pk=alice.id)
    assert (user.is_staff, user.groups.count()) == (False, 0)
    assert desk.last_act(f"user:{alice.id}").before is not None
    with pytest.raises(CommandError):
        call_command("staff", "grant", name, "--group", "Kings", "--reason", "x")
    with pytest.raises(CommandError):
        call_command("staff", "grant", name, "--group", "Support", "--reason", "  ")


def test_the_own_password_is_changed_as_in_the_api(moderator):
    client = desk.browser()
    log_in(client, moderator)
    phone = client.post(
        "/api/v1/accounts/login",
        {"username": moderator.username, "password": desk.STAFF_PASSWORD},
        content_type="application/json",
    ).json()["data"]
    new = "another horse battery"
    form = {"old_password": desk.STAFF_PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert is_in(client)
    bearer = {"Authorization": f"Bearer {phone['access']}"}
    assert client.get("/api/v1/accounts/me", headers=bearer).status_code == 401
    assert log_in(desk.browser(), moderator, new).status_code == 302
