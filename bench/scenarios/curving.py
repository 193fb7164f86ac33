"""Figures for plots: throughput against clients, cost against conversations and length of the log."""

from bench import client
from bench.client import connect
from bench.load import Contestant, Crowd, Sample
from bench.scenarios.reading import quieten
from bench.scenarios.storing import members
from bench.stage import Maker, Person, Stage

_CLIENTS = (1, 4, 16, 64, 128)
_CONVERSATIONS = (10, 100, 1_000, 5_000)
_READERS = 4
_PAGE = 50


async def curves(stage: Stage) -> None:
    """Measure what should rise with clients, and what should stay flat whatever grows."""
    await _clients(stage)
    await _conversations(stage)
    await _lengths(stage)
    await members(stage)


async def _clients(stage: Stage) -> None:
    people = stage.rig.seed("people", count=max(_CLIENTS))
    places = stage.seats(people, stage.spread, 4)
    sends = stage.senders(people, places)
    page = [
        _asking(client.get(f"conversations/{own[0]}/messages?limit={_PAGE}", access=access))
        for (_, access), own in zip(people, places, strict=True)
    ]
    for curve, makers in (("sends by clients", sends), ("pages by clients", page)):
        found = await stage.contest({str(n): stage.crowd(makers[:n]) for n in _CLIENTS})
        for n in _CLIENTS:
            what = f"{curve}: {n}"
            stage.put_rate(what, found[str(n)], "/s", curve=curve, x=n)


def _asking(request: bytes) -> Maker:
    return lambda: request


async def _conversations(stage: Stage) -> None:
    contestants: dict[str, Contestant] = {}
    for count in _CONVERSATIONS:
        people = stage.rig.seed("people", count=_READERS)
        ids = [user_id for user_id, _ in people]
        talks = stage.rig.seed("groups", seats=[ids] * count)
        stage.rig.seed("say", places=[(talk, ids[0]) for talk in talks])
        contestants[str(count)] = await _idlers(stage, people)
    _put_cpu(stage, "idle sync by conversations", await stage.contest(contestants))


async def _idlers(stage: Stage, people: list[Person]) -> Crowd:
    link = await connect(stage.rig.port)
    makers = []
    for _, access in people:
        cursor, quiet = await quieten(link, access)
        request = client.get(f"sync?cursor={cursor}", access=access, etag=quiet.etag)
        makers.append(_asking(request))
    link.close()
    return stage.crowd(makers, 304)


async def _lengths(stage: Stage) -> None:
    contestants: dict[str, Contestant] = {}
    people = stage.rig.seed("people", count=_READERS)
    ids = [user_id for user_id, _ in people]
    lengths = [length for length in (100, 1_000, 10_000, 100_000) if length <= stage.entries]
    for length in lengths:
        [talk] = stage.rig.seed("groups", seats=[ids])
        stage.rig.seed("say", places=[(talk, ids[0])], count=length)
        path = f"conversations/{talk}/messages?limit={_PAGE}&before={length // 2 + 1}"
        makers = [_asking(client.get(path, access=access)) for _, access in people]
        contestants[str(length)] = stage.crowd(makers)
    stage.rig.seed("settle")
    _put_cpu(stage, "page by length of the log", await stage.contest(contestants))


def _put_cpu(stage: Stage, curve: str, found: dict[str, Sample]) -> None:
    for name, sample in found.items():
        x = int(name)
        stage.put(
            f"{curve}: {x:,}", sample.cpu_us, "µs", note=f"{sample.rate:,.0f}/s", curve=curve, x=x
        )
