"""Who is online: while a socket is open, of whatever process, and for a while after one was killed."""

import asyncio
import time
from datetime import timedelta

from accounts import presence
from accounts.presence import Teller
from imsite.core import clock
from tests.cast import Person, talk_of
from tests.pushing import phones, push, wake
from tests.ws.wire import Wire


def soon(holds, within: float = 3.0) -> bool:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_online(device_id: int) -> bool:
    return presence.online([device_id]) == {device_id}


def test_a_device_is_online_while_any_of_its_sockets_is_open(valkey):
    teller, other, device = Teller(), Teller(), 10**12 + 1
    teller.turn(device, 1)
    assert soon(lambda: is_online(device))
    teller.turn(device, 1)
    other.turn(device, 1)
    teller.turn(device, -1)
    time.sleep(0.2)
    assert is_online(device)
    teller.turn(device, -1)
    time.sleep(0.2)
    assert is_online(device)
    other.turn(device, -1)
    assert soon(lambda: not is_online(device))


def test_a_killed_process_is_gone_by_itself(valkey):
    teller, device = Teller(), 10**12 + 2
    teller.turn(device, 1)
    assert soon(lambda: is_online(device))
    left = presence._store().ttl(teller._key)
    assert 0 < left <= presence.LIFE <= 75


def test_a_flushed_store_is_told_anew(valkey):
    teller, device = Teller(), 10**12 + 3
    teller.turn(device, 1)
    assert soon(lambda: is_online(device))
    presence._store().delete(teller._key)
    assert not is_online(device)
    # The next news of whatever kind finds it out, at the latest the next sign of life.
    teller.turn(device + 10, 1)
    teller.turn(device + 11, 1)
    assert soon(lambda: is_online(device))


def test_pulls_are_the_highest_and_many_are_asked_at_once(valkey):
    device = 10**12 + 5
    presence.pulled(device, [(7, 30), (8, 1)])
    presence.pulled(device, [(7, 20)])
    want = {(device, 7): 30, (device, 8): 1}
    assert soon(lambda: presence.pulled_to([(device, 7), (device, 8), (device, 9)]) == want)
    presence.pulled(device, [(7, 10)])
    time.sleep(0.2)
    assert presence.pulled_to([(device, 7)]) == {(device, 7): 30}
    assert presence.online(range(10**12 + 100, 10**12 + 20_000)) == set()


def test_pages_count_as_pulled(valkey, alice, bob, talk):
    seqs = [talk.say(alice, str(n))["seq"] for n in range(5)]

    def reached() -> int:
        found = presence.pulled_to([(bob.device_id, talk.id)])
        return found.get((bob.device_id, talk.id), 0)

    talk.page(bob, f"?before={seqs[2]}")
    assert soon(lambda: reached() == seqs[1])
    bob.get(f"messages?after={talk.id}:{seqs[1]}&limit=2")
    assert soon(lambda: reached() == seqs[3])
    bob.get("sync?messages=1")
    assert soon(lambda: reached() == seqs[4])


async def test_who_holds_a_socket_is_not_pushed_unless_it_turns_out_to_be_dead(server, alice):
    bob = wake(Person.new("bob"))
    talk = talk_of(alice, bob)
    with phones() as phone:
        push()
        wire = await Wire.open(server, bob)
        assert await asyncio.to_thread(soon, lambda: is_online(bob.device_id))
        seq = talk.say(alice)["seq"]
        push()
        assert phone.of(bob) == []
        later = clock.now() + timedelta(seconds=110)
        push(later)
        assert phone.of(bob) == []
        seq = talk.say(alice)["seq"]
        push()
        await wire.close()
        assert await asyncio.to_thread(soon, lambda: not is_online(bob.device_id))
        push()
        assert phone.of(bob) == []
        push(later)
        push(later)
        assert phone.seqs(bob) == [seq]
