"""Compare the service with its peers: `python -m benchmarks`.

Takes some ten minutes, on a machine with two cores or more that does nothing else. It listens and
sends on the loopback interface only. It writes results.json, RESULTS.md and the plots beside itself.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import builds, guards, machine, measures, report, stages, tables
from benchmarks.measures import FULL, QUICK, Schedule
from benchmarks.roster import peers, service, unmeasured
from benchmarks.servers import Server

_REPOSITORY = Path(__file__).parent.parent
_TWO = 2


def main() -> None:
    """Measure, and report."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # Stops the servers on its way out.
    if (os.cpu_count() or 1) < _TWO:
        sys.exit("The benchmark needs two cores: one for the server, one for wrk.")
    built = builds.build()
    root = arguments.root.resolve()
    servers = [service("ours", root), *peers(built)]
    if arguments.before:
        servers.insert(1, service("before", builds.checkout(arguments.before)))
    if arguments.only:
        servers = [server for server in servers if server.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=builds.CACHE) as name, ExitStack() as stack:
        folder = Path(name)
        ours = [server for server in servers if server.name == "ours"]
        guarded = [form for full in ours for form in stack.enter_context(guards.forms(full, folder))]
        results = _measure(servers, guarded, QUICK if arguments.quick else FULL, folder)
    results["commit"] = {"ours": machine.commit(root), "before": arguments.before}
    results["versions"] = machine.versions(root)
    if arguments.quick or arguments.only:
        sys.stdout.write(tables.write(results))
    else:
        report.publish(results)


def _measure(
    servers: list[Server], guarded: list[Server], schedule: Schedule, folder: Path
) -> dict[str, Any]:
    plain = [server for server in servers if server.name in ("ours", "before")]
    ours = [server for server in plain if server.name == "ours"]
    others = [server for server in servers if server not in plain]
    results: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.describe(),
        "servers": _described(servers),
        "guarded": _described(guarded),
        # Beside each other in each round, so that our forms meet the machine as one.
        **measures.compare([*plain, *guarded, *others], schedule, folder),
        "costs": measures.costs([*plain, *map(unmeasured, ours)], schedule, folder),
        "cold_starts_s": measures.cold_starts(servers, schedule, folder),
    }
    for server in servers:
        if server.name == "ours":
            results["refusals"] = measures.refusals(server, schedule, folder)
            results["growth"] = measures.growth(server, schedule, folder)
            results["stages"] = stages.measure(server.directory, schedule, folder)
        elif server.name == "before":
            results["stages_before"] = stages.measure(server.directory, schedule, folder)
    return results


def _described(servers: list[Server]) -> list[dict[str, str]]:
    return [
        {"label": server.label, "name": server.name, "form": server.form, "title": server.title}
        for server in servers
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--root", type=Path, default=_REPOSITORY, help="the checkout whose service is measured; default: this"
    )
    parser.add_argument(
        "--before", metavar="COMMIT", help="measure the service of an older commit beside it, as `before`"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="of ours, before, express, fastapi, function, go; prints only",
    )
    parser.add_argument("--quick", action="store_true", help="a rough answer in two minutes; prints only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
