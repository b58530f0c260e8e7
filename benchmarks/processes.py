"""What the kernel knows of a process and its children."""

import os
from collections.abc import Iterator
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # Counted from the field after the command's name.


def cpu_seconds(pid: int) -> float:
    """Read how long a process and its children have computed, in seconds, in user and in system mode."""
    ticks = 0
    for member in _tree(pid):
        fields = (_PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[_UTIME]) + int(fields[_STIME])
    return ticks / _TICKS


def resident_mib(pid: int) -> float:
    """Read how much memory a process and its children hold, in MiB."""
    kib = 0
    for member in _tree(pid):
        lines = (_PROC / str(member) / "status").read_text().splitlines()
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kib / 1024


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in (_PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))
