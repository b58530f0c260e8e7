"""Who takes part: our service and its peers, each as its developers would start it in production."""

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.builds import Builds
from benchmarks.processes import HOST
from benchmarks.servers import Form, Server

_PEERS = Path(__file__).parent / "peers"
# More than the connections that there are: no peer refuses any of them.
_MAX_IN_FLIGHT = {"MAX_IN_FLIGHT": "1000"}


def service(name: str, root: Path) -> Server:
    """Describe our service, as a checkout has it, with the packages in the checkout's .venv if it has one."""
    own = root / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    return Server(name, "full", "Connexion, livekit-api", (python, "-m", "app"), root, _MAX_IN_FLIGHT)


def unmeasured(full: Server) -> Server:
    """Describe our service as it is without metrics."""
    return replace(full, form="unmeasured", environment={**full.environment, "METRICS": "false"})


def peers(builds: Builds) -> list[Server]:
    """Describe the peers, each in both forms."""
    return [*_peers(builds, "full"), *_peers(builds, "bare")]


def _peers(builds: Builds, form: Form) -> list[Server]:
    full = form == "full"
    environment = {"FORM": form}
    # The server, the loop and the parser of our service; uvicorn's own log and headers left out, as there.
    uvicorn = [str(builds.python), "-m", "uvicorn", "--host", HOST, "--loop", "uvloop", "--http", "httptools"]
    uvicorn += ["--ws", "none", "--no-access-log", "--no-server-header", "--log-level", "warning"]
    uvicorn += ["--timeout-keep-alive", "75"]
    return [
        Server(
            "express",
            form,
            f"Express 5, zod, {'cors, pino, ' if full else ''}livekit-server-sdk",
            ("node", "server.js"),
            builds.express,
            {**environment, "NODE_ENV": "production"},
        ),
        Server(
            "fastapi",
            form,
            f"FastAPI, pydantic, {'asgi-correlation-id, python-json-logger, ' if full else ''}livekit-api",
            (*uvicorn, "fastapi_app:app"),
            _PEERS / "python",
            environment,
        ),
        Server(
            "function",
            form,
            "an ASGI function by hand, orjson, livekit-api",
            (*uvicorn, "asgi_app:app"),
            _PEERS / "python",
            environment,
        ),
        Server(
            "go",
            form,
            f"Go net/http, {'slog, ' if full else ''}LiveKit's auth package",
            (str(builds.go),),
            _PEERS / "go",
            environment,
            frozenset({"iat", "identity"}),
        ),
    ]
