"""The files in which processes keep their counts: one set a process, added up by whoever is asked.

It is prometheus_client's multi-process mode, with names of our own instead of process ids: ids come
again, in a container at every start. A process lives while it holds the lock on its name's file. What
the dead have counted is added to the files of the `past`, so that sums never fall; their gauges go.
"""

import contextlib
import fcntl
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prometheus_client import CollectorRegistry, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_PAST = "past"
# What each kind of file begins with, in bytes on the disk: were they taken only when they are written
# to, a full disk would kill the process there.
_SIZES = {"counter": 2**17, "histogram": 2**20, "gauge_livesum": 2**16}


class Folder:
    """Where this process and its siblings keep their counts."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.name = ""
        self._held: IO[str] | None = None
        os.register_at_fork(after_in_child=self._forget)

    def me(self) -> str:
        """Return the name of this process; take one if it has none."""
        if not self.name:
            self._begin()
        return self.name

    def _begin(self) -> None:
        with self._alone():
            self._bury()
            name = secrets.token_hex(6)
            held = (self.path / f"{name}.lock").open("w")
            fcntl.flock(held, fcntl.LOCK_EX)
            for kind, size in _SIZES.items():
                _reserve(self.path / f"{kind}_{name}.db", size)
        self.name, self._held = name, held

    def _forget(self) -> None:
        # The child of a fork counts for itself; the lock stays with the parent.
        if self._held is not None:
            self._held.close()
        self.name, self._held = "", None

    def render(self, accept: str, extra: Collector) -> tuple[bytes, str]:
        """Return all counts, and what `extra` knows, in a format that is accepted, and its name."""
        self.me()
        encode, media_type = choose_encoder(accept)
        registry = CollectorRegistry()
        registry.register(extra)
        with self._alone():
            self._bury()
            MultiProcessCollector(registry, str(self.path))
            return encode(registry), media_type

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from beginning, burying and adding up meanwhile."""
        lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _bury(self) -> None:
        """Add what the dead have counted to the past; where nobody lives, forget the past as well."""
        if os.geteuid() != self.path.stat().st_uid:
            # A command run as root must leave no files that the server cannot write to.
            return
        living = {path.stem for path in self.path.glob("*.lock") if self._lives(path)}
        for path in sorted(self.path.glob("*.db")):
            kind, _, name = path.stem.rpartition("_")
            if name in living or (living and name == _PAST):
                continue
            if living and kind in ("counter", "histogram"):
                _add(path, self.path / f"{kind}_{_PAST}.db", size=_SIZES[kind])
            path.unlink()
        for path in self.path.glob("*.lock"):
            if path.stem not in living:
                path.unlink()

    def _lives(self, path: Path) -> bool:
        if path.stem == self.name:
            return True
        with path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _reserve(path: Path, size: int) -> None:
    with path.open("wb") as file, contextlib.suppress(OSError, AttributeError):
        # Not every system and file system can; then the file grows as it is written.
        os.posix_fallocate(file.fileno(), 0, size)


def _add(path: Path, past: Path, *, size: int) -> None:
    if not past.exists():
        _reserve(past, size)
    total = MmapedDict(str(past))
    # A process that was killed in the middle of a key leaves one that ends nowhere.
    with contextlib.suppress(RuntimeError, struct.error, UnicodeDecodeError):
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    total.close()


def keep_in(path: Path) -> Folder:
    """Have every metric that is made from now on keep its counts in this folder."""
    folder = Folder(path)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(path)
    values.ValueClass = values.MultiProcessValue(folder.me)
    return folder
