"""The parts of the supervisor, each by itself, on real processes and sockets."""

import os
import signal
import socket
import sys
import time

import pytest

from imsite import celery, embedded, supervise
from imsite.probe import Probe
from imsite.processes import FIRST_WAIT, LONGEST_WAIT, Child

PATIENT = [sys.executable, "-c", "import time; time.sleep(60)"]
GRANDPARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time;"
    " time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)",
]


def alive(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def child():
    child = Child("patient", PATIENT)
    yield child
    child.kill()


def test_it_starts_a_child_again_later_each_time(child):
    now, waits = 0.0, []
    for _ in range(7):
        child.tend(now=now)
        os.kill(child.pid, signal.SIGKILL)
        child._process.wait()
        child.tend(now=now)
        assert child.pid is None
        waits.append(child._due - now)
        now = child._due
    assert waits[0] == pytest.approx(FIRST_WAIT)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(LONGEST_WAIT)


def test_a_child_that_lived_is_started_again_at_once(child):
    for now in (0.0, 0.1):
        child.tend(now=now)
    os.kill(child.pid, signal.SIGKILL)
    child._process.wait()
    child.tend(now=1.0)
    child.tend(now=2.0)
    child.tend(now=30.0)
    os.kill(child.pid, signal.SIGKILL)
    child._process.wait()
    child.tend(now=31.0)
    assert child._due - 31.0 == pytest.approx(FIRST_WAIT)


def test_killing_a_child_kills_what_it_started(capfd):
    child = Child("grandparent", GRANDPARENT)
    child.tend(now=0.0)
    deadline, text = time.monotonic() + 10, ""
    while not text.strip() and time.monotonic() < deadline:
        time.sleep(0.02)
        text += capfd.readouterr().out
    child.kill()
    deadline = time.monotonic() + 5
    while alive(int(text)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(text))


def test_a_data_folder_has_one_supervisor(tmp_path):
    with supervise.hold(tmp_path), pytest.raises(supervise.CannotStart, match="IM_DATA_DIR"):
        supervise.hold(tmp_path)
    supervise.hold(tmp_path).close()


def test_a_taken_port_is_told_plainly():
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(supervise.CannotStart, match="set PORT"),
    ):
        supervise.listen("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "ready"), [(b"200 OK", True), (b"503 Service Unavailable", False)]
)
def test_the_probe_never_waits(status, ready):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probe = Probe(listener)
        started = time.monotonic()
        assert not probe.ready()
        assert time.monotonic() - started < 10
        link, _ = listener.accept()
        with link:
            assert b"/readyz" in link.recv(4096)
            link.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        time.sleep(0.05)
        assert probe.ready() is ready
        probe.close()


def test_a_valkey_that_nobody_owns_is_ended(tmp_path):
    path = tmp_path / "v.sock"
    child = Child("valkey", embedded.command(path=path, folder=tmp_path / "data"))
    child.tend(now=0.0)
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    embedded.clear_leftover(path)
    assert child._process.wait(5) == 0
    assert not path.exists()


def test_a_socket_that_nobody_serves_is_removed(tmp_path):
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    embedded.clear_leftover(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("ours", "kombus"),
    [
        ("unix:///data/valkey.sock", "redis+socket:///data/valkey.sock"),
        ("redis://cache:6379/1", "redis://cache:6379/1"),
    ],
)
def test_celery_is_told_the_same_store(ours, kombus):
    assert celery.broker_url(ours) == kombus


def test_every_periodic_task_exists():
    celery.app.loader.import_default_modules()
    planned = {entry["task"] for entry in celery.app.conf.beat_schedule.values()}
    assert planned <= set(celery.app.tasks)
