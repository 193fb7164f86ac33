"""Opening a socket, being pinged, and talking over it."""

import asyncio
import time

from tests.ws.wire import Wire, dial, refusal


def ticket(person) -> str:
    return f"?id={person.id}&token={person.post('accounts/ws-ticket')['ticket']}"


async def test_a_ticket_opens_one_socket(server, alice):
    query = ticket(alice)
    assert await refusal(server, query) == 101
    assert await refusal(server, query) == 403


async def test_who_shows_nothing_good_is_refused_before_the_handshake(server, alice, bob):
    good = ticket(alice)
    assert await refusal(server) == 403
    assert await refusal(server, good.replace(f"id={alice.id}", f"id={bob.id}")) == 403
    assert await refusal(server, good.replace("id=", "id=x")) == 403
    assert await refusal(server, f"{good}&token=x") == 403
    assert await refusal(server, f"?id={alice.id}&token=nonsense") == 403
    assert await refusal(server, f"?id={alice.id}&token={alice.access}") == 403
    wrong = {"Authorization": f"Bearer {alice.refresh}"}
    assert await refusal(server, additional_headers=wrong) == 403
    assert await refusal(server, good) == 101


async def test_the_access_token_opens_by_header_or_subprotocol(server, alice):
    wire = await Wire.open(server, alice)
    await wire.close()
    offered = ["im.v1", f"bearer.{alice.access}"]
    link = await dial(server, subprotocols=offered)
    assert link.subprotocol == "im.v1"
    await link.close()
    assert await refusal(server, subprotocols=["im.v1", "bearer.nonsense"]) == 403
    assert await refusal(server, subprotocols=[f"bearer.{alice.access}"]) == 403


async def test_pages_of_other_sites_are_refused(server, alice):
    headers = {"Authorization": f"Bearer {alice.access}"}

    async def status(origin: str) -> int:
        return await refusal(server, origin=origin, additional_headers=headers)

    assert await status(server) == 101
    assert await status("https://evil.example") == 403
    assert await status("null") == 403
    assert await status(server + "0") == 403


async def test_hello_comes_first(server, alice):
    wire = await Wire.open(server, alice)
    assert wire.frames[0]["t"] == "hello"
    assert wire.frames[0]["heartbeat"] == 30
    assert wire.frames[0]["server_time"].endswith("Z")
    await wire.say({"t": "ping"})
    await wire.next("pong")
    await wire.close()


async def test_a_send_is_pinged_to_all_members_and_nobody_else(server, talk, alice, bob, carol):
    a, b, c = [await Wire.open(server, each) for each in (alice, bob, carol)]
    seq = talk.say(alice)["seq"]
    await asyncio.gather(a.told(talk.id, seq), b.told(talk.id, seq))
    assert bob.head(talk.id)["last_seq"] >= seq
    await asyncio.sleep(0.3)
    assert c.kinds() == {"hello"}
    for wire in (a, b, c):
        await wire.close()


async def test_pings_carry_no_content(server, talk, alice, bob):
    wire = await Wire.open(server, bob)
    seq = talk.say(alice, "a secret")["seq"]
    await wire.told(talk.id, seq)
    assert "secret" not in str(wire.frames)
    await wire.close()


async def test_a_storm_is_merged(server, talk, alice, bob):
    wire = await Wire.open(server, bob)
    began = time.monotonic()
    seqs = [talk.say(alice, str(n))["seq"] for n in range(150)]
    await wire.told(talk.id, seqs[-1])
    spent = time.monotonic() - began
    assert len(wire.frames) - 1 <= 10 * spent + 2
    told = [frame["c"][0][1] for frame in wire.frames if frame["t"] == "seq"]
    assert told == sorted(set(told))
    await wire.close()


async def test_a_send_over_the_socket_is_a_send(server, talk, alice, bob):
    a, b = await Wire.open(server, alice), await Wire.open(server, bob)
    client_id = await a.send(7, talk.id, "over the wire")
    ack = await a.next("ack", n=7)
    assert ack.keys() == {"t", "n", "seq", "ordinal", "sent_at", "duplicate"}
    await b.told(talk.id, ack["seq"])
    [item] = bob.get(f"{talk.path}/messages?after={ack['seq'] - 1}")["items"]
    assert item["text"] == "over the wire"
    assert item["client_id"] == client_id
    assert item["sent_at"] == ack["sent_at"]
    await a.send(8, talk.id, "over the wire", client_id=client_id)
    again = await a.next("ack", n=8)
    assert again == {**ack, "n": 8, "duplicate": True}
    receipt = talk.say(alice, "over the wire", client_id=client_id)
    assert receipt["duplicate"]
    await a.close()
    await b.close()


async def test_sends_keep_the_order_of_their_frames(server, talk, alice):
    wire = await Wire.open(server, alice)
    for n in range(200):
        await wire.send(n, talk.id, str(n))
    await wire.next("ack", n=199)
    acks = {frame["n"]: frame["seq"] for frame in wire.frames if frame["t"] == "ack"}
    assert sorted(acks) == list(range(200))
    first = acks[0]
    assert [acks[n] for n in range(200)] == list(range(first, first + 200))
    await wire.close()


async def test_a_refused_send_gets_its_error(server, talk, alice, carol):
    a, c = await Wire.open(server, alice), await Wire.open(server, carol)

    async def error(wire: Wire, n: int, **message: object) -> str:
        await wire.send(n, talk.id, **message)
        frame = await wire.next("err", n=n)
        assert {"code", "error", "message", "retry_after_ms"} <= frame.keys()
        return frame["error"]

    assert await error(c, 1) == "not_found"
    assert await error(a, 1, text=" ") == "invalid_request"
    assert await error(a, 2, kind="nonsense") == "invalid_request"
    assert await error(a, 3, text="a\x00b") == "invalid_request"
    assert await error(a, 4, text="a\ud800b") == "invalid_request"
    assert await error(a, 5, client_id="nonsense") == "invalid_request"
    assert await error(a, 6, surprise=1) == "invalid_request"
    for n, stranger in enumerate((0, -1, 2**53, 10**9), 10):
        await a.send(n, stranger)
        assert (await a.next("err", n=n))["error"] == "not_found"
    await a.send(20, talk.id)
    await a.next("ack", n=20)
    await a.close()
    await c.close()


BAD = [
    "nonsense",
    "[]",
    "{}",
    b'{"t":"ping"}',
    '{"t":"dance"}',
    '{"t":"ping","x":1}',
    '{"t":"typing"}',
    '{"t":"typing","c":"1"}',
    '{"t":"typing","c":true}',
    '{"t":"send","c":1,"m":{}}',
    '{"t":"send","n":"1","c":1,"m":{}}',
    '{"t":"send","n":1,"c":1,"m":[]}',
    '{"t":"send","n":1.5,"c":1,"m":{}}',
    "[" * 20_000,
]


async def test_twenty_bad_frames_are_borne(server, alice):
    wire = await Wire.open(server, alice)
    for n in range(20):
        await wire.say(BAD[n % len(BAD)])
    await wire.say({"t": "ping"})
    await wire.next("pong")
    await wire.say(BAD[0])
    assert await wire.closed() == 4400


async def test_a_frame_that_is_too_long_closes(server, alice):
    for size in (33_000, 100_000):
        wire = await Wire.open(server, alice)
        await wire.say('{"t":"ping"' + " " * size + "}")
        assert await wire.closed() in (4400, 1009)


async def test_too_many_frames_close(server, alice):
    wire = await Wire.open(server, alice)
    for _ in range(2000):
        if wire.link.close_code is not None:
            break
        await wire.say({"t": "ping"})
    assert await wire.closed() == 4429


async def test_typing_reaches_the_others_once_in_three_seconds(server, talk, alice, bob, carol):
    a, b, c = [await Wire.open(server, each) for each in (alice, bob, carol)]
    for wire in (c, a, a, a):
        await wire.say({"t": "typing", "c": talk.id})
    frame = await b.next("typing")
    assert frame == {"t": "typing", "c": talk.id, "u": alice.id}
    await asyncio.sleep(0.5)
    assert [each["t"] for each in b.frames] == ["hello", "typing"]
    assert a.kinds() == {"hello"}
    for wire in (a, b, c):
        await wire.close()


async def test_the_peer_hears_of_reading_and_own_devices_sync(server, direct, alice, bob):
    seq = direct.say(alice)["seq"]
    a, b = await Wire.open(server, alice), await Wire.open(server, bob)
    bob.post(f"{direct.path}/read", {"seq": seq})
    assert await a.next("read") == {"t": "read", "c": direct.id, "u": bob.id, "seq": seq}
    await b.next("sync")
    await a.close()
    await b.close()
