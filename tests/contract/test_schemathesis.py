"""Schemathesis against the running service: all phases, all checks, positive and negative data.

The seed is fixed; `SCHEMATHESIS_SEED=random` takes and prints another one, a number repeats it.
"""

import hashlib
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.callers.api_keys import ApiKeys
from app.callers.caller import Caller
from tests.support.contract import PATH
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.server import make_settings, serve

KEY = "lktoken_a-key-for-fuzzing"
KEYS = {"auth": "api-key", "api_key_digests": f"fuzzer:{hashlib.sha256(KEY.encode()).hexdigest()}"}
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
    run = schemathesis(api_url, "--seed", str(seed), "--max-examples", "100", "--continue-on-failure")
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


def fuzzed(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis with the credentials of a caller, and show what it found."""
    run = schemathesis(url, "--seed", "1", "--max-examples", "40", "--continue-on-failure", *arguments)
    sys.stdout.write(f"{run.stdout}\n{run.stderr}")
    return run


def test_no_check_fails_where_callers_have_keys() -> None:
    """`ignored_auth` above all: without the key, or with another one, there is no token."""
    with serve(make_settings(**KEYS, rate_limit="1000000/hour")) as url:
        assert fuzzed(url, "-H", f"X-API-Key: {KEY}").returncode == 0


def test_no_check_fails_where_callers_have_tokens() -> None:
    """Likewise; a valid request may be refused here, for it may name another participant."""
    with Issuer().serving() as issuer:
        settings = make_settings(auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
        header = f"Authorization: Bearer {issuer.token()}"
        with serve(settings) as url:
            assert fuzzed(url, "-H", header, "--exclude-checks", "positive_data_acceptance").returncode == 0


def test_a_service_that_lets_everybody_in_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ignored_auth` is not vacuous."""
    monkeypatch.setattr(ApiKeys, "identify", lambda _keys, _key: Caller("anybody", "api-key"))
    with serve(make_settings(**KEYS)) as url:
        run = fuzzed(url, "-H", f"X-API-Key: {KEY}", "--checks", "ignored_auth")
    assert run.returncode == 1
    assert "authentication" in run.stdout
