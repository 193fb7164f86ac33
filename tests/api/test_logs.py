"""Logs hold what an operator needs, and no password, token, ticket, text or search at any level."""

import json
import logging
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from imsite.core import clock, logs
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
MARK = f"zq{secrets.token_hex(4)}"
SERVERS = {
    "ours": ["-m", "imsite.serve"],
    "ours on daphne": ["-m", "imsite.serve"],
    # Started by hand, and as loud as it can be.
    "bare uvicorn": ["-m", "uvicorn", "imsite.asgi:application", "--log-level", "trace"],
}


class Site:
    """A server of its own on a database of its own, as talkative as it can be."""

    def __init__(self, folder: Path, redis: str) -> None:
        self.folder, self.port = folder, free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "IM_ASGI_SERVER")},
            "DJANGO_SETTINGS_MODULE": "imsite.settings",
            "IM_DATA_DIR": str(folder),
            "IM_DEMO": "off",
            "IM_LOG_LEVEL": "DEBUG",
            "IM_ACCESS_LOG": "on",
            "IM_REDIS_URL": redis,
            "PORT": str(self.port),
        }
        self.secrets: dict[str, str] = {}
        self.requests = 0

    def prepare(self) -> None:
        """Make the tables."""
        done = [sys.executable, "-m", "imsite.prepare"]
        subprocess.run(done, cwd=ROOT, env=self.environment, check=True, timeout=120)

    def serve(self, args: list[str]) -> subprocess.Popen:
        """Start the server; its lines go to a file."""
        where = ["--port", str(self.port)] if "uvicorn" in args else []
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *args, *where],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 90
        while self.call("GET", "/healthz")[0] != 200:
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise AssertionError(self.log.read_text())
            time.sleep(0.05)
        return process

    @property
    def log(self) -> Path:
        """Where the lines are."""
        return self.folder / "stderr"

    def call(
        self, method: str, path: str, body: Any = None, access: str = "", **headers: str
    ) -> tuple[int, Any]:
        """Make a request; return the status and what came."""
        self.requests += 1
        headers = {"Content-Type": "application/json", **headers}
        if access:
            headers["Authorization"] = f"Bearer {access}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, raw = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        except OSError:
            return 0, None
        return status, json.loads(raw) if raw.startswith(b"{") else raw

    def api(self, method: str, path: str, body: Any = None, access: str = "") -> Any:
        """Call the API and return its data; whatever is secret in it is noted."""
        _, answer = self.call(method, f"/api/v1/{path}", body, access)
        data = (answer or {}).get("data") or {}
        for name in ("access", "refresh", "ticket", "cursor"):
            if isinstance(data, dict) and isinstance(data.get(name), str):
                self.secrets[f"{name} {len(self.secrets)}"] = data[name]
        return data

    def break_log(self) -> None:
        """From here on no entry can be stored: a trigger says so."""
        with closing(sqlite3.connect(self.folder / "imsite.sqlite3")) as database:
            database.execute(
                "CREATE TRIGGER broken BEFORE INSERT ON messagelog_entry"
                " BEGIN SELECT RAISE(ABORT, 'broken on purpose'); END"
            )

    def take_table(self, name: str) -> None:
        """From here on a table is not there."""
        with closing(sqlite3.connect(self.folder / "imsite.sqlite3")) as database:
            database.execute(f"ALTER TABLE {name} RENAME TO gone_{name}")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, valkey) -> Path:
    """A data folder with tables, to be copied."""
    folder: Path = tmp_path_factory.mktemp("prepared")
    Site(folder, valkey).prepare()
    return folder


@pytest.fixture(params=SERVERS)
def site(request, tmp_path, prepared, valkey) -> Iterator[Site]:
    folder = shutil.copytree(prepared, tmp_path / "data")
    site = Site(folder, valkey)
    site.environment["IM_ASGI_SERVER"] = "daphne" if "daphne" in request.param else "uvicorn"
    process = site.serve(SERVERS[request.param])
    yield site
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.once
def test_nothing_secret_is_ever_logged(site):
    access, talk = converse(site)
    say_on_a_socket(site, access, talk)
    provoke_clients_errors(site, access, talk)
    provoke_our_errors(site, access, talk)
    time.sleep(0.5)
    text = site.log.read_text()
    assert MARK not in text, [line for line in text.splitlines() if MARK in line][:3]
    for name, value in site.secrets.items():
        assert value not in text, name
        # Nor most of it: tokens are signed, and their first part is worth nothing alone.
        assert value[-20:] not in text, name
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert len(lines) > 40
    failed = [line for line in lines if line.get("request_id") == "find-me"]
    assert {line["logger"] for line in failed} >= {"imsite.request", "imsite.access"}
    assert any("broken on purpose" in line.get("stack", "") for line in lines)
    assert any(line.get("status") == 503 for line in lines)
    assert any(line.get("user_id") for line in lines)


def converse(site: Site) -> tuple[str, str]:
    """Do all that people do, with marked content; return an access token and a conversation."""
    password = f"{MARK} password"
    who = {"username": f"{MARK}_al", "password": password, "display_name": f"{MARK} Al"}
    signed = site.api("POST", "accounts/register", who)
    access, me = signed["access"], signed["user"]["id"]
    device = {"platform": "test", "name": f"{MARK} phone"}
    login = {"username": who["username"], "password": password, "device": device}
    site.api("POST", "accounts/login", login)
    site.api("POST", "accounts/token/refresh", {"refresh": signed["refresh"]})
    site.api("POST", "accounts/me", {"bio": f"{MARK} bio"}, access)
    title = {"kind": "group", "title": f"{MARK} title"}
    talk = f"conversations/{site.api('POST', 'conversations', title, access)['id']}"
    for n in range(5):
        message = {"client_id": str(uuid.uuid4()), "text": f"{MARK} text {n}"}
        assert site.api("POST", f"{talk}/messages", message, access)["seq"]
    site.api("POST", f"{talk}/messages/2/edit", {"text": f"{MARK} edited"}, access)
    site.api("POST", f"{talk}/update", {"announcement": f"{MARK} announcement"}, access)
    for path in (
        f"messages/search?q={MARK}",
        f"accounts/users/search?q={MARK}",
        "accounts/export",
        "sync",
        f"accounts/users/{me}",
        f"{talk}/messages",
        "accounts/ws-ticket",
    ):
        site.api(
            "POST" if "ticket" in path else "GET", path, {} if "ticket" in path else None, access
        )
    return access, talk


def say_on_a_socket(site: Site, access: str, talk: str) -> None:
    """Open sockets in the three ways, send on one, and send rubbish."""
    base = f"ws://127.0.0.1:{site.port}/ws"
    me = site.api("GET", "accounts/me", None, access)["id"]
    _, answer = site.call("POST", "/api/v1/accounts/ws-ticket", b"{}", access)
    ticket = site.secrets["ticket"] = answer["data"]["ticket"]
    with connect(f"{base}?id={me}&token={ticket}") as socket:
        message = {"client_id": str(uuid.uuid4()), "text": f"{MARK} frame"}
        frame = {"t": "send", "n": 1, "c": int(talk.split("/")[1]), "m": message}
        socket.send(json.dumps(frame))
        while json.loads(socket.recv(timeout=10))["t"] != "ack":
            continue
        socket.send(f"{MARK} rubbish")
        socket.send(f"{MARK} rubbish".encode())
        socket.send(json.dumps({**frame, "m": {"text": f"{MARK} refused", "more": MARK}}))
    with connect(base, subprotocols=["im.v1", f"bearer.{access}"]) as socket:
        socket.recv(timeout=10)
    for query in (f"id={me}&token={ticket}", f"id={me}&token={MARK}-ticket", f"token={MARK}"):
        with pytest.raises(WebSocketException):
            connect(f"{base}?{query}")
    with pytest.raises(WebSocketException):
        connect(base, additional_headers={"Authorization": f"Bearer {MARK}-access"})


def provoke_clients_errors(site: Site, access: str, talk: str) -> None:
    """Ask for what is refused, in every way, with marks all over."""
    site.call("POST", f"/api/v1/{talk}/messages", f'{{"text": "{MARK}'.encode(), access)
    site.call("POST", f"/api/v1/{talk}/messages", {"text": [MARK], MARK: MARK}, access)
    site.call("POST", "/api/v1/accounts/login", {"username": MARK, "password": f"{MARK} wrong"})
    site.call("POST", "/api/v1/accounts/register", {"username": f"{MARK} bad", "password": MARK})
    site.call("GET", "/api/v1/accounts/me", None, f"{MARK}.forged.token")
    site.call("GET", f"/api/v1/sync?cursor={MARK}", None, access)
    site.call("GET", f"/api/v1/{MARK}?password={MARK}", None, access)
    site.call("GET", f"/{MARK}/?q={MARK}")
    site.call("GET", f"/admin/login/?next={MARK}")
    site.call("POST", "/admin/login/", f"username={MARK}&password={MARK}".encode())
    site.call("GET", f"/static/{MARK}")
    site.call("GET", "/", None, "", Host=f"{MARK}!")
    site.call("GET", "/api/v1/accounts/me", None, access, **{"X-Request-Id": f"{MARK} {MARK}"})
    site.call("TRACE", f"/api/v1/{MARK}")


def provoke_our_errors(site: Site, access: str, talk: str) -> None:
    """Break the database under the server, and ask again."""
    site.break_log()
    message = {"client_id": str(uuid.uuid4()), "text": f"{MARK} lost"}
    headers = {"X-Request-Id": "find-me"}
    assert site.call("POST", f"/api/v1/{talk}/messages", message, access)[0] == 500
    items = [{**message, "conversation_id": int(talk.split("/")[1])}]
    site.call("POST", "/api/v1/messages", {"items": items}, access)
    site.take_table("messagelog_entry")
    assert site.call("POST", f"/api/v1/{talk}/messages", message, access)[0] == 503
    site.call("GET", f"/api/v1/{talk}/messages", None, access)
    site.take_table("accounts_device")
    site.take_table("accounts_user")
    login = {"username": f"{MARK}_al", "password": f"{MARK} password"}
    assert site.call("POST", "/api/v1/accounts/login", login, **headers)[0] == 503
    site.call("GET", f"/api/v1/messages/search?q={MARK}", None, access)
    site.call("POST", "/admin/login/", f"username={MARK}&password={MARK}".encode())


def line(error: BaseException | None = None, message: str = "it broke", *args: Any) -> str:
    """Return a line as it is written, as JSON and as text together."""
    try:
        if error is not None:
            raise error
        found = None
    except BaseException:
        found = sys.exc_info()
    record = logging.LogRecord("imsite.test", logging.ERROR, __file__, 1, message, args, found)
    record.request = f"<WSGIRequest: GET '/?q={MARK}'>"
    return logs.Json().format(record) + logs.Text().format(record)


class Refused(Exception):
    """An error of a database as psycopg makes them."""

    class diag:
        """What it knows."""

        sqlstate, table_name, constraint_name = "23505", "accounts_user", "a_name"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"invalid literal for int() with base 10: '{MARK}'"),
        KeyError(MARK),
        TypeError(f'expected a number but got "{MARK}\'s"'),
        ValueError(f"can't take '{MARK}'"),
        ValueError(f"first line\nDETAIL: ({MARK}, 1)"),
        ValueError(f"of two lines: 'one\n{MARK}' and 'three'"),
        ValueError(f"`{MARK}` is no command"),
        Refused(f'invalid input syntax: "{MARK}"'),
        Refused(f"duplicate key\nDETAIL:  Key (username)=({MARK}) already exists."),
        ExceptionGroup("many", [KeyError(MARK), ValueError(f"'{MARK}'")]),
        OSError(f"http://host/ws?id=1&token={MARK}"),
        OSError(f"redis://user:{MARK}@host/0 refused"),
        ConnectionError(f"sent Authorization: Bearer {MARK}"),
    ],
    ids=repr,
)
def test_what_an_exception_quotes_stays_out(error):
    assert MARK not in line(error)
    assert MARK not in line(None, "%s: %s", "so", error)
    assert MARK not in line(error, f"it broke: {error!r}")
    assert type(error).__name__ in line(error)
    with_cause = RuntimeError("outer")
    with_cause.__cause__ = error
    assert MARK not in line(with_cause)


def test_what_helps_to_find_an_error_stays_in():
    found = line(Refused('duplicate key violates "a_name"\nDETAIL: x'))
    assert "[23505] [accounts_user] [a_name]" in found
    assert "test_logs.py" in found
    assert "'NoneType' object has no attribute 'x'" in line(
        AttributeError("'NoneType' object has no attribute 'x'")
    )
    reason = 'connection failed: FATAL:  no entry for user "imsite"'
    connecting = type("OperationalError", (Exception,), {})
    assert "no entry for user" in line(connecting(reason))


def test_a_constraint_of_the_real_database_quotes_no_value(alice):
    username = alice.user["username"]
    users = get_user_model()
    with pytest.raises(IntegrityError) as caught:
        users.objects.create_user(username, None, created_at=clock.now())
    connection.close()
    assert username not in line(caught.value)
    assert "IntegrityError" in line(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        f'"WebSocket /ws?id=1&token={MARK}" [accepted]',
        f"GET /messages/search?q={MARK}&limit=5 HTTP/1.1",
        f"protocols: im.v1, bearer.{MARK}",
        f"Authorization: Bearer {MARK}",
        f"redis://:{MARK}@localhost:6379/0",
    ],
)
def test_lines_of_libraries_are_scrubbed(message):
    assert MARK not in line(None, message)


def test_a_line_can_hold_anything_and_stays_one_line():
    written = logs.Json().format(
        logging.LogRecord("x", logging.INFO, "f", 1, "a\nb \ud800 %s", ("é\n",), None)
    )
    assert "\n" not in written
    assert json.loads(written)["message"] == "a\nb \\ud800 é\n"


def test_a_request_id_is_in_every_line_of_its_request():
    token = logs.request_id.set("abc")
    try:
        assert '"request_id":"abc"' in line()
    finally:
        logs.request_id.reset(token)
    assert "request_id" not in line()
