"""Replay of a chat file: as many clients, at its own pace or faster, through the public HTTP API."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from messages import transcript
from messages.replaying.client import Client, GaveUp, Refused
from messages.replaying.tally import Tally, compare
from messages.transcript import Said

# A longer pause of the file counts as this long: such files have days, and years, missing.
_LONGEST_GAP = timedelta(minutes=5)
# Times in such files are often whole minutes: what was said in one is spread over it.
_GRAIN = timedelta(minutes=1)
# Lines that wait for one speaker before the others have to wait as well.
_WAITING = 100
_ADDED_AT_ONCE = 500

Queue = asyncio.Queue[Said | None]


class Replay:
    """One replay: `run` it, look at its `tally` meanwhile."""

    def __init__(self, path: Path, *, server: str, users: int, speed: float) -> None:
        self.path = path
        self.base = server.rstrip("/") + "/api/v1/"
        self.users = users
        self.speed = speed
        self.tally = Tally()
        self.stopped = asyncio.Event()
        self.conversation_id = 0

    def stop(self) -> None:
        """Begin no more sends; those under way are finished and verified."""
        self.stopped.set()

    async def run(self, *, seconds: float | None = None) -> list[str]:
        """Register, open a group, send for `seconds` (None: the whole file), pull the log back.

        Return what is wrong with the log, in sentences. Raise Refused or GaveUp if a replay is not
        possible; a refused message is only counted.
        """
        limits = httpx.Limits(max_connections=self.users, max_keepalive_connections=self.users)
        async with httpx.AsyncClient(base_url=self.base, limits=limits, timeout=20) as http:
            clients = [Client(http, self.tally) for _ in range(self.users)]
            await self._gather(clients)
            if seconds is not None:
                asyncio.get_running_loop().call_later(seconds, self.stop)
            self.tally.began = time.monotonic()
            await self._send(clients)
            self.tally.ended = time.monotonic()
            return compare(self.tally, await self._pull(clients[0]))

    async def _gather(self, clients: list[Client]) -> None:
        mark = secrets.token_hex(4)
        for n, client in enumerate(clients):
            await client.register(f"replay-{mark}-{n}")
        first, others = clients[0], [client.user_id for client in clients[1:]]
        group = {
            "kind": "group",
            "title": f"Replay of {self.path.name}"[:200],
            "member_ids": others[:_ADDED_AT_ONCE],
            "settings": {"join": "open", "history": "all"},
        }
        self.conversation_id = (await first.call("POST", "conversations", group))["id"]
        for start in range(_ADDED_AT_ONCE, len(others), _ADDED_AT_ONCE):
            more = {"user_ids": others[start : start + _ADDED_AT_ONCE]}
            await first.call("POST", f"conversations/{self.conversation_id}/members/add", more)
        # What it took to get here says nothing about sending.
        self.tally.retries.clear()

    async def _send(self, clients: list[Client]) -> None:
        queues: list[Queue] = [asyncio.Queue(_WAITING) for _ in clients]
        async with asyncio.TaskGroup() as speakers:
            for client, queue in zip(clients, queues, strict=True):
                speakers.create_task(self._speak(client, queue))
            await self._hand_out(queues)
            for queue in queues:
                await queue.put(None)

    async def _hand_out(self, queues: list[Queue]) -> None:
        """Give each line to its speaker when it is due; a slow server makes us lag, not pile up."""
        voices: dict[str, int] = {}
        said = (line for line in transcript.read(self.path) if isinstance(line, Said))
        for at, line in timetable(said, speed=self.speed):
            await self._wait_until(self.tally.began + at)
            if self.stopped.is_set():
                return
            voice = voices.setdefault(line.nick, len(voices) % self.users)
            await queues[voice].put(line)

    async def _wait_until(self, moment: float) -> None:
        ahead = moment - time.monotonic()
        self.tally.lag = max(0.0, -ahead)
        if ahead > 0:
            try:
                await asyncio.wait_for(self.stopped.wait(), ahead)
            except TimeoutError:
                return

    async def _speak(self, client: Client, queue: Queue) -> None:
        """Send what is handed out, one after the other, so that a speaker's order is the file's."""
        path = f"conversations/{self.conversation_id}/messages"
        while (line := await queue.get()) is not None:
            if self.stopped.is_set():
                continue
            client_id, started = str(uuid4()), time.monotonic()
            message = {"client_id": client_id, "text": line.text}
            try:
                receipt = await client.call("POST", path, message)
            except Refused as error:
                self.tally.refused[str(error)] += 1
            except GaveUp as error:
                self.tally.refused[str(error)] += 1
                self.tally.unknown.add(client_id)
            else:
                kept = (client.user_id, line.text, receipt["seq"])
                self.tally.keep(client_id, kept, started=started)

    async def _pull(self, reader: Client) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        after = 0
        while True:
            path = f"conversations/{self.conversation_id}/messages?after={after}&limit=200"
            page = await reader.call("GET", path)
            items += page["items"]
            if not page["has_after"]:
                return items
            after = page["to_seq"]


def timetable(lines: Iterable[Said], *, speed: float) -> Iterator[tuple[float, Said]]:
    """Yield (seconds after the start, line): the gaps of the file, divided by `speed`."""
    clock = timedelta()
    together: list[Said] = []
    for line in lines:
        if together and line.at != together[0].at:
            yield from _spread(together, clock, speed)
            clock += min(max(line.at - together[0].at, timedelta()), _LONGEST_GAP)
            together = []
        together.append(line)
    yield from _spread(together, clock, speed)


def _spread(together: list[Said], clock: timedelta, speed: float) -> Iterator[tuple[float, Said]]:
    step = _GRAIN / len(together) if together and _whole_minute(together[0].at) else timedelta()
    for n, line in enumerate(together):
        yield (clock + step * n).total_seconds() / speed, line


def _whole_minute(at: datetime) -> bool:
    return at.second == 0 and at.microsecond == 0
