"""The program that times the layers in process for the benchmark finds the service as it is served."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from app.main import create_app
from benchmarks import stages
from tests.support.server import KEY, LIVEKIT_URL, SECRET, make_settings

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "benchmarks" / "stage_probe.py"


def probe(target: Path) -> dict[str, Any]:
    """Time each layer once, as `python -m benchmarks` has it done."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": "0",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "LIVEKIT_URL": LIVEKIT_URL,
    }
    command = [sys.executable, "-P", str(PROBE), str(target), "1"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
    return cast("dict[str, Any]", json.loads(target.read_text()))


def test_every_layer_is_timed_and_belongs_to_a_stage(tmp_path: Path) -> None:
    """From the outermost to the dispatcher, none is missed; and the stages add up to the whole."""
    found = probe(tmp_path / "stages.json")
    served = create_app(make_settings(validate_responses=False)).middlewares
    assert [layer["name"] for layer in found["layers"]] == [
        getattr(layer, "func", layer).__name__ for layer in served
    ]
    assert found["whole_us"] > 0
    assert found["minting_us"] > 0
    summary = stages.summary({**found, "cpu_us": found["whole_us"]})
    assert tuple(summary) == stages.STAGES
