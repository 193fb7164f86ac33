"""What a benchmark stands on: a data folder, valkey, a database, the seeding process and the server.

All of it is real, apart, and gone afterwards, however the benchmark ends.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from imsite import embedded, processes
from tests import postgres

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("sqlite", "postgresql")
_TICK = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A process of the rig does not do its part."""


class Rig:
    """The processes under test; `seed` asks the seeding process, `cpu` and `rss` look at the server."""

    def __init__(self, stack: ExitStack, engine: str) -> None:
        self.engine = engine
        self._stack = stack
        folder = Path(tempfile.mkdtemp(prefix="im-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        valkey = folder / "valkey.sock"
        given = {k: v for k, v in os.environ.items() if not k.startswith("IM_")}
        self._environment = given | {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "IM_DATA_DIR": str(folder),
            "IM_REDIS_URL": f"unix://{valkey}",
            "IM_LIMITS": "off",
            "IM_ACCESS_TTL": "86400",
            "IM_LOG_LEVEL": "WARNING",
            "DATABASE_URL": _database(stack, engine, folder),
        }
        self._start(embedded.command(path=valkey, folder=folder / "valkey"))
        _wait_for(lambda: _accepts(socket.AF_UNIX, str(valkey)), "valkey")
        self._seeder = self._start(_python("bench.seed"), stdin=-1, stdout=-1)
        self._line("the seeding process")
        self.port = 0
        self._server: subprocess.Popen[bytes] | None = None
        self.fresh_server()

    def fresh_server(self) -> None:
        """Start the server, in place of the one that runs."""
        if self._server is not None:
            _end(self._server)
        self.port = _free_port()
        self._server = self._start(_python("bench.app", str(self.port)))
        _wait_for(lambda: _accepts(socket.AF_INET, ("127.0.0.1", self.port)), "the server")

    def seed(self, name: str, **arguments: Any) -> Any:
        """Have the seeding process do something and return what it answers."""
        assert self._seeder.stdin is not None
        self._seeder.stdin.write(json.dumps([name, arguments]).encode() + b"\n")
        self._seeder.stdin.flush()
        answer = json.loads(self._line("the seeding process"))
        if "error" in answer:
            raise Broken(f"{name}: {answer['error']}")
        return answer["ok"]

    def cpu(self) -> float:
        """Return the seconds of CPU that the server has used, its threads included."""
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def rss(self) -> int:
        """Return the bytes of memory that the server holds."""
        [line] = [each for each in self._proc("status").splitlines() if each.startswith("VmRSS")]
        return int(line.split()[1]) * 1024

    def _proc(self, name: str) -> str:
        assert self._server is not None
        if self._server.poll() is not None:
            raise Broken(f"the server ended with {self._server.returncode}")
        return Path(f"/proc/{self._server.pid}/{name}").read_text()

    def _line(self, what: str) -> bytes:
        assert self._seeder.stdout is not None
        if line := self._seeder.stdout.readline():
            return line
        raise Broken(f"{what} ended with {self._seeder.wait()}")

    def _start(self, argv: list[str], **streams: Any) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self._environment,
            preexec_fn=lambda: processes.die_with_parent(signal.SIGKILL),
            **{"stdin": subprocess.DEVNULL, **streams},
        )
        self._stack.callback(_end, process)
        return process


@contextmanager
def rigged(engine: str) -> Iterator[Rig]:
    """Set everything up for as long as the block."""
    with ExitStack() as stack:
        yield Rig(stack, engine)


def _database(stack: ExitStack, engine: str, folder: Path) -> str:
    """Return the URL of a database of our own, on the server at IM_TEST_DATABASE_URL if that is set."""
    if engine == "sqlite":
        return f"sqlite:///{folder / 'bench.sqlite3'}"
    server = os.environ.get("IM_TEST_DATABASE_URL")
    if not server:
        server = stack.enter_context(postgres.running()).url()
    name = f"imsite_bench_{os.getpid()}"
    stack.enter_context(postgres.database(server, name))
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def _python(module: str, *args: str) -> list[str]:
    return [sys.executable, "-m", module, *args]


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(family: socket.AddressFamily, address: Any) -> bool:
    with socket.socket(family) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


def _wait_for(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        if time.monotonic() > deadline:
            raise Broken(f"{what} does not come up")
        time.sleep(0.02)
