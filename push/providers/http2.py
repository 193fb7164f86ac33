"""POST over HTTP/2, as Apple wants it: one connection that many calls share."""

import asyncio

import httpx
from django.conf import settings

from push.providers.base import PushFailed
from push.providers.http import LONGEST_ANSWER, Answer, trusted, unreachable

# Seconds for which an idle connection is kept: Apple wants it kept, firewalls forget after some minutes.
_IDLE = 240.0


class Http2:
    """A connection of one provider; to be used on one loop."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    async def post(self, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Return what is answered, whatever its status; raise PushFailed if nothing is."""
        client = self._opened()
        try:
            async with client.stream("POST", url, headers=headers, content=body) as answer:
                return Answer(answer.status_code, dict(answer.headers), await _read(answer))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self._retire(client)
            raise unreachable(error) from None
        except asyncio.CancelledError:
            # What is given up stays open for the other side; a hundred of those block a connection.
            self._retire(client)
            raise

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            seconds = settings.IM_PUSH_TIMEOUT
            self._client = httpx.AsyncClient(
                http1=False,
                http2=True,
                verify=trusted(),
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=2, keepalive_expiry=_IDLE),
                # Below the end of a call, so that a connection that fell silent is noticed as such.
                timeout=httpx.Timeout(seconds * 0.8, connect=seconds / 2, pool=seconds),
                headers={"user-agent": "imsite"},
            )
        return self._client

    def _retire(self, client: httpx.AsyncClient) -> None:
        """Begin a new connection; let those finish who still wait on the old one."""
        if self._client is client:
            self._client = None
            task = asyncio.create_task(_close_later(client))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)


async def _read(answer: httpx.Response) -> bytes:
    said = b""
    async for part in answer.aiter_raw():
        said += part
        if len(said) > LONGEST_ANSWER:
            raise PushFailed("too long an answer", unwell=True)
    return said


async def _close_later(client: httpx.AsyncClient) -> None:
    try:
        await asyncio.sleep(settings.IM_PUSH_TIMEOUT)
    finally:
        await client.aclose()
