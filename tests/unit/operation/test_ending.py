"""What comes of signals."""

import os
import signal

from app.operation import ending, logs


def test_an_order_is_nobody_s_request() -> None:
    """Whatever the process does when a signal comes, the lines of the order have no request's id."""
    before = signal.getsignal(signal.SIGUSR2)
    found = []
    token = logs.request_id.set("id-1")
    try:
        with ending.told({signal.SIGUSR2: lambda: found.append(logs.request_id.get())}):
            os.kill(os.getpid(), signal.SIGUSR2)
    finally:
        logs.request_id.reset(token)
        signal.signal(signal.SIGUSR2, before)
    assert found == [None]
