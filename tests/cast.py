"""Alice, Bob and Carol, and a `talk` that reads like prose; all through the public HTTP routes."""

import itertools
import uuid
from typing import Any

import orjson
from django.test import Client

_numbers = itertools.count(1)
_RUN = uuid.uuid4().hex[:6]
PASSWORD = "correct horse battery"


class Refused(AssertionError):
    """The server answered with an error where the story expects none."""


class Person:
    """A signed-in user; calls return `data`, or the whole error envelope for `refused`."""

    def __init__(self, signed: dict[str, Any]) -> None:
        self.id: int = signed["user"]["id"]
        self.user = signed["user"]
        self.device_id = signed["device_id"]
        self.access = signed["access"]
        self.refresh = signed["refresh"]
        self.http = Client(raise_request_exception=False)

    @classmethod
    def new(cls, name: str = "user") -> "Person":
        """Register somebody under a name that nobody has."""
        fields = {"username": f"{name}_{_RUN}_{next(_numbers)}", "password": PASSWORD}
        answer = Client().post("/api/v1/accounts/register", fields, content_type="application/json")
        assert answer.status_code == 201, answer.content
        return cls(answer.json()["data"])

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return Django's response."""
        headers = {"Authorization": f"Bearer {self.access}", **headers}
        data = b"" if body is None else orjson.dumps(body)
        return self.http.generic(
            method, f"/api/v1/{path}", data, "application/json", headers=headers
        )

    def get(self, path: str) -> Any:
        """GET, expecting success."""
        return _data(self.request("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        """POST, expecting success."""
        return _data(self.request("POST", path, body or {}))

    def refused(self, method: str, path: str, body: Any = None) -> str:
        """Return the stable name of the error that this gets."""
        if method == "POST" and body is None:
            body = {}
        answer = self.request(method, path, body).json()
        assert answer["code"] != 0, answer
        return answer["error"]

    def head(self, conversation_id: int) -> dict[str, Any]:
        """Return the head of a conversation as this person sees it."""
        return self.get(f"conversations/{conversation_id}")

    def sync_all(self, cursor: str | None = None) -> tuple[dict[int, dict[str, Any]], str]:
        """Poll until there is no more; return the heads by id and the cursor."""
        heads: dict[int, dict[str, Any]] = {}
        while True:
            query = f"?cursor={cursor}" if cursor else ""
            answer = self.get(f"sync{query}")
            heads |= {head["id"]: head for head in answer["items"]}
            cursor = answer["cursor"]
            if not answer["more"]:
                return heads, cursor


def _data(response: Any) -> Any:
    if response.status_code >= 400:
        raise Refused(response.content.decode())
    return response.json()["data"]


class Talk:
    """A conversation under test."""

    def __init__(self, id: int, owner: Person) -> None:
        self.id = id
        self.owner = owner
        self.path = f"conversations/{id}"

    def say(self, who: Person, text: str = "hello", **more: Any) -> dict[str, Any]:
        """Send a text and return the receipt."""
        message = {"client_id": str(uuid.uuid4()), "text": text, **more}
        return who.post(f"{self.path}/messages", message)

    def page(self, who: Person, query: str = "") -> dict[str, Any]:
        """Pull one page."""
        return who.get(f"{self.path}/messages{query}")

    def all(self, who: Person, limit: int = 200, view: str = "log") -> list[dict[str, Any]]:
        """Pull the whole log page by page, forward."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.page(who, f"?after={after}&limit={limit}&view={view}")
            found += page["items"]
            if not page["has_after"]:
                return found
            after = page["to_seq"]


def talk_of(owner: Person, *others: Person, **settings: Any) -> Talk:
    """Return a new group."""
    body = {"kind": "group", "title": "Talk", "member_ids": [each.id for each in others]}
    if settings:
        body["settings"] = settings
    return Talk(owner.post("conversations", body)["id"], owner)
