"""`python -m tests.soak`: see the package."""

import argparse
import signal
import sys
from pathlib import Path

import tests.soak
from tests.soak.course import soak
from tests.soak.report import Progress
from tests.support import run_log

_LEAST_SECONDS, _MOST_SECONDS = 10, 24 * 60 * 60


def main() -> None:
    """Soak, print the table, and exit with 1 unless every phase has kept its rule."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=tests.soak.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    duration = parser.add_mutually_exclusive_group()
    duration.add_argument("--minutes", type=float, default=5, help="how long, about (%(default)s)")
    duration.add_argument("--seconds", type=float, help="likewise")
    arguments = parser.parse_args()
    seconds = arguments.seconds if arguments.seconds is not None else arguments.minutes * 60
    if not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
        parser.error("it takes 10 seconds at least, and 24 hours at most")
    if not Path("/proc/self/status").exists():
        sys.exit("The soak looks at processes in /proc, which is there on Linux only.")
    # As Ctrl-C, which asyncio makes an orderly end of: the service is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    progress = Progress()
    run_log.start()
    try:
        report = soak(seconds, progress)
    except KeyboardInterrupt:
        progress.end()
        sys.exit("Stopped.")
    finally:
        run_log.stop()
    sys.stdout.write(report.table())
    sys.exit(not report.is_good)


if __name__ == "__main__":
    main()
