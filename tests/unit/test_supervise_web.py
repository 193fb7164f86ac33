"""The web process gives up on request heads that do not end, and on nothing else."""

import asyncio
import json

import pytest
import uvicorn

from imsite import serve


async def echo(scope, receive, send):
    """Answer with the number of bytes of the body."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
async def port(monkeypatch):
    monkeypatch.setattr(serve, "HEAD_TIMEOUT", 0.5)
    config = uvicorn.Config(
        echo, port=0, http=serve.BoundedHttp, lifespan="off", log_config=None, log_level="error"
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.force_exit = True
    await server.shutdown()


async def answer(port: int, *parts: bytes) -> bytes:
    """Send the parts and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.01)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


async def test_a_plain_request_is_answered(port):
    assert (await answer(port, GET + b"\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_head_in_slow_parts_within_the_time_is_answered(port):
    parts = [bytes([byte]) for byte in b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"[:10]]
    rest = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"[10:]
    assert (await answer(port, *parts, rest)).startswith(b"HTTP/1.1 200")


async def test_a_large_body_is_no_head(port):
    body = b"x" * 200_000
    head = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    assert b"\r\n200000\r\n" in await answer(port, head + body[:100], body[100:])


@pytest.mark.parametrize("filler", [b"a" * 30_000, b"X-A: b\r\n" * 4_000])
async def test_a_head_without_end_is_refused(port, filler):
    found = await answer(port, GET, *[filler] * 20)
    assert found == b"" or found.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("parts", [(), (b"GET / HT",), (GET,)])
async def test_a_head_that_never_comes_is_not_waited_for(port, parts):
    assert await answer(port, *parts) == b""


async def test_a_second_request_on_the_same_connection_has_the_same_bounds(port):
    first = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    found = await answer(port, first, b"GET / HTTP/1.1\r\nX: ")
    assert found.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize(
    ("head", "status", "error"),
    [
        (b"BREW /api/v1/sync HTTP/1.1\r\n\r\n", 405, "method_not_allowed"),
        (b"GET /api/v1/\xff HTTP/1.1\r\n\r\n", 400, "invalid_request"),
        (b"POST /api/v1/sync HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "invalid_request"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_the_envelope(port, head, status, error):
    found, _, body = (await answer(port, head)).partition(b"\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 %d " % status)
    assert b"cache-control: private, no-store" in found
    said = json.loads(body)
    assert set(said) == {"code", "error", "message", "data", "request_id"}
    assert (said["code"] // 100, said["error"]) == (status, error)
    assert f"x-request-id: {said['request_id']}".encode() in found
