"""What a process hands on to its workers by the environment, beside the settings."""

import os

_METRICS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own name, which it reads when it is imported.


def hand_on_metrics_directory(directory: str | None) -> None:
    """Have the workers that are started from now on share a directory for metrics; None: they share none."""
    if directory is None:
        os.environ.pop(_METRICS, None)
    else:
        os.environ[_METRICS] = directory


def metrics_directory() -> str | None:
    """Find the directory that this process shares with others for its metrics."""
    return os.environ.get(_METRICS) or None
