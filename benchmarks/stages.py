"""Where the time of a token request goes: `python -m benchmarks.stages --root CHECKOUT`."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.measures import CONNECTIONS, FULL, Schedule
from benchmarks.processes import SERVER_CORE
from benchmarks.roster import service
from benchmarks.servers import KEY, LIVEKIT_URL, SECRET, run

_PROBE = Path(__file__).parent / "stage_probe.py"
_SERVER_ROUNDS = 5
_TIMEOUT_SECONDS = 180

STAGES = ("server", "layers", "routing", "validation", "handler", "minting", "log")

# By what a layer's class is called; a layer that is not named here counts to `layers`.
_GROUPS = {
    "routing": ("ExactPaths", "PublishedContract", "SwaggerUI", "Routing"),
    "validation": ("MediaTypeGate", "RequestValidation"),
    "handler": ("Dispatcher",),
}


def measure(root: Path, schedule: Schedule, folder: Path) -> dict[str, Any]:
    """Measure the stages of a checkout: the whole over a socket, the rest in process.

    Returns:
        Microseconds, and the layers by their classes, from the outermost.
    """
    ours = service("stages", root)
    with run(ours, folder) as running:
        running.wait_for_socket()
        loads = [load.put(running, CONNECTIONS, schedule.seconds) for _ in range(_SERVER_ROUNDS + 1)]
    cpu = statistics.median(found.cpu_us for found in loads[1:])
    target = folder / "stages.json"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(root),
        "PORT": "0",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "LIVEKIT_URL": LIVEKIT_URL,
    }
    # -P: else Python would look for modules beside the probe.
    command = ["taskset", "--cpu-list", str(SERVER_CORE), ours.command[0], "-P", str(_PROBE)]
    command += [str(target), str(schedule.stage_rounds)]
    with (folder / "stages.log").open("wb") as log:
        subprocess.run(  # noqa: S603  # as written above
            command,
            cwd=root,
            env=environment,
            stdout=log,
            check=True,
            timeout=_TIMEOUT_SECONDS,
        )
    found: dict[str, Any] = json.loads(target.read_text())
    return {"cpu_us": cpu, **found}


def summary(found: dict[str, Any]) -> dict[str, float]:
    """Add the layers up to the stages of `STAGES`, in microseconds."""
    stages = dict.fromkeys(STAGES, 0.0)
    for layer in found["layers"]:
        stages[group(layer["name"])] += layer["us"]
    stages["server"] = found["cpu_us"] - found["whole_us"]
    stages["log"], stages["minting"] = found["log_us"], found["minting_us"]
    stages["layers"] -= found["log_us"]  # The audit log is one of them,
    stages["handler"] -= found["minting_us"]  # and the handler has the token made.
    return stages


def group(layer: str) -> str:
    """Tell which stage a layer belongs to."""
    return next((stage for stage, names in _GROUPS.items() if layer.startswith(names)), "layers")


def main() -> None:
    """Print the stages of one checkout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent, help="the checkout")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.root.resolve(), FULL, Path(folder))
    for layer in found["layers"]:
        sys.stdout.write(f"{layer['us']:7.1f} us  {layer['name']} ({group(layer['name'])})\n")
    for stage, us in summary(found).items():
        sys.stdout.write(f"{us:7.1f} us  {stage}\n")
    sys.stdout.write(f"{found['livekit_api_us']:7.1f} us  (livekit-api alone, in its own way)\n")


if __name__ == "__main__":
    main()
