"""How long the function app takes to start: `python -m tests.e2e.azure`."""

import statistics
import sys
import tempfile
from pathlib import Path

from tests.e2e.azure.workers import WORKERS, measured, unpacked

RUNS = 7
SETTINGS = {"LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "a-throw-away-secret-of-forty-characters!"}


def main() -> None:
    """Print the medians in milliseconds, as the guide has them."""
    sys.stdout.write(
        "| worker | until the function can be called | first answer | second answer |\n|---|---|---|---|\n"
    )
    for worker in WORKERS:
        with tempfile.TemporaryDirectory() as name:
            directory = unpacked(worker, Path(name))
            runs = [measured(worker, directory, SETTINGS) for _ in range(RUNS)]
        medians = [f"{statistics.median(times) * 1000:.0f} ms" for times in zip(*runs, strict=True)]
        sys.stdout.write(f"| Python {worker.python} | {' | '.join(medians)} |\n")


if __name__ == "__main__":
    main()
