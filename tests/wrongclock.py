"""Real processes whose wall clock is wrong, and can be set while they run: thirty lines of C, preloaded."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

# The monotonic clock is left alone, as it is when an operator sets a machine's.
_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
    char said[32] = {0};
    const char *path = getenv("IM_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return 0;
    if (read(file, said, sizeof said - 1) < 0) said[0] = 0;
    close(file);
    return atol(said);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
HOUR, DAY = 3600, 86_400


class WrongClock:
    """A clock that is `seconds` ahead, for all processes that are given its environment."""

    def __init__(self, folder: Path, seconds: int = 0) -> None:
        self._file = folder / "clock"
        self.set(seconds)

    def set(self, seconds: int) -> None:
        """Set it."""
        made = self._file.with_suffix(".new")
        made.write_text(str(seconds))
        made.rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must find in its environment."""
        return {**os.environ, "LD_PRELOAD": _library(), "IM_TEST_CLOCK": str(self._file)}


@cache
def _library() -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: the clock of another process cannot be set")
    folder = Path(tempfile.mkdtemp(prefix="im-clock-"))
    source, built = folder / "clock.c", folder / "clock.so"
    source.write_text(_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return str(built)
