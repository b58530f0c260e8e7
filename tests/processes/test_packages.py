"""Packages whose own file waits until it is needed: nobody who needs it notices."""

import subprocess
import sys

import pytest

EIGHT_THREADS = """
import threading
failures, barrier = [], threading.Barrier(8)
def use():
    barrier.wait()
    try:
        {}
    except Exception as error:
        failures.append(error)
threads = [threading.Thread(target=use) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not failures, failures
"""


def run(code: str) -> str:
    """Run code in a fresh interpreter, after the service's own packages."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import app.command_line\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import connexion; connexion.FlaskApp; connexion.exceptions.ProblemException",
        "from connexion import FlaskApp, problem; assert callable(problem)",
        "import connexion.decorators; connexion.decorators.WSGIDecorator",
        "import connexion; assert not hasattr(connexion, 'nothing')",
        "import livekit.api; livekit.api.AccessToken, livekit.api.LiveKitAPI",
        "from livekit import api; api.LiveKitAPI",
        "import requests; requests.get; requests.exceptions.HTTPError",
        "import httpx; httpx.get; httpx.__version__",
        "import uvicorn; uvicorn.run; uvicorn.config.Config; assert callable(uvicorn.main)",
        "from uvicorn import main; assert callable(main)",
        "import uvicorn, uvicorn.config; assert uvicorn.Config is uvicorn.config.Config; uvicorn.Server",
        "from uvicorn import Config, run; assert callable(run)",
        "import werkzeug; werkzeug.run_simple; werkzeug.Client; werkzeug.Response",
        "import werkzeug, werkzeug.wrappers; assert werkzeug.Request is werkzeug.wrappers.Request",
        "import uvicorn.supervisors; uvicorn.supervisors.Multiprocess",
        "import pickle, httpx; assert pickle.loads(pickle.dumps(httpx.Client)) is httpx.Client",
        EIGHT_THREADS.format("import httpx; httpx.get; httpx.Client"),
        EIGHT_THREADS.format("from connexion import FlaskApp"),
    ],
)
def test_whoever_asks_gets_it(code: str) -> None:
    """What a package offers is there as if nobody had postponed anything."""
    run(code)


def test_the_service_runs_none_of_what_it_does_not_need() -> None:
    """A process of the service holds no Flask, no HTTP client and no command line of others.

    What verifies signatures, counts requests, or tells metrics is for who asks for it.
    """
    unneeded = {"flask", "aiohttp", "requests.api", "httpx._api", "click", "watchfiles", "connexion.apps"}
    unneeded |= {"cryptography", "joserfc", "limits", "prometheus_client", "redis"}
    loaded = run("import sys; print(*sys.modules)").split()
    assert "app.main" in loaded
    assert not unneeded & set(loaded)


SERVED = """
from app.main import create_app
from app.operation.drain import Drain
from app.operation.load import Load
from app.server import configuration
from app.settings.settings import Settings
settings = Settings(livekit_api_key="key", livekit_api_secret="secret-" * 6)
configuration(settings, create_app(settings), Drain(), Load()).load()
import sys
print(*sys.modules)
"""


def test_a_process_that_serves_runs_none_of_it_either() -> None:
    """What the server loads at the start asks for single names, which are had without the rest."""
    unneeded = {"click", "watchfiles", "uvicorn.main", "werkzeug.test", "werkzeug.serving"}
    loaded = run(SERVED).split()
    assert "uvicorn.lifespan.on" in loaded
    assert not unneeded & set(loaded)


def test_a_package_can_be_hidden_from_those_who_would_import_it_for_nothing() -> None:
    """Only meanwhile, and only if it has not been imported yet."""
    run("import cryptography, joserfc.jwk, jwt; assert 'HS256' in jwt.algorithms.get_default_algorithms()")
    run(
        "from app.packages import hidden\n"
        "with hidden('wave'):\n"
        "    try:\n"
        "        import wave\n"
        "    except ImportError:\n"
        "        pass\n"
        "    else:\n"
        "        raise AssertionError\n"
        "import wave\n"
        "with hidden('wave'):\n"
        "    import wave\n"
    )
