"""`python -m tests.mutants`: see the package."""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import tests.mutants
from tests.mutants.faults import FAULTS, PlantedFault
from tests.mutants.planting import Checkout, Report, stale


def main() -> None:
    """Plant the faults, report, and exit with 1 unless each was noticed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=tests.mutants.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help="plant only the faults with one of these in name or file")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time (%(default)s)")
    parser.add_argument(
        "--deadline", type=float, default=240, help="seconds for one run of the tests (%(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="list the faults, and plant none")
    arguments = parser.parse_args()
    faults = [
        f for f in FAULTS if not arguments.words or any(w in f"{f.name} {f.file}" for w in arguments.words)
    ]
    if arguments.list:
        sys.stdout.writelines(f"{fault.file:32} {fault.name}\n" for fault in faults)
        return
    if found := stale(faults):
        sys.exit("\n".join([f"{len(found)} faults are stale; see tests/mutants/__init__.py.", *found]))
    if not faults:
        sys.exit("No fault has any of these words in its name or file.")
    sys.exit(not _all_are_killed(faults, arguments.jobs, arguments.deadline))


def _all_are_killed(faults: list[PlantedFault], jobs: int, deadline_seconds: float) -> bool:
    started = time.monotonic()
    checkouts: SimpleQueue[Checkout] = SimpleQueue()

    def report(fault: PlantedFault | None) -> Report:
        checkout = checkouts.get()
        try:
            return checkout.report(fault)
        finally:
            checkouts.put(checkout)

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            checkouts.put(Checkout(Path(folder) / str(number), deadline_seconds))
        sound = report(None)
        if sound.outcome != "survived":
            sys.stdout.write(f"The tests fail without a fault: {sound.outcome}, {sound.detail}\n")
            return False
        outcomes = []
        for fault, found in zip(faults, pool.map(report, faults), strict=True):
            outcomes.append(found.outcome)
            line = f"{found.outcome:9} {found.seconds:6.1f} s  {fault.file}: {fault.name}"
            sys.stdout.write(f"{line}\n{'':21}{found.detail}\n")
            sys.stdout.flush()
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in sorted(set(outcomes)))
    sys.stdout.write(f"{len(faults)} faults in {time.monotonic() - started:.0f} s: {counts}\n")
    return set(outcomes) == {"killed"}


if __name__ == "__main__":
    main()
