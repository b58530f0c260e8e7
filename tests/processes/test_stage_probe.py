"""The program that times the layers in process for the benchmark finds the service as it is served."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.main import create_app
from benchmarks import stages
from benchmarks.stage_probe import CALLS
from tests.support.server import KEY, LIVEKIT_URL, SECRET, make_settings

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "benchmarks" / "stage_probe.py"


class Probed(NamedTuple):
    """What the probe found, and what the service logged meanwhile."""

    found: dict[str, Any]
    log: list[dict[str, Any]]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Probed:
    """Time each layer in one round, as `python -m benchmarks` has it done."""
    target = tmp_path_factory.mktemp("probe") / "stages.json"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": "0",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "LIVEKIT_URL": LIVEKIT_URL,
    }
    command = [sys.executable, "-P", str(PROBE), str(target), "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60, stdout=subprocess.PIPE)
    return Probed(json.loads(target.read_text()), [json.loads(line) for line in done.stdout.splitlines()])


def test_every_layer_is_timed_and_belongs_to_a_stage(probed: Probed) -> None:
    """From the outermost to the dispatcher, none is missed."""
    found = probed.found
    served = create_app(make_settings(validate_responses=False)).middlewares
    assert [layer["name"] for layer in found["layers"]] == [
        getattr(layer, "func", layer).__name__ for layer in served
    ]
    assert found["whole_us"] > 0
    assert found["minting_us"] > 0
    summary = stages.summary({**found, "cpu_us": found["whole_us"]})
    assert tuple(summary) == stages.STAGES


def test_the_layers_are_timed_while_the_service_serves(probed: Probed) -> None:
    """One that has stopped waits for its log after each line; and one that loses lines does less."""
    messages = [line["message"] for line in probed.log]
    stopped = messages.index("Shutting down")
    # Two requests, then the turns of the audit log and of the layers around it.
    logging_layers = [layer["name"] for layer in probed.found["layers"]].index("AuditLog") + 1
    assert messages[:stopped].count("request") == 2 + logging_layers * CALLS
    assert "request" not in messages[stopped:]
    assert not [line for line in probed.log if "lost" in line]
