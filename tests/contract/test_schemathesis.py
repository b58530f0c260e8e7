"""Schemathesis against the running service: all phases, all checks, positive and negative data.

The seed is fixed; `SCHEMATHESIS_SEED=random` takes and prints another one, a number repeats it.
"""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

from tests.support.contract import PATH
from tests.support.server import make_settings, serve

ROOT = PATH.parent.parent
EXECUTABLE = Path(sys.executable).parent / "schemathesis"


def chosen_seed() -> int:
    """Read the seed of this run."""
    seed = os.environ.get("SCHEMATHESIS_SEED", "1")
    return random.SystemRandom().randrange(2**32) if seed == "random" else int(seed)


def schemathesis(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis from the root, where its configuration is, against the served contract."""
    return subprocess.run(
        [EXECUTABLE, "run", f"{url}/api/openapi.json", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


def test_no_check_fails(api_url: str) -> None:
    """Whatever Schemathesis makes of the contract, the service answers as the contract says."""
    seed = chosen_seed()
    run = schemathesis(api_url, "--seed", str(seed), "--max-examples", "150", "--continue-on-failure")
    sys.stdout.write(f"{run.stdout}\nRepeat with SCHEMATHESIS_SEED={seed}\n{run.stderr}")
    assert run.returncode == 0
    generated = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert generated is not None
    assert generated[1] == generated[2]
    assert int(generated[1]) > 400


def test_a_service_that_fails_is_found_out() -> None:
    """The checks are not vacuous: a service without credentials fails them."""
    with serve(make_settings(livekit_api_key=None)) as url:
        run = schemathesis(url, "--seed", "1", "--max-examples", "5", "--phases", "examples,fuzzing")
    assert run.returncode == 1
    assert "Server error" in run.stdout
    assert "Schema-valid request rejected" in run.stdout
