"""Seconds of CPU and bytes of memory of processes and of all that they started, from /proc."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def seconds(roots: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Return user and system time by name, each of its processes with their descendants.

    A process counts for the nearest root above it; what ended is in the account of who waited for it.
    """
    found = _processes()
    names = {pid: name for name, pids in roots.items() for pid in pids}
    sums = dict.fromkeys(roots, 0.0)
    for pid, (_, used) in found.items():
        above: int | None = pid
        while above is not None and above not in names:
            above = found[above][0] if above in found else None
        if above is not None:
            sums[names[above]] += used
    return sums


def resident(root: int) -> int:
    """Return the bytes of memory that a process and its descendants hold."""
    status = Path(f"/proc/{root}/status").read_text()
    [line] = [each for each in status.splitlines() if each.startswith("VmRSS")]
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return int(line.split()[1]) * 1024 + sum(resident(int(each)) for each in children)


def _processes() -> dict[int, tuple[int, float]]:
    """Return (parent, seconds used) of all processes."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # It ended meanwhile.
                continue
            found[int(path.name)] = int(fields[1]), sum(map(int, fields[11:15])) / _TICK
    return found
