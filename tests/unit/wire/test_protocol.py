"""The limits of the protocol, and what is said of them."""

import asyncio
import contextvars
import re
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
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

    def __init__(self) -> None:
        """Begin with nothing written."""
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += data

    def abort(self) -> None:
        """Have nothing to abort."""

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


def connected(
    app: Any, load: Load, drain: Drain | None = None, transport: Transport | None = None
) -> tuple[protocol.HttpProtocol, ServerState]:
    """Connect a client to an application."""
    config, state = Config(app, lifespan="off", log_config=None), ServerState()
    config.load()
    connection = protocol.HttpProtocol(
        config,
        state,
        {},
        asyncio.get_running_loop(),
        head_seconds=60,
        patience_seconds=60,
        load=load,
        drain=drain or Drain(),
    )
    connection.connection_made(transport or Transport())
    return connection, state


async def test_a_client_that_is_gone_is_forgotten() -> None:
    """No timer remembers its connection, and no circle of references waits for the garbage collector."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    load = Load()
    connection, state = connected(app, load)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    await asyncio.sleep(0.01)
    assert (state.total_requests, load.at_work, load.take_peak()) == (3, 0, 1)
    connection.connection_lost(ConnectionResetError())
    assert load.at_work == 0
    known = weakref.ref(connection)
    del connection
    await asyncio.sleep(0)
    assert known() is None


CONTEXT: contextvars.ContextVar[object] = contextvars.ContextVar("of a request")


@pytest.mark.parametrize("late", [b"", b"{}"], ids=["all there", "a body that comes after the answer"])
async def test_a_connection_that_is_kept_keeps_nothing_of_its_last_request(late: bytes) -> None:
    """Neither by itself nor by the context of the timer that ends it: there may be many."""
    known = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["state"]["kept"] = kept = asyncio.Event()
        CONTEXT.set(kept)
        known.append(weakref.ref(kept))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    connection, state = connected(app, Load())
    for answered in (1, 2):
        connection.data_received(HEAD if late else b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.01)
        connection.data_received(late)
        await asyncio.sleep(0.01)
        assert state.total_requests == answered
        assert [each() for each in known] == [None] * answered


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


async def test_a_request_is_at_work_when_all_of_it_is_there() -> None:
    """Slow senders are not; each is told how many there are, and whoever leaves makes room."""
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["state"])
        await asyncio.Event().wait()

    load = Load()
    clients = [connected(app, load)[0] for _ in range(3)]
    for client in clients:
        client.data_received(HEAD + b"{")
    await asyncio.sleep(0)
    assert load.at_work == 0
    for client in clients:
        client.data_received(b"}")
    assert load.at_work == 3
    assert [state["at_work"] for state in seen] == [1, 2, 3]
    for client in clients:
        client.connection_lost(None)
    assert load.at_work == 0
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_the_application_learns_when_the_head_was_there() -> None:
    """Not when it gets to the request: by then others may have been answered, and the body has come."""
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["state"]["started"], time.perf_counter()))
        time.sleep(0.05)  # noqa: ASYNC251  # as other requests do that are answered meanwhile

    clients = [connected(app, Load())[0] for _ in range(3)]
    for client in clients:
        client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(0.01)
    assert [begun - started > 0.045 * n for n, (started, begun) in enumerate(seen)] == [True] * 3
    assert seen[0][0] <= seen[1][0] <= seen[2][0] < seen[0][1] + 0.05


async def test_whoever_asks_a_process_that_leaves_is_told_to_connect_anew() -> None:
    """Whether it began to leave before the request came, or while that was on its way."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while scope["method"] == "PUT" and (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    before, drain = Transport(), Drain()
    drain.retire()
    connected(app, Load(), drain, before)[0].data_received(HEAD)
    await asyncio.sleep(0.01)
    assert b"connection: close" in before.written

    meanwhile, drain = Transport(), Drain()
    connection, _ = connected(app, Load(), drain, meanwhile)
    connection.data_received(HEAD.replace(b"POST", b"PUT") + b"{")
    drain.retire()
    await asyncio.sleep(0.01)
    assert not meanwhile.written
    connection.data_received(b"}")
    await asyncio.sleep(0.01)
    assert b"connection: close" in meanwhile.written


async def test_a_client_that_is_gone_at_the_end_is_forgotten() -> None:
    """Although half a body was waited for, and would be for long."""

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    drain = Drain()
    drain.patience_seconds = 60
    connection, _ = connected(app, Load(), drain)
    connection.data_received(HEAD + b"{")
    connection.shutdown()
    connection.connection_lost(None)
    await asyncio.sleep(0.01)
    known = weakref.ref(connection)
    del connection
    await asyncio.sleep(0)
    assert known() is None


async def test_a_body_that_came_in_time_is_not_refused_at_the_end() -> None:
    """Its answer may take longer than it may."""
    states = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        states.append(scope["state"])
        await receive()
        await asyncio.sleep(0.1)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    drain, transport = Drain(), Transport()
    drain.patience_seconds = 0.05
    connection, _ = connected(app, Load(), drain, transport)
    connection.data_received(HEAD + b"{")
    connection.shutdown()
    connection.data_received(b"}")
    await asyncio.sleep(0.3)
    assert transport.written.startswith(b"HTTP/1.1 204")
    assert "body_refusal" not in states[0]


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
