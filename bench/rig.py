"""What a benchmark stands on: a data folder, valkey, a database, the seeding process and the server.

All of it is real, apart, and gone afterwards, however the benchmark ends. On SQLite the server is the
one process that `make run` starts; on PostgreSQL it is the roles as operators start them, the api role
for HTTP and the ws role for sockets.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bench import cpu
from imsite import embedded, processes
from tests import postgres

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("sqlite", "postgresql")
# What an operator would set for two cores and some memory, too; durability stays as it is.
_TUNED: dict[str, str] = {}
# Sizes that a run may try others of.
_GIVEN = ("IM_API_WORKERS", "IM_API_THREADS", "IM_API_SERVER", "IM_FIBERS", "IM_WS_WORKERS")


class Broken(Exception):
    """A process of the rig does not do its part."""


class Rig:
    """The processes under test; `seed` asks the seeding process, `cpu` and `rss` look at the others."""

    def __init__(self, stack: ExitStack, engine: str) -> None:
        self.engine = engine
        self._stack = stack
        folder = Path(tempfile.mkdtemp(prefix="im-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        valkey = folder / "valkey.sock"
        # The roots of what is looked at: each counts with all that it starts.
        self._roots: dict[str, list[int]] = {"load": [os.getpid()]}
        given = {k: v for k, v in os.environ.items() if not k.startswith("IM_")}
        self._environment = given | {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "IM_DATA_DIR": str(folder),
            "IM_REDIS_URL": f"unix://{valkey}",
            "IM_LIMITS": "off",
            "IM_ACCESS_TTL": "86400",
            "IM_LOG_LEVEL": "WARNING",
            "DATABASE_URL": self._database(folder),
            **{name: value for name, value in os.environ.items() if name in _GIVEN},
        }
        if engine == "sqlite":
            self._environment["IM_WS_WORKERS"] = "1"
        started = self._start(embedded.command(path=valkey, folder=folder / "valkey"))
        self._roots["valkey"] = [started.pid]
        _wait_for(lambda: _accepts(socket.AF_UNIX, str(valkey)), "valkey")
        # Filling takes longer than a request may.
        patient = {"IM_DB_STATEMENT_TIMEOUT": "0", "IM_DB_IDLE_TIMEOUT": "0"}
        self._seeder = self._start(_python("bench.seed"), more=patient, stdin=-1, stdout=-1)
        self._line("the seeding process")
        # Where HTTP is answered, and where sockets are.
        self.port = self.ws_port = 0
        self._servers: list[subprocess.Popen[bytes]] = []
        self.fresh_server()

    def fresh_server(self, *, ws_workers: int | None = None) -> None:
        """Start the server in place of the one that runs; with so many ws processes, if not as set."""
        for each in self._servers:
            _end(each)
        self._servers = []
        sized = {} if ws_workers is None else {"IM_WS_WORKERS": str(ws_workers)}
        self.ws_port = self._serve("bench.app", more=sized)
        self.port = self.ws_port if self.engine == "sqlite" else self._serve("imsite.roles", "api")
        self._roots["server"] = [each.pid for each in self._servers]
        # Connections dealt out to a process that is not ready yet would wait for it.
        _wait_for(self._is_idle, "all of the server")

    def _is_idle(self) -> bool:
        before = self.cpu()["server"]
        time.sleep(0.3)
        return self.cpu()["server"] - before < 0.05

    def _serve(self, *command: str, more: Mapping[str, str] = {}) -> int:
        """Start a server and return its port once it listens."""
        port = _free_port()
        self._servers.append(self._start(_python(*command), more={**more, "PORT": str(port)}))
        _wait_for(lambda: _accepts(socket.AF_INET, ("127.0.0.1", port)), "the server")
        return port

    def _database(self, folder: Path) -> str:
        """Return the URL of a database of our own, on the server at IM_TEST_DATABASE_URL if that is set."""
        if self.engine == "sqlite":
            return f"sqlite:///{folder / 'bench.sqlite3'}"
        server = os.environ.get("IM_TEST_DATABASE_URL")
        if not server:
            cluster = self._stack.enter_context(postgres.running(**_TUNED))
            assert cluster.process is not None
            self._roots["PostgreSQL"] = [cluster.process.pid]
            server = cluster.url()
        name = f"imsite_bench_{os.getpid()}"
        self._stack.enter_context(postgres.database(server, name))
        return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))

    def seed(self, name: str, **arguments: Any) -> Any:
        """Have the seeding process do something and return what it answers."""
        assert self._seeder.stdin is not None
        self._seeder.stdin.write(json.dumps([name, arguments]).encode() + b"\n")
        self._seeder.stdin.flush()
        answer = json.loads(self._line("the seeding process"))
        if "error" in answer:
            raise Broken(f"{name}: {answer['error']}")
        return answer["ok"]

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each part has used, by its name."""
        for each in self._servers:
            if each.poll() is not None:
                raise Broken(f"the server ended with {each.returncode}")
        return cpu.seconds(self._roots)

    def rss(self) -> int:
        """Return the bytes of memory that the processes with the sockets hold."""
        return cpu.resident(self._servers[0].pid)

    def _line(self, what: str) -> bytes:
        assert self._seeder.stdout is not None
        if line := self._seeder.stdout.readline():
            return line
        raise Broken(f"{what} ended with {self._seeder.wait()}")

    def _start(
        self, argv: list[str], *, more: Mapping[str, str] = {}, **streams: Any
    ) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**self._environment, **more},
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
    # A server takes three seconds, or a minute on a machine that is busy with other work.
    deadline = time.monotonic() + 120
    while not ready():
        if time.monotonic() > deadline:
            raise Broken(f"{what} does not come up")
        time.sleep(0.02)
