"""HTTP/1.1 on the wire: a connection's requests one at a time, and none that is not well-formed."""

import asyncio
import contextvars
import re
import time
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.operation.drain import Drain
from app.operation.load import Load
from app.wire import head
from app.wire.deadline import Deadline
from app.wire.faults import ContractViolation, Fault
from app.wire.framing import MAX_BODY, Framing
from app.wire.request_body import BodyTimeout, HeadTimeout, PayloadTooLarge
from app.wire.transport import AnswerTransport

MAX_DISCARDED = 32 * 1024 * 1024

_UPGRADE = re.compile(rb"\r\nupgrade(?=[ \t]*:)", re.IGNORECASE)
_NOT_HTTP = Fault.at("request", "is not well-formed HTTP/1.1")
_CUT_SHORT = Fault.at("body", "ended before it was complete")


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the application's answer where uvicorn answers in plain text.

    uvicorn gives the parser whatever arrives, and gets a request for every few bytes that a client sends,
    whether it reads the answers or not. Here the parser gets a head, then what belongs to its body,
    and the next head when the request has been answered. That mends two things besides that the parser
    makes of a request: it takes one that asks for another protocol to end with its head, although RFC
    9110 lets a server ignore that wish, and Java's client has it by default; and it takes trailers for
    headers.

    The application learns of it by `scope["state"]`: `started` is when a request's head was there, by
    `time.perf_counter()`; `arrived` is there when all of it is, and `at_work`, as the how many-th it has
    arrived of those that are being answered; `refusal` is the exception to answer it with if it cannot be
    read, and `body_refusal` if only its body cannot.
    """

    # Beside uvicorn's own attributes: together they would double what an idle connection takes.
    __slots__ = (
        "_answers",
        "_context",
        "_discarded",
        "_drain",
        "_framing",
        "_has_eof",
        "_head",
        "_head_seconds",
        "_is_at_work",
        "_is_deaf",
        "_is_paused",
        "_is_stopping",
        "_keeps_alive",
        "_last",
        "_load",
        "_patience",
        "_rest",
        "_was_asked",
    )

    def __init__(
        self,
        *args: Any,
        head_seconds: float,
        patience_seconds: float,
        load: Load,
        drain: Drain,
        **kwargs: Any,
    ) -> None:
        """Begin with a connection.

        Args:
            args: uvicorn's own.
            head_seconds: how long the head of a request may take to arrive.
            patience_seconds: how long the rest of an answered request may take, and a client that does not
                read.
            load: counts the requests that have arrived, and are not answered yet.
            drain: tells whether the process is about to stop.
            kwargs: uvicorn's own.
        """
        super().__init__(*args, **kwargs)
        # A connection that sends nothing needs neither.
        self.parser = None  # type: ignore[assignment]
        self.pipeline = ()  # type: ignore[assignment]
        self._head_seconds, self._patience = head_seconds, patience_seconds
        self._load, self._drain = load, drain
        self._is_at_work = False
        self._last: Deadline | None = None
        self._context = contextvars.copy_context()
        self._framing = Framing()
        self._keeps_alive = self._was_asked = False
        self._is_deaf = False  # What else arrives is thrown away.
        self._discarded = 0
        self._is_paused = False
        self._has_eof = False
        self._is_stopping = False

    # What happens to the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open a connection."""
        self._answers = AnswerTransport(transport, self.loop, self._patience, self._is_client_sending)
        self._rest = Deadline(self.loop, self._patience, self._answers.abort)
        self._head = Deadline(self.loop, self._head_seconds, self._miss_head)
        self._head.set()
        super().connection_made(self._answers)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Read what has arrived, as far as it is its turn."""
        if self._is_deaf or self._answers.has_ended:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self.transport.abort()
        else:
            self._framing.add(data)
            self._read_on()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked: a client that sends no more may still read."""
        self._has_eof = True
        if not self._answers.has_ended:
            self._read_on()
        return not self._answers.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._hear_no_more()
        self._answers.let_go()
        self._rest.lift()
        self._head.let_go()
        if self._last:
            self._last.let_go()
        self._end_work()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Have a client read its answers before it gets more, but do not wait for ever."""
        super().pause_writing()
        self._answers.deadline.set()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        if not self._answers.is_closing():
            self._answers.deadline.lift()

    def shutdown(self) -> None:
        """Close the connection when the request at work has been answered."""
        self._is_stopping = True
        if self._answers.has_ended:
            self.transport.abort()
        super().shutdown()
        if not self._answers.is_closing() and not self._framing.in_head:
            self._last = Deadline(self.loop, self._drain.patience_seconds, self._miss_end)
            self._last.set()

    def on_response_complete(self) -> None:
        """Go on with the next request, when all of this one is there."""
        self._end_work()
        # Timers keep the context that they are set in, and that of a request has all of it.
        self._context.run(self._complete)

    def _complete(self) -> None:
        super().on_response_complete()
        if self._answers.is_closing():
            return
        if self._framing.is_between and not self._has_eof:
            self._forget()
            return
        if self._framing.in_head:
            self.loop.call_soon(self._read_next, context=self._context)
        else:
            self._unset_keepalive_if_required()
            self._rest.set()

    # What the parser gets

    def _read_next(self) -> None:
        if not self._answers.is_closing():
            self._read_on()

    def _read_on(self) -> None:
        framing = self._framing
        while not self._is_deaf:
            if framing.in_head and self.cycle is not None and not self.cycle.response_complete:
                self._pause(wanted=framing.is_waiting)
                return
            try:
                part = framing.next_part()
            except (ContractViolation, PayloadTooLarge) as refusal:
                self._give_up(refusal)
                break
            if not part:
                break
            self._feed(part)
        self._pause(wanted=False)
        if self._has_eof and not self._is_deaf:
            self._read_end()
        elif framing.in_head and not framing.is_between and not self._is_deaf and not self._head.is_set:
            self._head.set()
            self._unset_keepalive_if_required()  # From now on there is something to wait for.

    def _feed(self, part: bytes) -> None:
        if self._framing.in_head:
            part = _UPGRADE.sub(b"\r\nignored", b"\r\n" + part)[2:]
        self.parser = self.parser or HttpRequestParser(self)
        try:
            self.parser.feed_data(part)
        except HttpParserUpgrade:
            # Only CONNECT gets here: what follows it is no HTTP.
            self.cycle.keep_alive = False
            self._hear_no_more()
        except HttpParserError:
            self._give_up(ContractViolation([_NOT_HTTP]))

    def _read_end(self) -> None:
        if self._framing.is_between:
            self.transport.close()
        else:
            self._give_up(ContractViolation([_NOT_HTTP if self._framing.in_head else _CUT_SHORT]))

    # What the parser finds

    def on_headers_complete(self) -> None:
        """Have a request answered, if only by a refusal."""
        super().on_headers_complete()
        self._unset_keepalive_if_required()
        self._head.lift()
        cycle, version = self.cycle, self.scope["http_version"]
        if self._drain.is_leaving:
            cycle.keep_alive = False
        length, fault = head.examine(version, self.url, self.headers)
        self.scope["state"]["started"] = time.perf_counter()
        self.headers = []  # The next ones are trailers, or those of the next request.
        self._framing.expect_body(length)
        if fault:
            self._refuse(ContractViolation([fault]))
        elif length is not None and length > MAX_BODY:
            cycle.keep_alive = False
            self._hear_no_more()
        elif version == "1.0":
            cycle.waiting_for_100_continue = False
        self._was_asked = cycle.waiting_for_100_continue
        if self._was_asked:
            # A client that asked whether to send its body may do so or not: it is known when it has come.
            self._keeps_alive, cycle.keep_alive = cycle.keep_alive, False

    def on_message_complete(self) -> None:
        """Expect the next request."""
        self._framing.expect_head()
        self.scope["state"]["arrived"] = True
        cycle = self.cycle
        if cycle.response_complete:
            self._rest.lift()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self._is_at_work = True
            self.scope["state"]["at_work"] = self._load.begin()
            if self._was_asked and not cycle.response_started and not self._is_deaf:
                cycle.keep_alive = self._keeps_alive and not self._is_stopping
            if self._drain.is_leaving:
                cycle.keep_alive = False
        super().on_message_complete()
        if self.headers:
            # What the parser makes of trailers is not for the next request.
            self.parser = HttpRequestParser(self)
        if cycle.response_complete:
            self._forget()

    # What becomes of it

    def _forget(self) -> None:
        # A connection that is kept would keep its last request, three times as large as itself.
        self.parser = self.cycle = self.scope = None  # type: ignore[assignment]

    def _end_work(self) -> None:
        if self._is_at_work:
            self._is_at_work = False
            self._load.end()

    def _miss_head(self) -> None:
        if self._framing.is_between:
            self.transport.close()
        else:
            self._give_up(HeadTimeout())

    def _miss_end(self) -> None:
        if not self._framing.in_head:
            self._refuse_body(BodyTimeout())

    def _give_up(self, refusal: Exception) -> None:
        if not self._framing.in_head:
            self._refuse_body(refusal)
            return
        self.on_message_begin()
        self.scope |= {"method": "-", "path": "-", "raw_path": b"-", "query_string": b""}
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self._refuse(refusal)
        self._start_asgi_task(self.cycle, self.app)

    def _refuse(self, refusal: Exception) -> None:
        self.scope["state"]["refusal"] = refusal
        self._refuse_body(refusal)

    def _refuse_body(self, refusal: Exception) -> None:
        self._hear_no_more()
        cycle = self.cycle
        if cycle.response_complete:
            self.transport.close()
            return
        cycle.scope["state"]["body_refusal"] = refusal
        cycle.keep_alive = cycle.more_body = False
        cycle.message_event.set()

    def _hear_no_more(self) -> None:
        self._is_deaf = True
        self._head.lift()  # It is answered already, if by a refusal.
        self._framing.drop()

    def _is_client_sending(self) -> bool:
        if self._has_eof or self._is_stopping:
            return False
        return self._is_deaf or not self._framing.is_between

    def _pause(self, *, wanted: bool) -> None:
        if wanted != self._is_paused and not self._has_eof and not self._answers.is_closing():
            self._is_paused = wanted
            (self.transport.pause_reading if wanted else self.transport.resume_reading)()
