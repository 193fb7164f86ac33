"""The api role says over its own server what the contract says, and leaves no process behind."""

import json
import socket
import time
import uuid
from pathlib import Path

import httpx
import pytest

from tests.roles import Role

LIMIT = 262_144


@pytest.fixture(scope="module", params=["uvicorn", "granian"])
def role(request, valkey):
    """An api role on each of its servers, for the tests of this file."""
    role = Role("api", IM_API_SERVER=request.param, IM_API_WORKERS="1", IM_API_THREADS="4")
    try:
        yield role.ready()
    finally:
        role.kill()


@pytest.fixture
def http(role, alice):
    """Alice's connection to it."""
    base, headers = f"http://127.0.0.1:{role.port}", {"Authorization": f"Bearer {alice.access}"}
    with httpx.Client(base_url=base, headers=headers, timeout=20) as http:
        yield http


def body(size: int) -> bytes:
    """A send, padded to a number of bytes."""
    return json.dumps({"client_id": str(uuid.uuid4()), "text": "hi"}).encode().ljust(size)


def post(http, path: str, content) -> httpx.Response:
    return http.post(path, content=content, headers={"Content-Type": "application/json"})


@pytest.mark.once
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("size", "status"), [(100, 201), (LIMIT, 201), (LIMIT + 1, 413), (6_000_000, 413)]
)
def test_the_size_of_a_body_counts_however_it_comes(http, talk, size, status, chunked):
    whole = body(size)
    parts = (whole[at : at + 50_000] for at in range(0, size, 50_000))
    content = parts if chunked else whole
    assert post(http, f"/api/v1/{talk.path}/messages", content).status_code == status


def test_half_a_body_is_refused(role, talk):
    whole = body(100)
    head = (
        f"POST /api/v1/{talk.path}/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {talk.owner.access}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(whole) + 50}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", role.port), timeout=10) as line:
        line.sendall(head.encode() + whole)
        line.shutdown(socket.SHUT_WR)
        answer = line.makefile("rb").read()
    assert b"201" not in answer.partition(b"\r\n")[0]
    assert talk.page(talk.owner)["last_seq"] == 1


def test_a_quiet_sync_keeps_its_mark_to_itself(http):
    cursor = http.get("/api/v1/sync").json()["data"]["cursor"]
    answer = http.get("/api/v1/sync", params={"cursor": cursor, "wait": 5})
    assert answer.status_code == 200
    assert "IM-Quiet" not in answer.headers
    tag = {"If-None-Match": answer.headers["ETag"]}
    again = http.get("/api/v1/sync", params={"cursor": cursor}, headers=tag)
    assert (again.status_code, again.content) == (304, b"")


def test_an_answer_comes_in_one_piece_and_head_without_it(http):
    answer = http.get("/api/v1/accounts/me")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert http.head("/api/v1/accounts/me").content == b""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_killing_it_leaves_no_workers(valkey, server):
    role = Role("api", IM_API_SERVER=server, IM_API_WORKERS="2")
    try:
        role.ready()
        pid = role.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(workers) == 2
    finally:
        role.kill()
    deadline = time.monotonic() + 10
    while any(running(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="other systems share one socket")
def test_who_comes_while_it_leaves_is_refused(valkey):
    """A proxy then asks another copy; a connection that is taken and then cut would be lost."""
    role = Role("api", IM_API_SERVER="uvicorn", IM_API_WORKERS="2")
    try:
        role.ready()
        with socket.create_connection(("127.0.0.1", role.port), timeout=10) as busy:
            # Half a request keeps its process until the end of its patience.
            busy.sendall(
                b"POST /api/v1/accounts/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
            )
            # It must have been taken before.
            time.sleep(1)
            role.process.terminate()
            time.sleep(1)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", role.port), timeout=10)
            assert role.process.poll() is None
    finally:
        role.kill()


def running(pid: str) -> bool:
    """Say whether this process runs, and is not only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
