"""Pulls: pages of a log, and syncs that find nothing, little and everything new."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import orjson

from bench import client
from bench.client import Connection, Reply, check, connect
from bench.load import Maker, percentile
from bench.rig import Rig
from bench.stage import Person, Stage, batch

_CLIENTS = 16
_PAGE = 50
# Catch-ups before any counts: a connection's first statements are planned anew each time, for want of
# what its server process has yet to read about tables.
_WARMING = 10
# Entries that go through the domain; a longer log repeats them.
_SAID = 20_000


@dataclass(slots=True)
class RawPages:
    """The seeding process reading pages without a server around it."""

    rig: Rig
    talk: int
    head: int

    async def run(self, seconds: float) -> list[float]:
        """Read for so long."""
        rate = await asyncio.to_thread(
            self.rig.seed, "raw_pages", conversation_id=self.talk, head=self.head, seconds=seconds
        )
        return [1 / rate] * round(rate * seconds)


async def pages(stage: Stage) -> None:
    """Measure pages of 50: the newest, the oldest, random ones of a long log."""
    people = stage.rig.seed("people", count=_CLIENTS)
    [talk] = stage.rig.seed("groups", seats=[[user_id for user_id, _ in people]])
    places = [(talk, user_id) for user_id, _ in people]
    said = min(stage.entries, _SAID) if stage.is_large else stage.entries
    stage.rig.seed("say", places=places, count=said // _CLIENTS)
    head = said // _CLIENTS * _CLIENTS
    if stage.entries > said:
        head = stage.entries
        stage.rig.seed("lengthen", conversation_id=talk, length=head)
    stage.rig.seed("settle")
    link = await connect(stage.rig.port)
    path = f"conversations/{talk}/messages?limit={_PAGE}"
    size = len(check(await link.ask(client.get(path, access=people[0][1])), 200).body)
    found = await stage.contest(
        {
            "newest": stage.crowd(_constant(people, path)),
            "deep": stage.crowd(_constant(people, f"{path}&before={_PAGE + 1}")),
            "random": stage.crowd(_anywhere(people, path, head)),
            "bare": stage.bare(size, _CLIENTS),
            "raw": RawPages(stage.rig, talk, head),
        }
    )
    link.close()
    bare = found["bare"]
    for name in ("newest", "deep", "random"):
        stage.put_rate(name, found[name], "/s", ceiling=bare.rate, beside="bare view/s")
    for name in ("newest", "deep", "random"):
        cpu = found[name].cpu_us
        stage.put(f"CPU, {name}", cpu, "µs", ceiling=bare.cpu_us, beside="bare view")
    newest = found["newest"].rate
    stage.put("deep beside newest", found["deep"].rate, "/s", ceiling=newest, beside="newest")
    stage.put_rate(
        "random beside raw SQL", found["random"], "/s", ceiling=found["raw"].rate, beside="raw SQL"
    )


def _constant(people: Sequence[Person], path: str) -> list[Maker]:
    requests = [client.get(path, access=access) for _, access in people]
    return [lambda request=request: request for request in requests]  # type: ignore[misc]


def _anywhere(people: Sequence[Person], path: str, head: int) -> list[Maker]:
    def maker(access: str) -> Maker:
        def make() -> bytes:
            before = random.randint(_PAGE + 1, head)
            return client.get(f"{path}&before={before}", access=access)

        return make

    return [maker(access) for _, access in people]


async def idle_sync(stage: Stage) -> None:
    """Measure syncs that find nothing new in 200 conversations, with and without the ETag."""
    people = stage.rig.seed("people", count=_CLIENTS)
    members = [user_id for user_id, _ in people]
    talks = stage.rig.seed("groups", seats=[members] * 200)
    stage.rig.seed("say", places=[(talk, members[0]) for talk in talks])
    stage.rig.seed("settle")
    link = await connect(stage.rig.port)
    plain, known = [], []
    size = 0
    for _, access in people:
        cursor, quiet = await quieten(link, access)
        size = len(quiet.body)
        plain.append(client.get(f"sync?cursor={cursor}", access=access))
        known.append(client.get(f"sync?cursor={cursor}", access=access, etag=quiet.etag))
    link.close()
    found = await stage.contest(
        {
            "304": stage.crowd([lambda each=each: each for each in known], 304),  # type: ignore[misc]
            "200": stage.crowd([lambda each=each: each for each in plain], 200),  # type: ignore[misc]
            "bare": stage.bare(size, _CLIENTS),
        }
    )
    bare = found["bare"]
    for name in ("304", "200"):
        stage.put_rate(name, found[name], "/s", ceiling=bare.rate, beside="bare view/s")
        cpu = found[name].cpu_us
        stage.put(f"{name}, CPU", cpu, "µs", ceiling=bare.cpu_us, beside="bare view")


async def quieten(link: Connection, access: str) -> tuple[str, Reply]:
    """Sync until there is nothing new; return the cursor and the quiet answer."""
    cursor = ""
    for _ in range(100):
        query = f"&cursor={cursor}" if cursor else ""
        reply = check(await link.ask(client.get(f"sync?limit=200{query}", access=access)), 200)
        data = orjson.loads(reply.body)["data"]
        if cursor and not data["items"] and data["cursor"] == cursor:
            # Its ETag is for the limit asked with; the plain one is asked for once more.
            return cursor, check(
                await link.ask(client.get(f"sync?cursor={cursor}", access=access)), 200
            )
        cursor = data["cursor"]
    raise client.Refused("the chain of cursors does not become quiet")


async def idle_sync_5000(stage: Stage) -> None:
    """Measure how long one idle sync takes with 5,000 conversations."""
    [(user_id, access)] = stage.rig.seed("people", count=1)
    talks = stage.rig.seed("groups", seats=[[user_id]] * 5000)
    stage.rig.seed("say", places=[(talk, user_id) for talk in talks])
    stage.rig.seed("settle")
    link = await connect(stage.rig.port)
    cursor, quiet = await quieten(link, access)
    path = f"sync?cursor={cursor}"
    asked = {
        "304": client.get(path, access=access, etag=quiet.etag),
        "200": client.get(path, access=access),
        "bare": client.get(f"bare/{len(quiet.body)}"),
    }
    found = await _taking_turns(link, asked, round(100 * stage.seconds) + 1)
    link.close()
    for name in ("304", "200"):
        ceiling = median(found["bare"])
        more = f"p99 {percentile(found[name], 0.99):.1f} ms"
        stage.put(name, median(found[name]), "ms", ceiling=ceiling, beside="bare view", note=more)


async def _taking_turns(
    link: Connection, asked: dict[str, bytes], times: int
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(times):
        for name, request in asked.items():
            found[name].append((await _timed(link, request))[0])
    return found


async def _timed(link: Connection, request: bytes) -> tuple[float, Reply]:
    """Return the ms that a request took, and its answer."""
    start = time.perf_counter()
    reply = check(await link.ask(request), 200, 201, 304)
    return (time.perf_counter() - start) * 1000, reply


async def catch_up(stage: Stage) -> None:
    """Measure the sync of somebody who comes back: 5 of 200 changed, all 200, the very first."""
    (reader, access), (writer, other) = stage.rig.seed("people", count=2)
    talks = stage.rig.seed("groups", seats=[[reader, writer]] * 200)
    stage.rig.seed("say", places=[(talk, writer) for talk in talks])
    stage.rig.seed("settle")
    texts = stage.rig.seed("texts", count=200)
    link = await connect(stage.rig.port)
    cursor, _ = await quieten(link, access)
    times = round(20 * stage.seconds) + 1
    for count in (5, 200):
        own, bare = [], []
        for _ in range(_WARMING + times):
            changed = random.sample(talks, count)
            for some in (changed[:100], changed[100:]):
                if some:
                    check(await link.ask(batch(other, some, texts)), 200, 201)
            request = client.get(f"sync?limit=200&cursor={cursor}", access=access)
            took, reply = await _timed(link, request)
            own.append(took)
            cursor = orjson.loads(reply.body)["data"]["cursor"]
            bare.append((await _timed(link, client.get(f"bare/{len(reply.body)}")))[0])
        del own[:_WARMING], bare[:_WARMING]
        stage.put(f"{count} of 200 changed", median(own), "ms", **_beside(own, bare))
    first = client.get("sync?limit=200", access=access)
    size = len((await _timed(link, first))[1].body)
    found = await _taking_turns(link, {"own": first, "bare": client.get(f"bare/{size}")}, times)
    more = _beside(found["own"], found["bare"])
    stage.put("first sync of 200", median(found["own"]), "ms", **more)
    link.close()


def _beside(own: list[float], bare: list[float]) -> dict[str, object]:
    more = f"p99 {percentile(own, 0.99):.1f} ms"
    return {"ceiling": median(bare), "beside": "bare view", "note": more}
