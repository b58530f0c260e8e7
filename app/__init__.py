"""The LiveKit Token API: access tokens for LiveKit rooms, from a contract.

Imports point one way: tokens < operation < wire < handlers < main < __main__; the last two
read settings.
"""

import importlib.util
import sys
import warnings


def _run_when_needed(name: str) -> None:
    """Have a package's own file run only if something is asked for that is in none of its modules.

    Python would run it before any module of the package: a test client, three HTTP clients and two command
    lines are half of the start and 16 MB of every process, for nothing that a request needs.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None or name in sys.modules:
        return
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def run(attribute: str) -> object:
        if importlib.util.find_spec(f"{name}.{attribute}"):
            raise AttributeError(attribute)  # has the import system look for the module
        del package.__getattr__
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__getattr__ = run  # type: ignore[method-assign]  # PEP 562
    sys.modules[name] = package


for _package in (
    "connexion", "connexion.decorators", "httpx", "livekit.api", "requests", "uvicorn", "uvicorn.supervisors",
):  # fmt: skip
    _run_when_needed(_package)
# The service says so itself, once, when it starts.
warnings.filterwarnings("ignore", message="The HMAC key is .* below the minimum recommended length")
