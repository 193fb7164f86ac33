"""Real sockets for the tests: a client that keeps what it was told, with the time of each frame."""

import asyncio
import contextlib
import json
import time
import uuid
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.cast import Person


class Wire:
    """One open socket."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link
        self.frames: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._came = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, server: str, person: Person, **more: Any) -> Self:
        """Open a socket with the access token in the header, and take its hello."""
        headers = {"Authorization": f"Bearer {person.access}"}
        wire = cls(await dial(server, "", additional_headers=headers, **more))
        assert (await wire.next("hello"))["device_id"] == person.device_id
        return wire

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.frames.append(json.loads(await self.link.recv()))
                self.times.append(time.monotonic())
                self._came.set()
        self._came.set()

    async def until(self, wanted: Any, seconds: float = 6.0) -> dict[str, Any]:
        """Return the first frame, come or coming, for which `wanted` says yes."""
        seen = 0
        async with asyncio.timeout(seconds):
            while True:
                self._came.clear()
                for frame in self.frames[seen:]:
                    if wanted(frame):
                        return frame
                seen = len(self.frames)
                assert not self._reading.done(), f"closed {self.link.close_code}: {self.frames}"
                await self._came.wait()

    async def next(self, kind: str, seconds: float = 6.0, **fields: Any) -> dict[str, Any]:
        """Return the first frame of a kind, with these fields."""
        fields["t"] = kind
        return await self.until(lambda frame: fields.items() <= frame.items(), seconds)

    async def told(self, conversation_id: int, seq: int, seconds: float = 6.0) -> None:
        """Wait for a ping that a conversation moved to `seq` or further."""
        await self.until(lambda frame: newest(frame, conversation_id) >= seq, seconds)

    def newest(self, conversation_id: int) -> int:
        """Return the highest seq that was told of a conversation."""
        return max((newest(frame, conversation_id) for frame in self.frames), default=0)

    def kinds(self) -> set[str]:
        """Return the kinds of all frames so far."""
        return {frame["t"] for frame in self.frames}

    async def say(self, frame: Any) -> None:
        """Send a frame: text as it is, anything else as JSON."""
        await self.link.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def send(self, n: int, conversation_id: int, text: str = "hello", **more: Any) -> str:
        """Send a message under `n` and return its client_id."""
        message = {"client_id": str(uuid.uuid4()), "text": text, **more}
        await self.say({"t": "send", "n": n, "c": conversation_id, "m": message})
        return str(message["client_id"])

    async def closed(self, seconds: float = 8.0) -> int:
        """Wait for the end and return its code."""
        async with asyncio.timeout(seconds):
            await self.link.wait_closed()
        return self.link.close_code or 0

    async def close(self) -> None:
        """Hang up."""
        await self.link.close()
        await asyncio.gather(self._reading, return_exceptions=True)


def newest(frame: dict[str, Any], conversation_id: int) -> int:
    """Return the seq that a frame tells of a conversation, or 0."""
    return int(dict(frame.get("c", [])).get(conversation_id, 0)) if frame["t"] == "seq" else 0


async def dial(server: str, query: str = "", **more: Any) -> ClientConnection:
    """Open a bare connection."""
    url = server.replace("http", "ws", 1) + "/ws" + query
    return await connect(url, open_timeout=10, ping_interval=None, **more)


async def refusal(server: str, query: str = "", **more: Any) -> int:
    """Return the HTTP status with which a handshake is refused; 101 if it is not."""
    try:
        link = await dial(server, query, **more)
    except InvalidStatus as error:
        return int(error.response.status_code)
    await link.close()
    return 101
