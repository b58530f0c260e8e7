"""How answers leave, and connections end."""

import asyncio
from typing import Any

from app.wire.transport import AnswerTransport


class Transport:
    """A transport that notes what is done to it; `unread` bytes of it are not sent yet."""

    def __init__(self, unread: int = 0, *, is_reset: bool = False) -> None:
        """Be open."""
        self.done: list[str | bytes] = []
        self._unread, self._is_reset = unread, is_reset

    def __getattr__(self, name: str) -> Any:
        """Note a call."""
        return lambda: self.done.append(name)

    def get_extra_info(self, _name: str) -> None:
        """Have no socket."""

    def get_write_buffer_size(self) -> int:
        """Tell how much is not sent yet."""
        return self._unread

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return not {"close", "abort"}.isdisjoint(self.done)

    def write(self, data: bytes) -> None:
        """Note what is written."""
        self.done.append(data)

    def write_eof(self) -> None:
        """Send the end, unless the client is gone."""
        self.done.append("write_eof")
        if self._is_reset:
            raise OSError


def answering(transport: Transport, *, is_sending: bool) -> AnswerTransport:
    """Answer a client that sends, or does not."""
    loop = asyncio.get_running_loop()
    return AnswerTransport(transport, loop, patience_seconds=0.02, is_client_sending=lambda: is_sending)


async def test_what_is_written_in_one_turn_leaves_at_once() -> None:
    """A head and its body are one packet, and an answer that follows in the next turn another one."""
    transport = Transport()
    answers = answering(transport, is_sending=False)
    answers.write(b"head")
    answers.write(b"body")
    assert transport.done == []
    await asyncio.sleep(0)
    answers.write(b"next")
    answers.close()
    assert transport.done == [b"headbody", b"next", "close"]


async def test_a_connection_whose_client_sends_is_ended_before_it_is_closed() -> None:
    """The client sees the end, and has its time to stop; nothing is written any more."""
    transport = Transport()
    answers = answering(transport, is_sending=True)
    answers.write(b"answer")
    answers.close()
    assert transport.done == [b"answer", "write_eof", "resume_reading"]
    assert answers.is_closing()
    answers.write(b"too late")
    answers.close()
    await asyncio.sleep(0.06)
    assert transport.done[3:] == ["abort"]


async def test_a_client_that_has_reset_the_connection_does_no_harm() -> None:
    """Asyncio's own loop tries to send the end to it."""
    transport = Transport(is_reset=True)
    answering(transport, is_sending=True).close()
    assert transport.done == ["write_eof", "abort"]


async def test_an_answer_that_is_not_taken_is_given_up() -> None:
    """To close waits for what is written to be sent, for ever if the client does not read."""
    transport = Transport(unread=1)
    answering(transport, is_sending=False).close()
    assert transport.done == ["close"]
    await asyncio.sleep(0.06)
    assert transport.done == ["close", "abort"]


async def test_a_client_that_reads_is_forgiven() -> None:
    """The time runs anew at its next pause; and not at all when it is gone."""
    for is_gone in (False, True):
        transport = Transport()
        answers = answering(transport, is_sending=False)
        answers.deadline.set()
        (answers.let_go if is_gone else answers.deadline.lift)()
        await asyncio.sleep(0.06)
        assert transport.done == []
