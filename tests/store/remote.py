"""A server process on a PostgreSQL of its own, which may be hurt, and a client that speaks HTTP to it."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.cast import PASSWORD
from tests.conftest import ROOT, serving
from tests.ports import free_port
from tests.postgres import Cluster


def migrate(url: str, folder: Path) -> None:
    """Bring a database to the state of this code."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v", "0"],
        check=True,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "IM_DATA_DIR": str(folder)},
    )


@contextmanager
def server_on(cluster: Cluster, folder: Path, **environment: str) -> Iterator[str]:
    """Serve the cluster's database `im` and return the URL of the API."""
    folder.mkdir(exist_ok=True)
    url = cluster.url("im")
    port = free_port()
    with serving(port, DATABASE_URL=url, IM_DATA_DIR=str(folder), **environment):
        yield f"http://127.0.0.1:{port}/api/v1"


class User:
    """Somebody who talks to a server process."""

    def __init__(self, base: str, name: str) -> None:
        self.http = httpx.Client(base_url=base, timeout=30)
        fields = {"username": name, "password": PASSWORD}
        signed = self.ask("POST", "accounts/register", fields).json()["data"]
        self.id = signed["user"]["id"]
        self.http.headers["Authorization"] = f"Bearer {signed['access']}"

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Return what the server answers."""
        return self.http.request(method, path, json=body if method == "POST" else None)

    def get(self, path: str) -> Any:
        """GET, expecting success."""
        return _data(self.ask("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        """POST, expecting success."""
        return _data(self.ask("POST", path, body or {}))

    def send(self, conversation_id: int) -> httpx.Response:
        """Send a text."""
        message = {"client_id": str(uuid.uuid4()), "text": "hello"}
        return self.ask("POST", f"conversations/{conversation_id}/messages", message)

    def close(self) -> None:
        """Hang up."""
        self.http.close()

    def recovers(self, conversation_id: int, *, within: float) -> float:
        """Send and pull until both work again; return after how many seconds."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            pulled = self.ask("GET", f"conversations/{conversation_id}/messages")
            if pulled.status_code == 200 and self.send(conversation_id).status_code == 201:
                return time.monotonic() - began
            time.sleep(0.1)
        raise AssertionError(f"not back after {within} s")


def _data(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json()["data"]
