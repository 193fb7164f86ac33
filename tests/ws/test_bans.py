"""A ban by staff ends live sockets and tokens at once, in other processes too; lifting it gives them back."""

import asyncio
import time
from datetime import timedelta

from asgiref.sync import sync_to_async

from accounts import bans
from imsite.core import clock
from tests.staff import warrant
from tests.ws.wire import Wire, refusal


async def test_a_ban_closes_the_sockets_of_another_process_within_five_seconds(server, alice, bob):
    theirs, other = await Wire.open(server, bob), await Wire.open(server, alice)
    act = await sync_to_async(warrant)(reason="spam")
    until = clock.now() + timedelta(hours=1)
    ticket = await sync_to_async(bob.post)("accounts/ws-ticket")
    began = time.monotonic()
    await sync_to_async(bans.ban)(act, bob.id, until=until)
    assert await theirs.closed() == 4401
    assert time.monotonic() - began < 5
    refused = await sync_to_async(bob.request)("GET", "sync")
    assert refused.json()["error"] == "banned"
    # Another process may believe for a second what it read before.
    await asyncio.sleep(max(0.0, began + 1.1 - time.monotonic()))
    assert await refusal(server, f"?id={bob.id}&token={ticket['ticket']}") == 403
    headers = {"Authorization": f"Bearer {bob.access}"}
    assert await refusal(server, additional_headers=headers) == 403
    await sync_to_async(bans.unban)(act, bob.id)
    await asyncio.sleep(1.1)
    back = await Wire.open(server, bob)
    for wire in (back, other):
        await wire.say({"t": "ping"})
        await wire.next("pong")
        await wire.close()
