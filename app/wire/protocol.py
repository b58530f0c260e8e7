"""HTTP/1.1 on the wire: what cannot be read as HTTP never reaches the application."""

import re
import time
from asyncio import AbstractEventLoop
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.operation import audit, logs
from app.wire import request_id
from app.wire.answers import MEDIA_TYPE
from app.wire.errors import answer
from app.wire.faults import ContractViolation
from app.wire.request_body import NOT_HTTP

_UPGRADE = re.compile(rb"\r\nupgrade(?=[ \t]*:)", re.IGNORECASE)
_MAX_DISCARDED = 2**20


class _JoinedWrites:
    """A transport that sends at once what is written in one turn of the loop: a head and its body."""

    def __init__(self, transport: Any, loop: AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self.flush)
        self._written.append(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        # Whoever reset the connection gets no answer; uvloop would raise.
        if self._written and not self._transport.is_closing():
            self._transport.write(b"".join(self._written))
        self._written.clear()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with an ErrorResponse where uvicorn answers in plain text.

    It also mends what httptools makes of three kinds of requests: it takes one that asks for another
    protocol to end with its headers, although RFC 9110 lets a server ignore that wish, and Java's
    client has it by default; it takes trailers for headers; and it reads on for ever after an answer
    was sent.
    """

    _in_head = True
    _discarded = 0

    def connection_made(self, transport: Any) -> None:
        """Open a connection."""
        self._writes = _JoinedWrites(transport, self.loop)
        super().connection_made(self._writes)  # type: ignore[arg-type]

    def eof_received(self) -> None:
        """Send what is written: a client that sends no more may still read, and the loop closes next."""
        self._writes.flush()

    def data_received(self, data: bytes) -> None:
        """Read what has arrived, with the wish for another protocol renamed, so that it is ignored."""
        if self._in_head:
            head, blank_line, rest = data.partition(b"\r\n\r\n")
            data = _UPGRADE.sub(b"\r\nignored", head) + blank_line + rest
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Expect headers."""
        self._in_head = True
        self._discarded = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Expect a body, then the next request; trailers are no headers of this one."""
        self._in_head = False
        super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; of one that was answered already, throw away so much and no more."""
        if self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > _MAX_DISCARDED:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next request."""
        self._in_head = True
        self.scope["state"]["arrived"] = True
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        # The wish was cut in two by the network, and got through: what follows must not be read.
        self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Answer something that is not HTTP, once, and close the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._let_the_application_answer()
        elif self.cycle is not None and self.cycle.more_body:
            # The rest of a body that was answered already.
            self.transport.close()
        else:
            self._answer()

    def _let_the_application_answer(self) -> None:
        self.cycle.keep_alive = False
        if self.cycle.more_body:
            self.cycle.scope["state"]["malformed"] = True
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _answer(self) -> None:
        made = request_id.new_id()
        token = logs.request_id.set(made)
        found = answer(ContractViolation([NOT_HTTP]))
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(found.body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            request_id.HEADER: made,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head.encode() + b"\r\n" + found.body)
        self.transport.close()
        facts = {"method": "-", "path": "-", "client": self.client and self.client[0]}
        audit.record(facts | {"errorCode": found.failure.code}, 400, time.perf_counter())
        logs.request_id.reset(token)
