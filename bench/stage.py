"""What every scenario has at hand: the rig, how long to measure, requests to send, rows to fill."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import orjson

from bench import client, load
from bench.bars import BARS
from bench.load import Crowd, Maker, Sample
from bench.report import Row, note
from bench.rig import Rig

Person = tuple[int, str]


@dataclass(slots=True)
class Stage:
    """A run of the benchmark."""

    rig: Rig
    rounds: int
    seconds: float
    # Length of the log that pages are read from.
    entries: int
    scenario: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def is_large(self) -> bool:
        """Whether this is the production engine, measured at production's sizes."""
        return self.rig.engine != "sqlite"

    @property
    def spread(self) -> int:
        """How many conversations sends are spread over."""
        return 1000 if self.is_large else 100

    @property
    def listeners(self) -> int:
        """How many sockets listen to one group."""
        return 1000 if self.is_large else 200

    def put(self, what: str, value: float, unit: str, **more: Any) -> None:
        """Add a row of the present scenario, with its bar if it has one."""
        bar = BARS[self.rig.engine].get((self.scenario, what))
        row = Row(scenario=self.scenario, what=what, value=value, unit=unit, bar=bar, **more)
        self.rows.append(row)

    def put_rate(self, what: str, found: Sample, unit: str, **more: Any) -> None:
        """Add a row for how many a second a sample shows."""
        self.put(what, found.rate, unit, note=note(found), **more)

    async def contest(self, contestants: dict[str, load.Contestant]) -> dict[str, Sample]:
        """Let these take turns; return the medians."""
        try:
            return await load.contest(
                contestants, rounds=self.rounds, seconds=self.seconds, cpu=self.rig.cpu
            )
        finally:
            for each in contestants.values():
                if isinstance(each, Crowd):
                    each.close()

    def crowd(self, makers: Sequence[Maker], *statuses: int) -> Crowd:
        """Return clients in closed loop."""
        return Crowd(self.rig.port, makers, statuses or load.OK)

    def bare(self, size: int, clients: int) -> Crowd:
        """Return clients of the bare view of that many bytes."""
        request = client.get(f"bare/{size}")
        return self.crowd([lambda: request] * clients)

    def senders(self, people: Sequence[Person], places: Sequence[Sequence[int]]) -> list[Maker]:
        """Return a maker of sends for each person, to one of their places at random each."""
        texts = self.rig.seed("texts", count=2000)
        return [
            sender(access, talks, texts[n * 31 % 2000 :])
            for n, ((_, access), talks) in enumerate(zip(people, places, strict=True))
        ]

    def seats(self, people: Sequence[Person], count: int, each: int) -> list[list[int]]:
        """Make `count` groups of `each` of these people; return the groups of every person."""
        ids = [user_id for user_id, _ in people]
        circles = [[ids[(n * each + k) % len(ids)] for k in range(each)] for n in range(count)]
        talks = self.rig.seed("groups", seats=circles)
        found: list[list[int]] = [[] for _ in ids]
        for n, talk in enumerate(talks):
            for k in range(each):
                found[(n * each + k) % len(ids)].append(talk)
        return found


def new_id() -> str:
    """Return a client_id; cheaper than uuid4."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def sender(access: str, talks: Sequence[int], texts: Sequence[str]) -> Maker:
    """Return a maker of POSTs, each a new message to one of `talks`."""
    heads = [client.post_head(f"conversations/{id}/messages", access=access) for id in talks]
    said = cycle([orjson.dumps(text) for text in texts])

    def make() -> bytes:
        body = b'{"client_id":"%s","text":%s}' % (new_id().encode(), next(said))
        return client.with_body(random.choice(heads), body)

    return make


def batch(access: str, talks: Sequence[int], texts: Sequence[str]) -> bytes:
    """Return a POST of one batch: a new message to each of `talks`."""
    items = [
        {"conversation_id": talk, "client_id": new_id(), "text": text}
        for talk, text in zip(talks, cycle(texts))
    ]
    return client.with_body(
        client.post_head("messages", access=access), orjson.dumps({"items": items})
    )
