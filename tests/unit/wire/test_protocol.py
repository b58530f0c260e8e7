"""The limits of the protocol, and what is said of them."""

import asyncio
import re
import weakref
from pathlib import Path
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from app.operation.drain import Drain
from app.operation.load import Load
from app.wire import framing, protocol
from app.wire.contract import Contract
from tests.support.contract import document

OPERATE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")


class Transport(asyncio.Transport):
    """A transport to a client that has reset the connection by the time it was answered."""

    def write(self, data: Any) -> None:
        """Write nothing."""

    def is_closing(self) -> bool:
        """Be open, as far as anybody knows."""
        return False

    def pause_reading(self) -> None:
        """Have nothing to pause."""

    def resume_reading(self) -> None:
        """Have nothing to resume."""

    def close(self) -> None:
        """Have nothing to close."""

    def get_write_buffer_size(self) -> int:
        """Have nothing to write."""
        return 0


async def test_a_client_that_is_gone_is_forgotten() -> None:
    """No timer remembers its connection, and no circle of references waits for the garbage collector."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config, state = Config(app, lifespan="off", log_config=None), ServerState()
    config.load()
    load = Load()
    connection = protocol.HttpProtocol(
        config,
        state,
        {},
        asyncio.get_running_loop(),
        head_seconds=60,
        patience_seconds=60,
        load=load,
        drain=Drain(),
    )
    connection.connection_made(Transport())
    connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    await asyncio.sleep(0.01)
    assert (state.total_requests, load.at_work, load.take_peak()) == (3, 0, 1)
    connection.connection_lost(ConnectionResetError())
    known = weakref.ref(connection)
    del connection
    await asyncio.sleep(0)
    assert known() is None


def test_every_body_fits_with_its_chunks() -> None:
    """A body that the contract allows may come in pieces of a reasonable size."""
    longest = max(o.body.max_bytes for o in Contract.load().operations.values() if o.body)
    assert 4 * longest <= framing.MAX_BODY


def test_the_limits_are_those_of_the_contract_and_of_the_guide() -> None:
    """Whoever reads them need not try."""
    said = re.sub(r"\s+", " ", document()["info"]["description"])
    head = f"{framing.MAX_HEAD // 1024} KiB and {framing.MAX_HEAD_LINES} lines"
    chunks = f"{framing.MAX_BODY // 1024} KiB and {framing.MAX_BODY_LINES:,} lines"
    assert f"Its head is at most {head} long" in said
    assert f"A chunked body is at most {chunks} long, chunks and trailers counted" in said
    assert f"| a request's head | {head} |" in OPERATE
    assert f"extensions and trailers | {chunks} |" in OPERATE
    assert f"| what is thrown away | {protocol.MAX_DISCARDED // 2**20} MiB," in OPERATE
