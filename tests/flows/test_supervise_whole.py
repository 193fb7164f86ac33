"""The one-command start as a whole: real processes, real signals, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Site:
    """A supervisor on a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "IM_DATA_DIR": str(folder), "PORT": "0", "IM_DEMO": "off"}
        environment.pop("MAKELEVEL", None)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "imsite.supervise"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.base = self._greeting()

    def _greeting(self) -> str:
        for line in self.process.stdout:
            if found := re.search(r"ready: (http\S+)/", line):
                return found[1]
        raise AssertionError(f"it ended with {self.process.wait()}")

    def children(self) -> dict[str, int]:
        """Return the pids of the four parts by name."""
        marks = {
            "valkey-server": "valkey",
            "imsite.serve": "web",
            "worker": "worker",
            "beat": "beat",
        }
        found = {}
        for pid in _offspring(self.process.pid):
            command = _command(pid)
            for mark, name in marks.items():
                if mark in command:
                    found[name] = pid
                    break
        return found

    def descendants(self) -> list[int]:
        """Return every process below the supervisor."""
        found, todo = [], [self.process.pid]
        while todo:
            below = _offspring(todo.pop())
            found += below
            todo += below
        return found

    def complete(self) -> dict[str, int]:
        """Wait until all four parts run, and return them."""
        _until(lambda: len(self.children()) == 4)
        return self.children()

    def ready(self) -> bool:
        """Ask once whether all is well."""
        try:
            with urllib.request.urlopen(f"{self.base}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def post(self, path: str, body: dict, access: str = "") -> dict:
        """POST to the API and return the data."""
        request = urllib.request.Request(
            f"{self.base}/api/v1/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {access}"},
        )
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.load(answer)["data"]


def _offspring(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(word) for word in text.split()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


def _runs(pid: int) -> bool:
    return bool(_command(pid))


def _until(true, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def site(folder: Path):
    running = Site(folder)
    try:
        yield running
    finally:
        left = running.descendants()
        running.process.kill()
        running.process.wait()
        running.process.stdout.close()
        _until(lambda: not any(map(_runs, left)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder that has been migrated, so that starts are second starts."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "IM_DATA_DIR": str(folder), "IM_DEMO": "off"}
    subprocess.run(
        [sys.executable, "-m", "imsite.prepare"], cwd=ROOT, env=environment, check=True, stdout=-3
    )
    return folder


def test_a_part_that_is_killed_comes_back(folder):
    with site(folder) as running:
        before = running.complete()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        _until(lambda: len(running.children()) == 4 and running.ready())
        assert not set(before.values()) & set(running.complete().values())


def test_it_stops_clean_and_tells_the_sockets(folder):
    with site(folder) as running:
        running.complete()
        name = f"stopper-{time.time_ns()}"
        signed = running.post("accounts/register", {"username": name, "password": "a long one 7"})
        headers = {"Authorization": f"Bearer {signed['access']}"}
        with connect(f"ws{running.base[4:]}/ws", additional_headers=headers) as link:
            assert json.loads(link.recv(timeout=20))["t"] == "hello"
            below = running.descendants()
            running.process.send_signal(signal.SIGINT)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    link.recv(timeout=30)
        assert closed.value.rcvd.code in (1001, 1012)
        assert running.process.wait(30) == 0
        assert not any(map(_runs, below))


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_start_works(folder):
    with site(folder) as running:
        running.complete()
        below = running.descendants()
        assert len(below) >= 4
        running.process.kill()
        running.process.wait()
        _until(lambda: not any(map(_runs, below)), 20)
    with site(folder) as again:
        assert again.ready()


@pytest.mark.once
def test_a_second_one_on_the_same_folder_is_refused(folder):
    with site(folder):
        environment = {**os.environ, "IM_DATA_DIR": str(folder), "PORT": "0"}
        second = subprocess.run(
            [sys.executable, "-m", "imsite.supervise"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert second.returncode == 1
        assert "another imsite" in second.stderr


@pytest.mark.once
def test_the_pages_for_people_work_and_ask_nobody_else(folder):
    with site(folder) as running:
        for path in ("/", "/api/docs"):
            with urllib.request.urlopen(running.base + path) as answer:
                page = answer.read().decode()
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            for link in re.findall(r'(?:src|href)="(/[^"]*)"', page):
                with urllib.request.urlopen(running.base + link) as found:
                    assert found.status in (200, 302), link
            assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
        with urllib.request.urlopen(f"{running.base}/healthz") as answer:
            assert json.load(answer) == {"status": "ok"}


def test_the_three_lines_of_the_home_page_work_as_they_stand(folder):
    with site(folder) as running:
        with urllib.request.urlopen(f"{running.base}/") as answer:
            page = answer.read().decode()
        lines = re.findall(r"<pre>(.*?)</pre>", page, re.S)
        assert len(lines) == 3
        script = "\n".join(lines).replace("&quot;", '"').replace("&#x27;", "'")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        assert '"unread_total"' in done.stdout.splitlines()[-1].split("}")[-1] + done.stdout
        assert done.stdout.count('"code":0') == 2
