"""Runs stand-ins as processes and steers them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]


class Standin:
    """A stand-in in a process of its own."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, "-m", "tests.standins", name]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        told = json.loads(self._process.stdout.readline())
        self.url: str = told["url"]
        # What processes of the server need in their environment to send here.
        self.environment: dict[str, str] = told["settings"]
        self.route: str = told["route"]
        self._control = httpx.Client(base_url=f"http://127.0.0.1:{told['control']}", timeout=30)

    def order(self, token: str | None = None, **order: Any) -> None:
        """Answer this token, or everything, as `behaviour.Order` says."""
        self.do("orders", token=token, **order)

    def do(self, path: str, **said: Any) -> Any:
        """Ask its controls for something."""
        return self._control.post(f"/{path}", json=said).raise_for_status().json()

    def accepted(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the pushes it took, in their order."""
        return self._control.get("/accepted", params={"since": since}).json()

    def counts(self) -> dict[str, int]:
        """Return how often what happened."""
        return self._control.get("/counts").json()

    def reset(self) -> None:
        """Accept everything from now on, forget what was."""
        self.do("reset")

    def stop(self) -> None:
        """End it."""
        self._control.close()
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def standing(name: str) -> Iterator[Standin]:
    """Run a stand-in for a while."""
    found = Standin(name)
    try:
        yield found
    finally:
        found.stop()


def send_to(standin: Standin, settings: Any) -> None:
    """Set what this process needs to send there (`settings`: pytest-django's fixture)."""
    for name, value in standin.environment.items():
        if name == "IM_FCM_SERVICE_ACCOUNT":
            settings.IM_FCM_SERVICE_ACCOUNT = json.loads(value)
        else:
            setattr(settings, name, True if value == "on" else value)
    if standin.route == "webhook":
        settings.PUSH_ROUTES = dict.fromkeys(settings.PUSH_ROUTES, "webhook")
    else:
        settings.PUSH_ROUTES = {**settings.PUSH_ROUTES, standin.route: standin.route}
