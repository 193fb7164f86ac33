"""Whatever is sent to whatever route: 2xx or 4xx in the envelope; what was accepted can be read by all."""

import json
import random
import re
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.cast import Person, talk_of
from tests.environment import ENGINE

ENVELOPE = ["code", "error", "message", "data", "request_id"]
IDS = [
    "0", "1", "-1", "1.5", "abc", "%00", "%FF", "%ED%A0%80", "2147483648", "4294967295", "4294967296",
    "9007199254740991", "9007199254740992", "9223372036854775808", "9" * 30, "%D9%A3", "true",
]  # fmt: skip
WORDS = [
    *IDS, "", "%20", "+1", "1e3", "*", "%22", "'", "x" * 3_000, "1,2", "1:2", "1:", ":", "a:b", "%F0%9F%91",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59.999999999-14:00",
    "2026-13-01T00:00:00Z", "2026-01-01T00:00:00%2B99:99",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, -0.0, 2**31, 2**32, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 10**30, "", "a",
    "\0", "a\0b", "\ud800", "\U0010ffff", "\u200b", " ", "x" * 300, "x" * 5_000, "1", "NaN", "٣", "all", "👍",
    "2026-01-01T00:00:00Z", "\r\nX: y", "' OR 1=1 --", "../..", [], [1], [None], ["a"], [[1]], [1, 1], [-1],
    [2**53 - 1], [2**63], {}, {"a": 1}, {"\0": 1}, {"\ud800": 1}, {"a": "\0"},
]  # fmt: skip
RAW = [
    b"", b" ", b"[]", b"1", b'"a"', b"null", b"{", b"{}x", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a": NaN}',
    b'{"a": 1e400}', b'{"a": ' + b"9" * 5_000 + b"}", b'{"a": ' + b"[" * 100_000, b"\0", b'{"a": "\\udfff"}',
]  # fmt: skip
# What databases have stumbled over is asked everywhere, the rest here and there.
ALWAYS: list[Any] = ["a\0b", "\ud800", {"a": "\0"}, 2**63, -(2**63), None]
# They end the person who asks, and have tests of their own.
ENDINGS = {"accounts/delete", "accounts/logout"}


@pytest.fixture(scope="module")
def described(database) -> dict[str, Any]:
    return Client().get("/api/schema").json()


class Probe:
    """Sends anything as one of two people, in a group of theirs, and holds each answer against the law."""

    def __init__(self, seed: str) -> None:
        # Each engine is asked other things, and each time the same.
        self.random = random.Random(f"{ENGINE} {seed}")
        self.people = [Person.new("any") for _ in range(2)]
        self.talk = talk_of(*self.people)
        self.seq = self.talk.say(self.people[0])["seq"]

    def address(self, path: str, **other: str) -> str:
        """Fill in a path's ids: those of this talk, but for those that are given."""
        ours = {"seq": str(self.seq)}
        if path.startswith("conversations/"):
            ours["id"] = ours["conversation_id"] = str(self.talk.id)
        return re.sub(r"{(\w+)}", lambda at: {**ours, **other}.get(at[1], "1"), path)

    def ask(self, method: str, path: str, body: Any) -> None:
        """Send it, as JSON unless it is bytes; the answer must be one that a client can read."""
        who = self.random.choice(self.people)
        headers = {"Authorization": f"Bearer {who.access}"}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = raw if method == "POST" else b""
        answer = who.http.generic(
            method, f"/api/v1/{path}", sent, "application/json", headers=headers
        )
        assert answer.status_code < 500, (method, path, body)
        assert list(answer.json()) == ENVELOPE, (method, path, body)

    def sample(self, values: list[Any], count: int) -> list[Any]:
        return self.random.sample(values, count)


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (method, path below /api/v1, description) of each route."""
    found = [
        (method.upper(), path.removeprefix("/api/v1/"), told)
        for path, methods in described["paths"].items()
        for method, told in methods.items()
        if path.startswith("/api/v1/")
    ]
    return [each for each in found if each[1] not in ENDINGS]


def fields(described: dict[str, Any], told: dict[str, Any]) -> set[str]:
    """Return the names of all fields that the body of an operation may have, in any of its forms."""
    content = told.get("requestBody", {}).get("content", {"": {"schema": {}}})
    todo, names = [next(iter(content.values()))["schema"]], set()
    while todo:
        schema = todo.pop()
        if "$ref" in schema:
            schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        names |= set(schema.get("properties", {}))
        todo += [*schema.get("oneOf", []), *schema.get("anyOf", []), *schema.get("allOf", [])]
    return names


def example(told: dict[str, Any]) -> dict[str, Any]:
    """Return a body that this operation takes, or an empty one."""
    content = next(iter(told.get("requestBody", {}).get("content", {"": {}}).values()))
    shown = [each["value"] for each in content.get("examples", {}).values()]
    return dict(content.get("example", shown[0] if shown else {}))


def test_every_route_answers_as_it_should(described):
    for method, path, told in operations(described):
        # For each route anew: some leave the group, or end it.
        probe = Probe(method + path)
        ids(probe, method, path)
        queries(probe, method, path, told)
        for name in sorted(fields(described, told)):
            for value in [*ALWAYS, *probe.sample(VALUES, 4)]:
                whole = example(told)
                if "client_id" in whole:
                    whole["client_id"] = str(uuid.uuid4())
                probe.ask(method, probe.address(path), {**whole, name: value})
        for raw in probe.sample(RAW, 3) if method == "POST" else []:
            probe.ask(method, probe.address(path), raw)


def ids(probe: Probe, method: str, path: str) -> None:
    """Ask for a route with other ids in its path."""
    for name in re.findall(r"{(\w+)}", path):
        for value in ["%00", *probe.sample(IDS, 4)]:
            probe.ask(method, probe.address(path, **{name: value}), {})


def queries(probe: Probe, method: str, path: str, told: dict[str, Any]) -> None:
    """Ask for a route with other parameters, the rest of them as they should be."""
    names = [each["name"] for each in told.get("parameters", []) if each["in"] == "query"]
    good = {"q": "ab", "seq": "1", "ids": "1", "time": "2026-01-01T00:00:00Z"}
    good |= {"conversation_id": str(probe.talk.id), "after": f"{probe.talk.id}:0"}
    for name in names:
        rest = [f"{key}={good[key]}" for key in names if key in good and key != name]
        for value in ["a%00b", *probe.sample(WORDS, 5)]:
            query = "&".join([*rest, f"{name}={value}"])
            probe.ask(method, f"{probe.address(path)}?{query}", {})
    some = {name: probe.random.choice(["1", "x", ""]) for name in names}
    probe.ask(method, f"{probe.address(path)}?{urlencode(some)}", {})


def test_what_was_accepted_can_be_read_by_all():
    probe = Probe("kept")
    bodies: dict[str, Any] = {
        "text": {},
        "location": {"lat": 1, "lon": 1, "label": "x"},
        "link": {
            "url": "https://example.org/",
            "title": "t",
            "memo": "m",
            "pic": "https://example.org/p",
        },
        "sticker": {"pack": "p", "name": "n"},
        "red_packet": {"amount": "1.00", "memo": "m"},
        "card": {"user_id": 1},
        "custom": {"a": 1},
    }
    for kind, body in bodies.items():
        for name in [*body, "text", "more"]:
            for value in [*ALWAYS, *probe.sample(VALUES, 5)]:
                message = {"client_id": str(uuid.uuid4()), "kind": kind, "text": "t", "body": body}
                changed = {"text": value} if name == "text" else {"body": {**body, name: value}}
                probe.ask("POST", f"{probe.talk.path}/messages", {**message, **changed})
    logs = [probe.talk.all(who) for who in probe.people]
    assert logs[0] == logs[1]
    assert [item["seq"] for item in logs[0]] == list(range(1, len(logs[0]) + 1))
    for path in ("sync?messages=20", "conversations", "accounts/export", "messages/search?q=t"):
        for who in probe.people:
            who.get(path)
