"""The bridge from ASGI to the synchronous application, with small applications behind it."""

import asyncio
import io
import threading
from typing import Any

import orjson
import pytest

from imsite.core.bridge import Bridge
from imsite.core.pools import Overloaded, Pool


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the environment, and with what could be read."""
    body = environ["wsgi.input"].read()
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Twice", "é")])
    return [orjson.dumps({**told, "read": len(body), "body": body[:100].decode("latin-1")})]


class Exchange:
    """One request through a bridge."""

    def __init__(self, app: Any = echo) -> None:
        self.bridge = Bridge(app)
        self.sent: list[dict[str, Any]] = []

    async def run(self, method: str = "GET", path: str = "/", **more: Any) -> "Exchange":
        chunks = list(more.pop("chunks", [b""]))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "headers": [],
            "client": ("192.0.2.1", 1234),
            "server": ("example.org", 8000),
            **more,
        }

        async def receive() -> dict[str, Any]:
            if not chunks:
                return {"type": "http.disconnect"}
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        self.sent.clear()
        await self.bridge(scope, receive, send)
        return self

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def told(self) -> dict[str, Any]:
        return orjson.loads(self.body)


async def test_the_environment_is_what_wsgi_wants():
    headers = [
        (b"content-type", b"text/plain"),
        (b"x-one", b"1"),
        (b"x-one", b"2"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x_forwarded_for", b"forged"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"7"),
        (b"x-odd", b"\xe9"),
    ]
    query = b"a=%20b&c=\xe9"
    told = (
        await Exchange().run(
            "POST", "/a%2Fb/%C3%A9%ff", headers=headers, query_string=query, chunks=[b"12345", b""]
        )
    ).told
    assert told["REQUEST_METHOD"] == "POST"
    assert told["PATH_INFO"] == "/a/b/Ã©ÿ"
    assert told["QUERY_STRING"] == "a=%20b&c=é"
    assert (told["CONTENT_TYPE"], told["CONTENT_LENGTH"]) == ("text/plain", "5")
    assert told["body"] == "12345"
    assert (told["HTTP_X_ONE"], told["HTTP_COOKIE"]) == ("1,2", "a=1;b=2")
    assert told["HTTP_X_ODD"] == "é"
    assert (told["REMOTE_ADDR"], told["SERVER_NAME"]) == ("192.0.2.1", "example.org")
    assert (told["SERVER_PORT"], told["SERVER_PROTOCOL"]) == ("8000", "HTTP/1.1")
    assert told["wsgi.url_scheme"] == "http"
    absent = {"HTTP_X_FORWARDED_FOR", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH"}
    assert not absent & told.keys()


async def test_answers_state_their_length():
    done = await Exchange().run()
    assert done.headers[b"content-length"] == str(len(done.body)).encode()
    assert done.headers[b"x-twice"] == "é".encode("latin-1")


async def test_head_has_no_body_but_the_length_of_one():
    done = await Exchange().run("HEAD")
    assert done.body == b""
    assert int(done.headers[b"content-length"]) > 0


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_content_state_no_length(status):
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{status} X", [])
        return [b""]

    done = await Exchange(app).run()
    assert (done.status, done.body) == (status, b"")
    assert b"content-length" not in done.headers


@pytest.mark.parametrize("length", [0, 1, 262_144, 262_145, 300_000, 5_000_000])
async def test_a_body_is_kept_to_its_limit_and_its_length_is_told(length):
    chunks = [b"x" * min(65_536, length - at) for at in range(0, length, 65_536)]
    told = (await Exchange().run("POST", "/api/v1/x", chunks=[*chunks, b""])).told
    assert told["CONTENT_LENGTH"] == str(length)
    assert told["read"] == min(length, 262_145)


async def test_pages_may_read_more():
    told = (await Exchange().run("POST", "/admin/x", chunks=[b"x" * 1_000_000, b""])).told
    assert told["read"] == 1_000_000


async def test_what_claims_to_be_huge_is_not_read():
    headers = [(b"content-length", b"999999999999")]
    told = (await Exchange().run("POST", "/api/v1/x", headers=headers, chunks=[])).told
    assert (told["CONTENT_LENGTH"], told["read"]) == ("999999999999", 0)


async def test_a_client_that_leaves_while_it_speaks_is_not_answered():
    done = await Exchange().run("POST", "/", chunks=[b"half"])
    assert done.sent == []


class Page(io.BytesIO):
    """A body that knows whether it was let go."""

    def __iter__(self) -> Any:
        return iter(lambda: self.read(65_536), b"")


@pytest.mark.parametrize("size", [0, 10, 2**20, 3 * 2**20 + 5])
async def test_bodies_of_any_length_arrive_whole_and_are_closed(size):
    page = Page(bytes(range(256)) * (size // 256 + 1))
    page.truncate(size)

    def app(environ: Any, start_response: Any) -> Page:
        start_response("200 OK", [("Content-Length", str(size))])
        return page

    done = await Exchange(app).run()
    assert len(done.body) == size
    assert done.body[:512] == (bytes(range(256)) * 2)[:size]
    assert page.closed
    assert all(len(message["body"]) <= 2 * 2**20 for message in done.sent[1:])


async def test_what_breaks_is_answered_in_the_envelope():
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise ValueError("inside")

    done = await Exchange(app).run(headers=[(b"x-request-id", b"mine")])
    assert (done.status, done.told["error"]) == (500, "internal")
    assert done.told["request_id"] == "mine"
    assert b"inside" not in done.body


async def test_a_pool_bounds_who_waits_and_counts_those_who_gave_up():
    pool, gate = Pool("test", 1, most=2), threading.Event()
    calls = [asyncio.create_task(pool.run(gate.wait, 10)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await pool.run(gate.wait, 10)
    calls[0].cancel()
    await asyncio.sleep(0.05)
    assert pool.taken == 3
    gate.set()
    assert await calls[2] is True
    await asyncio.sleep(0.05)
    assert pool.taken == 0


async def test_an_overload_is_answered_at_once(settings):
    settings.IM_READ_THREADS = 1
    gate = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        gate.wait(10)
        start_response("200 OK", [])
        return [b"ok"]

    busy = Exchange(app)
    others = [Exchange(app) for _ in range(1001)]
    for other in others:
        other.bridge = busy.bridge
    waiting = [asyncio.create_task(other.run()) for other in others]
    await asyncio.sleep(0.1)
    done = await busy.run()
    assert (done.status, done.told["error"]) == (503, "unavailable")
    assert done.headers[b"retry-after"] == b"1"
    assert done.told["data"]["retry_after_ms"] == 1000
    gate.set()
    assert {each.status for each in await asyncio.gather(*waiting)} == {200}
