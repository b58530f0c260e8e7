"""The service, as `python -m app` runs it, in a thread of the test process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import jwt

from app.main import create_app
from app.operation.drain import Drain
from app.operation.load import Load
from app.operation.log_writer import LogWriter
from app.server import Server
from app.settings.settings import Settings
from app.tokens.service import TokenService
from tests.support import run_log

KEY = "test-key"
SECRET = "a-throw-away-secret-of-the-test-suite-0123"
LIVEKIT_URL = "wss://livekit.example.com"
ORIGIN = "http://localhost:4200"


def make_settings(**changes: Any) -> Settings:
    """Make settings that can issue tokens and check every answer, whatever the environment says."""
    settings = Settings.model_validate(
        {
            "livekit_api_key": KEY,
            "livekit_api_secret": SECRET,
            "livekit_url": LIVEKIT_URL,
            "host": "127.0.0.1",
            "port": 0,
            "shutdown_grace_seconds": 1,
            "validate_responses": True,
            **changes,
        }
    )
    if settings.livekit_api_secret:
        run_log.forbid(settings.livekit_api_secret.get_secret_value())
    return settings


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token that was signed with `SECRET`; its signature and its times are checked."""
    return dict(jwt.decode(token, SECRET, algorithms=["HS256"]))


@contextmanager
def serve(
    settings: Settings,
    tokens: TokenService | None = None,
    loop: Literal["auto", "asyncio"] = "auto",
    load: Load | None = None,
    log: LogWriter | None = None,
) -> Iterator[str]:
    """Serve on a free port of the loopback interface, and yield the address: `http://127.0.0.1:PORT`."""
    drain, load = Drain(), load or Load()
    server = Server(create_app(settings, tokens, drain, load, log), settings, drain, load)
    server.config.loop = loop
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start; see the log of the test run")
            thread.join(0.01)
        (socket,) = server.servers[0].sockets
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.stop()
        thread.join(10)
