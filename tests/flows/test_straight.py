"""Whichever way a request takes through the api role, straight or by ASGI, the client cannot tell."""

import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from tests.environment import ENGINE
from tests.roles import Role

pytestmark = pytest.mark.skipif(ENGINE != "postgresql", reason="SQLite has no fibers")
OWN = (b"date", b"x-request-id")


@pytest.fixture(scope="module")
def role(valkey) -> Iterator[Role]:
    """An api role whose requests share two connections."""
    role = Role("api", IM_API_WORKERS="1", IM_FIBERS="2")
    try:
        yield role.ready()
    finally:
        role.kill()


class Line:
    """A connection that says bytes and reads whole answers."""

    def __init__(self, role: Role) -> None:
        self.socket = socket.create_connection(("127.0.0.1", role.port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = b""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *parts: bytes) -> "Line":
        """Send parts one by one, far enough apart to arrive so."""
        for part in parts:
            self.socket.sendall(part)
            time.sleep(0.05 * (len(parts) > 1))
        return self

    def more(self) -> bool:
        found = self.socket.recv(1 << 20)
        self.kept += found
        return bool(found)

    def hear(self, *, bare: bool = False) -> tuple[bytes, dict[bytes, bytes], bytes]:
        """Return status, headers and body of the next answer."""
        while b"\r\n\r\n" not in self.kept:
            assert self.more()
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        assert len(headers) == len(lines)
        need = 0 if bare else int(headers.get(b"content-length", b"0"))
        while len(self.kept) < need:
            assert self.more()
        body, self.kept = self.kept[:need], self.kept[need:]
        return status, headers, body


def request(who, method: str, path: str, body: bytes = b"", **more: str) -> bytes:
    lines = {"Host": "x", "Authorization": f"Bearer {who.access}", **more}
    if body:
        lines |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"{method} /api/v1/{path} HTTP/1.1\r\n{head}\r\n".encode() + body


def message(text: str, client_id: str = "") -> bytes:
    return json.dumps({"client_id": client_id or str(uuid.uuid4()), "text": text}).encode()


def told(answer: tuple[bytes, dict[bytes, bytes], bytes]) -> tuple[object, ...]:
    """An answer without what differs from one to the next."""
    status, headers, body = answer
    body = re.sub(rb'"(request_id|server_time)":"[^"]*"', b"", body)
    # Its length is that of the marks left out, too.
    return status, {k: v for k, v in headers.items() if k not in OWN}, body


def ways(talk) -> list[bytes]:
    """Requests of each kind, none of which changes what another is told."""
    alice, kept = talk.owner, message("kept", str(uuid.uuid4()))
    messages = f"{talk.path}/messages"
    return [
        request(alice, "POST", messages, kept),
        request(alice, "POST", messages, kept),
        request(alice, "GET", f"{messages}?limit=5"),
        request(alice, "GET", messages, X_Request_Id="mine"),
        request(alice, "GET", f"{messages}?limit=none"),
        request(alice, "GET", f"{messages}?limit=%zz&x=%00"),
        request(alice, "GET", "conversations/999999/messages"),
        request(alice, "GET", "conversations/%31/messages/"),
        request(alice, "POST", messages, b'{"client_id": 1}'),
        request(alice, "POST", messages, b"\xff\xfe"),
        request(alice, "POST", messages, b"x" * 262_145),
        request(alice, "PUT", messages, b"{}"),
        request(alice, "OPTIONS", messages),
        request(alice, "GET", "accounts/me"),
        request(alice, "GET", messages, Authorization="Bearer nobody"),
    ]


def test_pieces_and_wholes_are_answered_alike(role, talk):
    first = ways(talk)
    with Line(role) as line:
        line.say(first[0]).hear()
        for whole in first:
            straight = line.say(whole).hear()
            middle = whole.index(b"\r\n\r\n") + 4
            pieces = [whole[: middle - 9], whole[middle - 9 : middle], whole[middle:]]
            assert told(line.say(*filter(None, pieces)).hear()) == told(straight), whole[:200]


def test_what_comes_at_once_is_answered_in_turn(role, talk):
    asked = ways(talk)
    with Line(role) as line:
        line.say(asked[0]).hear()
        alone = [told(line.say(each).hear()) for each in asked]
    with Line(role) as line:
        line.say(b"".join(asked))
        assert [told(line.hear()) for _ in asked] == alone


@pytest.mark.parametrize("last", [{"Connection": "close"}, {}], ids=["close", "1.0"])
def test_a_connection_ends_when_the_client_says_so(role, talk, last):
    asked = request(talk.owner, "GET", f"{talk.path}/messages", **last)
    if not last:
        asked = asked.replace(b"HTTP/1.1", b"HTTP/1.0")
    with Line(role) as line:
        status, headers, _ = line.say(asked).hear()
        assert status == b"HTTP/1.1 200 OK"
        assert headers[b"connection"] == b"close"
        assert not line.more()


def test_head_and_not_modified_have_no_body(role, talk):
    with Line(role) as line:
        path = f"{talk.path}/messages"
        _, headers, body = line.say(request(talk.owner, "GET", path)).hear()
        line.say(request(talk.owner, "HEAD", path))
        assert int(line.hear(bare=True)[1][b"content-length"]) == len(body)
        _, headers, _ = line.say(request(talk.owner, "GET", "sync")).hear()
        tag = headers[b"etag"].decode()
        status, headers, _ = line.say(request(talk.owner, "GET", "sync", If_None_Match=tag)).hear()
        assert status.startswith(b"HTTP/1.1 304")
        assert b"content-length" not in headers
        again = line.say(request(talk.owner, "GET", path)).hear()[2]
        assert json.loads(again)["data"] == json.loads(body)["data"]


def test_a_page_of_megabytes_is_whole(role, talk):
    with Line(role) as line:
        for n in range(70):
            sent = message(f"{n} " + "🙂" * 3_990)
            assert (
                line.say(request(talk.owner, "POST", f"{talk.path}/messages", sent)).hear()[0][9:12]
                == b"201"
            )
        path = f"{talk.path}/messages?limit=100&after=0"
        body = line.say(request(talk.owner, "GET", path)).hear()[2]
        assert len(body) > 2**20
        items = json.loads(body)["data"]["items"]
        assert [item["seq"] for item in items] == list(range(1, len(items) + 1))


def test_a_client_that_leaves_disturbs_nobody(role, talk):
    """Senders hang up without waiting; what they sent is kept whole or not at all, and all go on."""
    ids = [str(uuid.uuid4()) for _ in range(40)]

    def leave(client_id: str) -> None:
        with Line(role) as line:
            line.say(
                request(talk.owner, "POST", f"{talk.path}/messages", message("gone", client_id))
            )

    threads = [threading.Thread(target=leave, args=(each,)) for each in ids]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with Line(role) as line:
        for client_id in ids:
            sent = request(talk.owner, "POST", f"{talk.path}/messages", message("gone", client_id))
            assert line.say(sent).hear()[0][9:12] in (b"200", b"201")
    items = talk.all(talk.owner)
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    assert sorted(each["client_id"] for each in items if each.get("client_id") in ids) == sorted(
        ids
    )


def test_garbage_behind_a_send_delays_nobody(role, talk):
    """A send waits for its commit when its connection is closed for what came after it."""
    path = f"{talk.path}/messages"
    with ExitStack() as stack:
        lock = stack.enter_context(psycopg.connect(os.environ["DATABASE_URL"]))
        bad, held, *good = (stack.enter_context(Line(role)) for _ in range(5))
        bad.say(request(talk.owner, "GET", path)).hear()
        lock.execute("SELECT 1 FROM conversations_conversation WHERE id = %s FOR UPDATE", [talk.id])
        held.say(request(talk.owner, "POST", path, message("holds the writer")))
        time.sleep(0.2)
        bad.say(request(talk.owner, "POST", path, message("bad")))
        time.sleep(0.2)
        bad.say(request(talk.owner, "GET", path) + b"\x01garbage\r\n\r\n")
        assert bad.hear()[0][9:10] == b"4"
        for line in good:
            line.say(request(talk.owner, "POST", path, message("good")))
        time.sleep(0.2)
        lock.rollback()
        began = time.monotonic()
        assert [line.hear()[0][9:12] for line in (held, *good)] == [b"201"] * 4
        assert time.monotonic() - began < 5


def test_many_at_once_share_two_connections(role, talk):
    """Far more than there are connections, sends and pages: each gets its own answer."""
    found: list[tuple[int, bytes]] = []

    def ask(n: int) -> None:
        with Line(role) as line:
            for m in range(5):
                sent = message(f"{n}.{m}")
                made = line.say(request(talk.owner, "POST", f"{talk.path}/messages", sent)).hear()
                seq = json.loads(made[2])["data"]["seq"]
                path = f"{talk.path}/messages?after={seq - 1}&limit=1"
                item = json.loads(line.say(request(talk.owner, "GET", path)).hear()[2])
                found.append((seq, item["data"]["items"][0]["text"] == f"{n}.{m}"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(24)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 120
    assert all(own for _, own in found)
    assert len({seq for seq, _ in found}) == 120
