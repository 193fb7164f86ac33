"""Children of the supervisor: each in its own process group, started again when it ends, never orphaned."""

import ctypes
import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

log = logging.getLogger("imsite.supervise")

FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0
# Seconds after which a child counts as healthy, so that its next end is not held against it.
HEALTHY = 10.0

# Objects more than before at which Python looks for what only holds itself; its own measure is 700.
_YOUNG = 10_000

# Seconds between two looks at whether they are gone.
_TICK = 0.05

_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec nothing may be imported.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def settle() -> None:
    """Leave what is loaded by now out of garbage collection: it stays for as long as the process.

    And look through what is new more seldom: what a crowd has in flight was looked at again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)


def die_with_parent(signum: int) -> None:
    """Have the kernel send us `signum` when the parent dies, however it dies.

    Linux alone can do this. Elsewhere a supervisor that is killed with SIGKILL leaves its children, and
    the next start finds the port taken; ending the supervisor in any other way is clean everywhere.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signum)


def _bound_to(parent: int) -> Callable[[], None]:
    def before_exec() -> None:
        die_with_parent(signal.SIGKILL)
        # The parent may have died before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def spawn(argv: Sequence[str], *, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a process that leads a group of its own, ends with us, and shares our output."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        pass_fds=tuple(pass_fds),
        process_group=0,
        preexec_fn=_bound_to(os.getpid()),
    )


def signal_group(process: subprocess.Popen[bytes], signum: int) -> None:
    """Send `signum` to a process and all that it started; those already gone are no matter."""
    try:
        os.killpg(process.pid, signum)
    except (ProcessLookupError, PermissionError):
        # PermissionError is what macOS says of a group of zombies.
        return


class Child:
    """A process that should run until it is told to stop."""

    def __init__(self, name: str, argv: Sequence[str], *, pass_fds: Sequence[int] = ()) -> None:
        self.name = name
        self._argv = argv
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None
        self._wait = FIRST_WAIT
        self._started = 0.0
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return None if self._process is None else self._process.pid

    def tend(self, *, now: float) -> None:
        """Start the child if it is due; if it ended, clear what it left and plan the next start."""
        if self._process is None:
            if now >= self._due:
                self._process = spawn(self._argv, pass_fds=self._pass_fds)
                self._started = now
        elif self._process.poll() is None:
            if now - self._started > HEALTHY:
                self._wait = FIRST_WAIT
        else:
            signal_group(self._process, signal.SIGKILL)
            log.warning(
                "%s ended (%s); again in %.1f s", self.name, self._process.returncode, self._wait
            )
            self._process, self._due = None, now + self._wait
            self._wait = min(self._wait * 2, LONGEST_WAIT)

    def terminate(self) -> None:
        """Ask the child to finish. Its own children hear of it from the child."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def gone(self) -> bool:
        """Say whether nothing runs."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End the child and all that it started, at once."""
        if self._process is not None:
            signal_group(self._process, signal.SIGKILL)
            self._process.wait()
            self._process = None


def end(children: Sequence[Child], *, patience: float) -> None:
    """Ask all to finish; after so many seconds end what is left, with all that it started."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + patience
    while not all(child.gone() for child in children) and time.monotonic() < deadline:
        time.sleep(_TICK)
    for child in children:
        child.kill()
