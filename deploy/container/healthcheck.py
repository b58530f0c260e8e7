"""Tells whether the service of this container answers, by the exit status: the image's health check.

It has no part in the service, whose import takes longer than the question; it is run every so many seconds.
"""

import http.client
import os
import sys

DEFAULTS = {"HOST": "127.0.0.1", "PORT": "7071"}
"""Where the service listens if the environment does not say."""
TIMEOUT_SECONDS = 4

# Where something that listens on all addresses of a machine is met.
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing is bound to it here


def setting(name: str) -> str:
    """Read a setting as the service does: an empty one counts as one that is not set."""
    return os.environ.get(name, "").strip() or DEFAULTS[name]


def main() -> None:
    """Ask `/api/health/live`, and end with status 0 if the answer is 200, else with 1 and the reason."""
    host = setting("HOST")
    connection = http.client.HTTPConnection(
        _LOOPBACKS.get(host, host), int(setting("PORT")), timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/api/health/live")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"no answer: {error!r}")
    if status != http.HTTPStatus.OK:
        sys.exit(f"the answer is {status}")


if __name__ == "__main__":
    main()
