"""The course of a soak: one phase after the other, and what is held to the whole of it."""

import asyncio
import time
from contextlib import suppress

from tests.soak.phases import PHASES
from tests.soak.report import Progress, Report, Row
from tests.soak.subject import Subject, WrongToken, subject
from tests.soak.turn import Turn

_TELL_SECONDS = 0.5


def soak(seconds: float, progress: Progress) -> Report:
    """Start the service, have it go through all phases in about so much time, and stop it."""
    report = Report()
    with subject() as service:
        asyncio.run(_phases(service, seconds, report, progress))
    log = service.log
    report.notes.append(f"log: {log.lines:,} lines were read")
    report.faults += [f"a line of the log is no object, or has a token: {line[:40]!r}" for line in log.bad]
    if service.said:
        report.faults.append(f"standard error: {service.said[:200]}")
    return report


async def _phases(service: Subject, seconds: float, report: Report, progress: Progress) -> None:
    begun = time.monotonic()
    warm = after = service.memory()
    for name, act in PHASES.items():
        turn = Turn(service, seconds / len(PHASES))
        telling = asyncio.create_task(_tell(name, begun, seconds, turn, progress))
        if name == "stop":
            # It has none afterwards.
            after = service.memory()
        try:
            await act(turn)
        except (OSError, EOFError, WrongToken) as error:
            turn.faults.append(repr(error))
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        turn.judge()
        has_ended = service.process.poll() is not None
        now = after if has_ended else service.memory()
        if name == "warm-up":
            warm = now
        if has_ended and name != "stop":
            turn.faults.append(f"the service has ended with {service.process.returncode}")
        report.rows.append(Row.of(name, turn, now["all"]))
        if has_ended:
            break
    report.compare(warm, after)
    progress.end()


async def _tell(name: str, begun: float, seconds: float, turn: Turn, progress: Progress) -> None:
    while True:
        progress.tell(name, time.monotonic() - begun, seconds, turn)
        await asyncio.sleep(_TELL_SECONDS)
