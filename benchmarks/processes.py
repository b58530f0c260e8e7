"""Processes: what the kernel knows of one and its children, whether it listens, its end."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 20

_STOP_SECONDS = 10
_POLL_SECONDS = 0.005

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


def free_port() -> int:
    """Find a port of the loopback interface where nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a process accepts connections; tell whether it does, or has ended, or takes too long."""
    deadline = time.perf_counter() + START_SECONDS
    while time.perf_counter() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return True
        time.sleep(_POLL_SECONDS)
    return False


@contextmanager
def stopping(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process in the end."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in (_PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))
