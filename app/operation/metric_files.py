"""The files in which several processes share their metrics."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # It is for who asks for it, and must not be imported before the environment is complete.
    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)

_COUNTED = ("counter", "histogram")
_GONE = "gone"  # in place of the id of a process: all that have ended


@contextmanager
def shared_directory() -> Iterator[str]:
    """Make a directory for the metrics of several processes, and remove it at the end.

    The processes get its path in the environment, before they import prometheus_client.
    """
    directory = tempfile.mkdtemp(prefix="livekit-token-api-metrics-")
    try:
        yield directory
    finally:
        remove(directory)


def remove(directory: str) -> None:
    """Remove the directory of several processes."""
    # A worker that ends late may still write, or remove it as well.
    shutil.rmtree(directory, ignore_errors=True)


def forget(pid: int, directory: str) -> None:
    """Leave a process that is gone out of what is so now; what it has counted stays counted.

    That goes into files of all who are gone: a scrape reads every file, and would take ever longer.
    Only one process may forget others.
    """
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415

    mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]
    try:
        for kind in _COUNTED:
            _merge(Path(directory), kind, pid)
    except OSError as error:  # They are read as well where they are.
        logger.warning("What worker %d has counted stays in a file of its own: %s.", pid, error.strerror)


def _merge(folder: Path, kind: str, pid: int) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415

    own, gone, fresh = folder / f"{kind}_{pid}.db", folder / f"{kind}_{_GONE}.db", folder / f"{kind}.fresh"
    if not _is_begun(own):
        own.unlink(missing_ok=True)
        return
    try:
        # All of its bytes: on a full disk, to write into a hole by mmap would be the end of the process.
        fresh.write_bytes(own.read_bytes())
        if gone.exists():
            values = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(gone)):  # type: ignore[no-untyped-call]
                values.write_value(key, values.read_value(key)[0] + value, 0)  # type: ignore[no-untyped-call]
            values.close()  # type: ignore[no-untyped-call]
        with _locked(folder, fcntl.LOCK_EX):
            fresh.replace(gone)
            own.unlink()
    finally:
        fresh.unlink(missing_ok=True)


def render_shared(directory: str) -> str:
    """Write the metrics of all processes that share a directory."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    registry = CollectorRegistry()
    registry.register(_Shared(directory))
    return written(registry)


def written(registry: "CollectorRegistry") -> str:
    """Write metrics in Prometheus' text format."""
    from prometheus_client import generate_latest  # noqa: PLC0415

    return generate_latest(registry).decode()


class _Shared:
    """What the processes have written into their directory."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def collect(self) -> Iterable[Any]:
        """Read it; the collector of prometheus-client fails at a file that a process is about to begin."""
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        with _locked(self._directory, fcntl.LOCK_SH):
            files = [str(path) for path in self._directory.glob("*.db") if _is_begun(path)]
            merged: Iterable[Any] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Keep counts from being moved while they are read: they would be read twice, or not at all."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _is_begun(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # Its process was forgotten meanwhile.
        return False
