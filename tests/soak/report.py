"""What a soak tells: how far it is, and a table at the end."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TextIO

from tests.soak.turn import Turn

MIB = 1 << 20
MAX_GROWTH = 5_000_000
_HEADINGS = ("phase", "requests", "200", "503", "failed", "p50 ms", "p99 ms", "max ms", "RSS MiB", "verdict")


@dataclass(frozen=True)
class Row:
    """What became of a phase; times are of the answers with 200, in milliseconds."""

    phase: str
    requests: int
    issued: int
    refused: int
    failed: int
    p50: float
    p99: float
    longest: float
    memory: int
    faults: Sequence[str]
    notes: Sequence[str]

    @classmethod
    def of(cls, phase: str, turn: Turn, memory: int) -> "Row":
        """Sum up a turn."""
        tally, seconds = turn.tally, sorted(turn.tally.seconds)
        return cls(
            phase,
            tally.asked,
            tally.statuses[200],
            tally.statuses[503],
            len(tally.failures),
            _percentile(seconds, 0.5),
            _percentile(seconds, 0.99),
            _percentile(seconds, 1),
            memory,
            turn.faults,
            turn.notes,
        )

    def cells(self) -> list[str]:
        """Write what stands in the table."""
        verdict = f"BROKEN: {'; '.join(self.faults)}" if self.faults else "ok"
        return [
            self.phase,
            *(f"{count:,}" for count in (self.requests, self.issued, self.refused, self.failed)),
            *(f"{milliseconds:.1f}" for milliseconds in (self.p50, self.p99, self.longest)),
            f"{self.memory / MIB:.1f}",
            " - ".join([verdict, *self.notes]),
        ]


def _percentile(ascending: Sequence[float], share: float) -> float:
    return 1000 * ascending[ceil(share * len(ascending)) - 1] if ascending else 0.0


@dataclass
class Report:
    """The rows, and what is wrong with the run as a whole."""

    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every phase has kept its rule."""
        return not self.faults and not any(row.faults for row in self.rows)

    def compare(self, before: dict[str, int], after: dict[str, int]) -> None:
        """Hold the memory of the processes at the end to that after the warm-up."""
        for name in ("supervisor", "largest worker"):
            grown = after[name] - before[name]
            said = (
                f"{name}: {before[name] / MIB:.1f} MiB after the warm-up, {after[name] / MIB:.1f} at the end"
            )
            if grown > MAX_GROWTH:
                self.faults.append(f"memory grew by more than {MAX_GROWTH // 1_000_000} MB: {said}")
            else:
                self.notes.append(said)

    def table(self) -> str:
        """Write the table, what else there is to say, and the verdict."""
        cells = [list(_HEADINGS), *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i in {0, len(widths) - 1} else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        broken = [f"BROKEN: {fault}" for fault in self.faults]
        return "\n".join([*lines, "", *self.notes, *broken, "ok" if self.is_good else "BROKEN", ""])


class Progress:
    """How far it is: a line that is written anew on a terminal, a line for each phase elsewhere."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        """Write to `stream`."""
        self._stream, self._is_terminal = stream, stream.isatty()
        self._phase = ""

    def tell(self, phase: str, elapsed: float, total: float, turn: Turn) -> None:
        """Tell of the phase that goes on; not again elsewhere than on a terminal."""
        if self._is_terminal or phase != self._phase:
            asked, failed = turn.tally.asked, len(turn.tally.failures)
            said = f"{elapsed:4.0f} of {total:.0f} s  {phase}"
            if self._is_terminal:
                self._stream.write(f"\r{said}: {asked:,} requests, {failed} failed\x1b[K")
            else:
                self._stream.write(f"{said}\n")
            self._stream.flush()
        self._phase = phase

    def end(self) -> None:
        """Leave the line, on a terminal."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
