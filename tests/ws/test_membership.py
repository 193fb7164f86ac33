"""Who is told what, as people come and go, and as devices end."""

import asyncio
import uuid

from django.test import Client

from tests.cast import PASSWORD
from tests.ws.wire import Wire, refusal


async def test_a_newcomer_is_told_from_joining_on(server, talk, alice, carol):
    wire = await Wire.open(server, carol)
    alice.post(f"{talk.path}/members/add", {"user_ids": [carol.id]})
    await wire.next("sync")
    seq = talk.say(alice)["seq"]
    await wire.told(talk.id, seq)
    await wire.close()


async def test_who_is_removed_is_told_by_sync_and_nothing_later(server, talk, alice, bob):
    wire = await Wire.open(server, bob)
    seq = talk.say(alice)["seq"]
    await wire.told(talk.id, seq)
    alice.post(f"{talk.path}/members/remove", {"user_ids": [bob.id]})
    later = talk.say(alice)["seq"]
    alice.post(f"{talk.path}/typing")
    await wire.next("sync")
    await asyncio.sleep(4)
    assert later > seq + 1
    assert wire.newest(talk.id) == seq
    assert "typing" not in wire.kinds()
    await wire.close()


async def test_removing_and_sending_at_once_never_tells_the_removed(
    server, talk, alice, bob, carol
):
    wire = await Wire.open(server, bob)
    for _ in range(10):
        known = talk.say(alice)["seq"]
        alice.post(f"{talk.path}/members/remove", {"user_ids": [bob.id]})
        talk.say(alice)
        await asyncio.sleep(0.15)
        assert wire.newest(talk.id) <= known
        alice.post(f"{talk.path}/members/add", {"user_ids": [bob.id]})
        await wire.told(talk.id, talk.say(alice)["seq"])
    await wire.close()


async def test_a_dissolved_group_is_told_by_sync(server, talk, alice, bob):
    wire = await Wire.open(server, bob)
    alice.post(f"{talk.path}/dissolve")
    await wire.next("sync")
    await asyncio.sleep(0.3)
    assert wire.newest(talk.id) == 0
    await wire.close()


async def test_changes_without_an_entry_are_told_by_sync(server, talk, alice, bob):
    wire = await Wire.open(server, bob)
    alice.post(f"{talk.path}/update", {"join": "open"})
    await wire.next("sync")
    wire.frames.clear()
    bob.post(f"{talk.path}/settings", {"pinned": True})
    await wire.next("sync")
    await wire.close()


async def test_groups_tell_nobody_who_has_read(server, talk, alice, bob):
    seq = talk.say(alice)["seq"]
    wire = await Wire.open(server, alice)
    bob.post(f"{talk.path}/read", {"seq": seq})
    await asyncio.sleep(0.3)
    assert wire.kinds() == {"hello"}
    await wire.close()


async def test_logging_out_closes_this_device_only(server, alice):
    wire = await Wire.open(server, alice)
    other = Client().post(
        "/api/v1/accounts/login",
        {"username": alice.user["username"], "password": PASSWORD},
        content_type="application/json",
    )
    access = other.json()["data"]["access"]
    assert await refusal(server, additional_headers={"Authorization": f"Bearer {access}"}) == 101
    alice.post("accounts/logout")
    assert await wire.closed(5) == 4401
    assert await refusal(server, additional_headers={"Authorization": f"Bearer {access}"}) == 101


async def test_a_changed_password_closes_the_others(server, alice):
    other = Client().post(
        "/api/v1/accounts/login",
        {"username": alice.user["username"], "password": PASSWORD},
        content_type="application/json",
    )
    wire = await Wire.open(server, alice)
    headers = {"Authorization": f"Bearer {other.json()['data']['access']}"}
    changed = Client().post(
        "/api/v1/accounts/password",
        {"old": PASSWORD, "new": f"{PASSWORD} {uuid.uuid4()}"},
        content_type="application/json",
        headers=headers,
    )
    assert changed.status_code == 200
    assert await wire.closed(5) == 4401
    assert await refusal(server, additional_headers=headers) == 101
