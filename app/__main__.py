"""`python -m app`: read the settings, start the server."""

import math
import sys

import uvicorn

from app.main import report
from app.operation import logs
from app.settings import InvalidSettings, Settings
from app.wire.protocol import HttpProtocol

# Longer than the 60 of the usual reverse proxy, which else meets a closed connection.
_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_MARGIN_SECONDS = 5  # What a request may take beyond the arrival of its body.


def main() -> None:
    """Serve until a signal says stop."""
    try:
        settings = Settings.from_environment()
    except InvalidSettings as error:
        sys.exit(f"The environment cannot be used:\n{error}")
    logs.configure(settings.log_level)
    report(settings)
    uvicorn.run(
        "app.main:app_from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=logs.configuration(settings.log_level),
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.body_timeout_seconds) + _SHUTDOWN_MARGIN_SECONDS,
    )


if __name__ == "__main__":
    main()
