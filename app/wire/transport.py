"""How answers leave: each in one write, and none lost by closing before it was read."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

from app.wire.deadline import Deadline

_SEND_BUFFER = 64 * 1024


class AnswerTransport:
    """An asyncio transport that joins what is written in one turn of the loop: a head and its body.

    To close a connection while its client is sending has the system reset it, and the client lose
    answers that it has not read. So the end is sent first, and the client's is waited for (RFC 9112, 9.6).
    """

    __slots__ = ("_is_client_sending", "_loop", "_transport", "_written", "deadline", "has_ended")

    def __init__(
        self,
        transport: Any,
        loop: AbstractEventLoop,
        patience_seconds: float,
        is_client_sending: Callable[[], bool],
    ) -> None:
        """Write to `transport`, and wait for a client at most `patience_seconds`."""
        socket = transport.get_extra_info("socket")
        if socket is not None:
            # The system would keep megabytes unread, and not say that a client reads until it has read many.
            socket.setsockopt(SOL_SOCKET, SO_SNDBUF, _SEND_BUFFER)
        self._transport, self._loop = transport, loop
        self._is_client_sending = is_client_sending
        self._written: list[bytes] = []
        self.deadline = Deadline(loop, patience_seconds, transport.abort)
        """Of the client, to read its answers or to end what it sends."""
        self.has_ended = False
        """Whether the end was sent, and the client's is waited for."""

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write before the next turn of the loop."""
        if not self._written:
            self._loop.call_soon(self.flush)
        self._written.append(data)

    def flush(self) -> None:
        """Write at once."""
        # Whoever reset the connection gets no answer; uvloop would raise.
        if self._written and not self.is_closing():
            self._transport.write(b"".join(self._written))
        self._written.clear()

    def is_closing(self) -> bool:
        """Tell whether no more can be written."""
        return self.has_ended or self._transport.is_closing()

    def close(self) -> None:
        """Write no more; close when the client has read what was written, or after `patience_seconds`."""
        self.flush()
        if self.is_closing():
            return
        if self._is_client_sending():
            self._end()
            return
        if self._transport.get_write_buffer_size():
            self.deadline.set()
        self._transport.close()

    def _end(self) -> None:
        self.deadline.set()
        self.has_ended = True
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except OSError:  # The client has reset the connection, and the event loop does not know yet.
            self._transport.abort()

    def let_go(self) -> None:
        """Forget the client, which is gone, and whoever knew what it does."""
        self.deadline.lift()
        self._is_client_sending = lambda: False
