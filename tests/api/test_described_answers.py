"""What the server answers is what its OpenAPI description says, held against it through one long day."""

import re
import uuid

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator

DESCRIPTION = SchemaGenerator().get_schema(request=None, public=True)
ROUTES = [
    (re.compile(re.sub(r"{\w+}", "[0-9]+", path) + "$"), methods)
    for path, methods in DESCRIPTION["paths"].items()
]


class Checked:
    """A person whose every answer is held against the description."""

    seen: set[str] = set()

    def __init__(self, person):
        self.person = person
        self.id = person.id

    def __call__(self, method: str, path: str, body=None, status: int = 200):
        answer = self.person.request(method, path, body)
        assert answer.status_code == status, answer.content
        [methods] = [methods for route, methods in ROUTES if route.match(f"/api/v1/{bare(path)}")]
        operation = methods[method.lower()]
        described = operation["responses"][str(status)]
        schema = described["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": DESCRIPTION["components"]})
        Checked.seen.add(operation["operationId"])
        return answer.json()["data"]


def bare(path: str) -> str:
    """The path without its query."""
    return path.partition("?")[0]


@pytest.fixture
def ann(alice):
    return Checked(alice)


def test_accounts(ann, bob):
    login = {"username": ann.person.user["username"], "password": "correct horse battery"}
    ann("POST", "accounts/register", {**login, "username": f"x{uuid.uuid4().hex[:12]}"}, 201)
    ann("POST", "accounts/register", login, 409)
    session = ann("POST", "accounts/login", login)
    ann("POST", "accounts/login", {**login, "password": "wrong wrong wrong"}, 401)
    ann("POST", "accounts/token/refresh", {"refresh": session["refresh"]})
    ann("GET", "accounts/devices")
    ann("POST", f"accounts/devices/{session['device_id']}/revoke", {})
    ann("GET", "accounts/me")
    ann("POST", "accounts/me", {"bio": "Climbs."})
    ann("POST", "accounts/me", {"bio": 7}, 400)
    ann("GET", f"accounts/users/{bob.id}")
    ann("GET", "accounts/users/999999999", None, 404)
    ann("GET", f"accounts/users?ids={bob.id},{ann.id}")
    ann("GET", "accounts/users/search?q=bo")
    ann("POST", "accounts/blocks/add", {"user_id": bob.id})
    ann("GET", "accounts/blocks")
    ann("GET", "accounts/export")
    ann("POST", "accounts/blocks/remove", {"user_id": bob.id})
    ann("POST", "accounts/ws-ticket", {})
    changed = {"old": login["password"], "new": "battery staple horse"}
    ann("POST", "accounts/password", changed)
    ann("POST", "accounts/delete", {"password": changed["new"]})


def test_conversations(ann, bob, carol):
    with_bob = Checked(bob)
    direct = ann("POST", "conversations", {"kind": "direct", "user_id": bob.id}, 201)
    ann("POST", "conversations", {"kind": "direct", "user_id": bob.id}, 200)
    group = ann(
        "POST",
        "conversations",
        {
            "kind": "group",
            "title": "Climbing",
            "member_ids": [bob.id],
            "client_id": str(uuid.uuid4()),
        },
        201,
    )
    one = f"conversations/{group['id']}"
    ann("GET", "conversations")
    ann("GET", one)
    ann("GET", f"conversations/{direct['id']}")
    ann("POST", f"{one}/update", {"join": "approve", "announcement": "Shoes!"})
    Checked(carol)("POST", f"{one}/join", {}, 202)
    ann("GET", f"{one}/requests")
    ann("POST", f"{one}/requests/decline", {"user_ids": [carol.id]})
    ann("POST", f"{one}/members/add", {"user_ids": [carol.id]})
    ann("POST", f"{one}/members/role", {"user_id": bob.id, "role": "admin"})
    ann("POST", f"{one}/members/mute", {"user_id": carol.id, "seconds": 60})
    ann("GET", f"{one}/members")
    ann("GET", f"{one}/reads?seq=0")
    with_bob("POST", f"{one}/read", {"seq": 1})
    with_bob("POST", f"{one}/settings", {"nickname": "B", "notify": "mentions"})
    with_bob("POST", f"{one}/typing", {})
    with_bob("POST", f"{one}/dissolve", {}, 403)
    ann("POST", f"{one}/members/remove", {"user_ids": [carol.id]})
    Checked(carol)("GET", one)
    ann("POST", f"{one}/transfer", {"user_id": bob.id})
    ann("GET", "sync")
    ann("GET", "sync?messages=3")
    ann("POST", f"{one}/leave", {})
    ann("GET", "sync?messages=3")
    with_bob("POST", f"{one}/dissolve", {})
    with_bob("GET", "sync?cursor=nonsense", None, 400)


def test_messages(ann, bob, talk):
    log = f"conversations/{talk.id}/messages"
    message = {"client_id": str(uuid.uuid4()), "text": "eight @bob?", "mentions": [bob.id]}
    sent = ann("POST", log, message, 201)
    ann("POST", log, message, 200)
    ann("POST", log, {**message, "text": "nine"}, 409)
    ann("POST", log, {**message, "mentions": [], "text": ""}, 400)
    place = {"kind": "location", "body": {"lat": 47.4, "lon": 8.5}, "client_id": str(uuid.uuid4())}
    items = [{"conversation_id": id, **place} for id in (talk.id, 999_999_999)]
    ann("POST", "messages", {"items": items})
    item = f"{log}/{sent['seq']}"
    ann("POST", f"{item}/react", {"emoji": "👍", "op": "add"})
    ann("POST", f"{item}/edit", {"text": "nine"})
    ann("POST", f"{item}/pin", {})
    ann("GET", log)
    ann("GET", f"{log}?after=0&limit=2&view=chat")
    ann("GET", f"{log}/at?time=2020-01-01T00:00:00Z")
    ann("GET", f"messages?after={talk.id}:0,999999999:4")
    ann("GET", "messages/search?q=nine")
    ann("POST", f"{item}/unpin", {})
    Checked(bob)("POST", f"{item}/report", {"reason": "spam"})
    ann("POST", f"{item}/recall", {})
    ann("POST", f"{item}/edit", {"text": "ten"}, 409)
    ann("GET", f"{log}?around={sent['seq']}")
    ann("POST", "accounts/logout", {})


def test_push(ann, bob, talk):
    ann("POST", "push/tokens", {"provider": "fcm", "token": uuid.uuid4().hex, "app": "chat"})
    ann("POST", "push/tokens", {"provider": "fcm", "token": "a b"}, 400)
    ann("GET", "push/tokens")
    ann("POST", "push/tokens/remove", {})
    night = {"start": "22:00", "end": "07:00", "tz": "Asia/Kathmandu"}
    ann("POST", "push/settings", {"preview": False, "quiet_hours": night})
    ann("GET", "push/webpush-key")
    ann("GET", "push/settings")
    seq = talk.say(bob, "why?")["seq"]
    ann("GET", f"push/why?conversation_id={talk.id}&seq={seq}")
    ann("GET", f"push/why?conversation_id={talk.id}&seq={seq + 1}", None, 404)


def test_nothing_was_left_out():
    """Runs last: each operation was answered for real above."""
    described = {
        operation["operationId"]
        for methods in DESCRIPTION["paths"].values()
        for operation in methods.values()
    }
    assert described == Checked.seen
