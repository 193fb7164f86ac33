"""Devices, the password, export, and the end of an account."""

import pytest
from django.test import Client

from accounts import following
from accounts.models import Block, Device, User
from tests.cast import PASSWORD, Person

OTHER = "another battery staple"


def _log_in(person: Person, password: str = PASSWORD):
    body = {"username": person.user["username"], "password": password}
    return Client().post("/api/v1/accounts/login", body, content_type="application/json")


def _second(person: Person) -> Person:
    return Person(_log_in(person).json()["data"])


@pytest.fixture
def told(monkeypatch):
    """Follow accounts as an app does; what it is told of devices."""

    class Listener:
        devices: list[tuple[int, list[int]]] = []

        def profile_changed(self, user_id):
            pass

        def closing(self, user_id, *, now):
            pass

        def exported(self, user_id):
            return {"listened": True}

        def devices_ended(self, user_id, device_ids):
            self.devices.append((user_id, sorted(device_ids)))

    listener = Listener()
    monkeypatch.setattr(following, "_followers", [*following._followers, listener])
    listener.devices = []
    return listener


def test_lists_the_devices_signed_in(alice):
    second = _second(alice)
    page = second.get("accounts/devices")
    assert page["next"] is None
    assert {each["id"]: each["current"] for each in page["items"]} == {
        alice.device_id: False,
        second.device_id: True,
    }
    keys = {"id", "platform", "name", "created_at", "last_seen_at", "current"}
    assert all(each.keys() == keys for each in page["items"])


def test_pages_of_devices_equal_the_whole(alice):
    for _ in range(3):
        _second(alice)
    whole = alice.get("accounts/devices")["items"]
    found, after = [], ""
    while after is not None:
        page = alice.get(f"accounts/devices?limit=1{after and '&cursor=' + after}")
        found += page["items"]
        after = page["next"]
    assert found == whole and len(whole) == 4


def test_a_revoked_device_is_out_and_its_sockets_hear_of_it(alice, told):
    second = _second(alice)
    assert alice.post(f"accounts/devices/{second.device_id}/revoke") == {}
    assert second.refused("GET", "accounts/me") == "token_invalid"
    assert [each["id"] for each in alice.get("accounts/devices")["items"]] == [alice.device_id]
    assert told.devices == [(alice.id, [second.device_id])]
    # A retry says the same, and nobody is told twice.
    assert alice.post(f"accounts/devices/{second.device_id}/revoke") == {}
    assert len(told.devices) == 1


def test_only_ones_own_devices_are_there(alice, bob):
    for device_id in (bob.device_id, 2**53 - 1):
        assert alice.refused("POST", f"accounts/devices/{device_id}/revoke") == "not_found"
    assert bob.get("accounts/me")["id"] == bob.id


def test_another_password_ends_the_other_devices(alice, told):
    second = _second(alice)
    assert alice.post("accounts/password", {"old": PASSWORD, "new": OTHER}) == {}
    assert alice.get("accounts/me")["id"] == alice.id
    assert second.refused("GET", "accounts/me") == "token_invalid"
    assert told.devices == [(alice.id, [second.device_id])]
    assert _log_in(alice).status_code == 401
    assert _log_in(alice, OTHER).status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("wrong horse", OTHER, "bad_credentials"),
        (PASSWORD, "short", "invalid_request"),
        (PASSWORD, "1234567890", "invalid_request"),
        (PASSWORD, "x" * 257, "invalid_request"),
    ],
)
def test_a_refused_password_changes_nothing(alice, old, new, error):
    second = _second(alice)
    assert alice.refused("POST", "accounts/password", {"old": old, "new": new}) == error
    assert second.get("accounts/me")["id"] == alice.id
    assert _log_in(alice).status_code == 200


def test_export_holds_what_is_stored(alice, bob, told):
    alice.post("accounts/blocks/add", {"user_id": bob.id})
    found = alice.get("accounts/export")
    assert found["user"] == alice.get("accounts/me")
    assert [each["id"] for each in found["devices"]] == [alice.device_id]
    assert found["blocks"] == [bob.user]
    assert found["listened"] is True


def test_closing_needs_the_password(alice):
    assert alice.refused("POST", "accounts/delete", {"password": OTHER}) == "bad_credentials"
    assert alice.get("accounts/me")["id"] == alice.id


def test_a_closed_account_is_erased_and_its_name_is_free(alice, bob, told):
    second = _second(alice)
    alice.post("accounts/me", {"display_name": "Ada", "bio": "Countess"})
    alice.post("accounts/blocks/add", {"user_id": bob.id})
    bob.post("accounts/blocks/add", {"user_id": alice.id})
    assert alice.post("accounts/delete", {"password": PASSWORD}) == {}
    for person in (alice, second):
        assert person.refused("GET", "accounts/me") == "token_invalid"
    assert told.devices == [(alice.id, [alice.device_id, second.device_id])]
    assert bob.get(f"accounts/users/{alice.id}") == {
        "id": alice.id,
        "username": f"~{alice.id}",
        "display_name": "Deleted user",
        "avatar_url": None,
        "bio": "",
        "kind": "person",
        "deleted": True,
    }
    row = User.objects.filter(pk=alice.id).values().get()
    assert not {"Ada", "ada", "Countess", alice.user["username"]} & set(map(str, row.values()))
    assert set(Device.objects.filter(user_id=alice.id).values_list("name", "platform")) == {
        ("", "")
    }
    assert not Block.objects.filter(blocker_id__in=[alice.id, bob.id]).exists()
    assert _log_in(alice).json()["error"] == "bad_credentials"
    body = {"username": alice.user["username"], "password": PASSWORD}
    answer = Client().post("/api/v1/accounts/register", body, content_type="application/json")
    assert answer.status_code == 201
    assert answer.json()["data"]["user"]["id"] != alice.id
