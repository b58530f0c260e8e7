"""The limits of the protocol, and what is said of them."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.wire import protocol
from app.wire.contract import Contract
from tests.support.contract import document

OPERATE = (Path(__file__).parents[3] / "docs" / "operate.md").read_text(encoding="utf-8")


class Transport(asyncio.Transport):
    """A transport to a client that reads nothing."""

    aborted = False

    def abort(self) -> None:
        """Note it."""
        self.aborted = True

    def is_closing(self) -> bool:
        """Tell that it was."""
        return self.aborted

    def pause_reading(self) -> None:
        """Read no more."""


@pytest.mark.parametrize(("waiting", "aborted"), [(1000, False), (100_000, True)])
async def test_whoever_pipelines_much_and_reads_nothing_is_not_waited_for(
    waiting: int, *, aborted: bool
) -> None:
    """What waits would be kept for as long as the client is; a little of it may be."""
    end = asyncio.Event()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await end.wait()

    config = Config(app, lifespan="off", log_config=None)
    config.load()
    transport, state = Transport(), ServerState()
    connection = protocol.HttpProtocol(config, state, {}, asyncio.get_running_loop(), patience_seconds=60)
    connection.connection_made(transport)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"G" * waiting)
    connection.pause_writing()
    assert transport.aborted == aborted
    transport.abort()
    connection.connection_lost(None)
    end.set()
    await asyncio.gather(*state.tasks)


def test_every_body_fits_with_its_chunks() -> None:
    """A body that the contract allows may come in pieces of a reasonable size."""
    longest = max(o.body.max_bytes for o in Contract.load().operations.values() if o.body)
    assert 4 * longest <= protocol.MAX_BODY


def test_the_limits_are_those_of_the_contract_and_of_the_guide() -> None:
    """Whoever reads them need not try."""
    said = re.sub(r"\s+", " ", document()["info"]["description"])
    assert f"Its head is at most {protocol.MAX_HEAD // 1024} KiB long" in said
    assert (
        f"a chunked body is at most {protocol.MAX_BODY // 1024} KiB long with its chunks and trailers" in said
    )
    assert f"| a request's head | {protocol.MAX_HEAD // 1024} KiB |" in OPERATE
    assert f"extensions and trailers | {protocol.MAX_BODY // 1024} KiB |" in OPERATE
    assert f"| what is thrown away | {protocol.MAX_DISCARDED // 2**20} MiB," in OPERATE
