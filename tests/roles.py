"""Runs a role of the server as its one command does, on the session's database."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import httpx

from tests.conftest import ROOT
from tests.ports import free_port


class Role:
    """A process of a role on a port of its own."""

    def __init__(self, name: str, **environment: str) -> None:
        self.name = name
        self.port = free_port()
        self._environment = {**os.environ, "PORT": str(self.port), **environment}
        self.start()

    def start(self) -> None:
        """Start it, and do not wait for it."""
        command = [sys.executable, "-m", "imsite.roles", self.name]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment)

    def stop(self) -> float:
        """Tell it to leave; return the seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(15) in (0, -signal.SIGTERM)
        return time.monotonic() - began

    def ready(self) -> "Role":
        """Wait until it answers."""
        for _ in range(900):
            assert self.process.poll() is None
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{self.port}/healthz").is_success:
                    return self
            time.sleep(0.1)
        raise AssertionError(f"{self.name} does not come up")

    def kill(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
