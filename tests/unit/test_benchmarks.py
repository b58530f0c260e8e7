"""The benchmark: what it counts as cost, and what it refuses to compare."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, servers, tables
from benchmarks.processes import cpu_seconds
from benchmarks.roster import service, unmeasured
from benchmarks.servers import Running

ROOT = Path(__file__).parents[2]
FULL = service("ours", ROOT)


def costs(**cpu_us: list[float]) -> list[str]:
    """Report what was recorded, with other rounds of our forms; return the lines of what they cost."""
    labels = {"full": "ours full", "unmeasured": "ours unmeasured", "before": "before full"}
    recorded: dict[str, Any] = json.loads(report.RECORDED.read_text())
    recorded["servers"] = [server for server in recorded["servers"] if server["name"] != "before"]
    text = tables.write({**recorded, "costs": {labels[form]: us for form, us in cpu_us.items()}})
    return [line for line in text.splitlines() if line.startswith(("| metrics:", "| bounds:", "| both:"))]


def running(log: Path, process: subprocess.Popen[bytes]) -> Running:
    """Describe a server by a log that was written already."""
    return Running(FULL, process, 0, log, 0.0)


def test_metrics_cost_what_the_form_without_them_saves() -> None:
    """Of the turns that were disturbed least; beside it is what was found turn by turn."""
    (line,) = costs(full=[120, 131, 127, 200, 130], unmeasured=[115, 121, 120, 190, 123])
    metrics = "metrics: `full` less `unmeasured`"
    assert line == f"| {metrics} | 120 | 115 | under 10 | **+5.0** | +7.0 | +7.0 to +10.0 |"


def test_bounds_cost_what_the_older_service_did_not_spend() -> None:
    """With an older commit beside it, the rest of the difference to that is shown, and the sum."""
    metrics, bounds, both = costs(full=[127, 127, 129], unmeasured=[120, 121, 120], before=[118, 120, 121])
    assert metrics.endswith("| **+7.0** | +7.0 | +6.0 to +9.0 |")
    assert bounds.endswith("| 120 | 118 | under 10 | **+2.0** | +1.0 | -1.0 to +2.0 |")
    assert both.endswith("| 127 | 118 | under 10 | **+9.0** | +8.0 | +7.0 to +9.0 |")


def test_the_form_without_metrics_differs_in_nothing_else() -> None:
    """Else the difference would not be what metrics cost."""
    changed = dict(unmeasured(FULL).environment)
    assert changed.pop("METRICS") == "false"
    assert changed == FULL.environment
    assert (unmeasured(FULL).command, unmeasured(FULL).directory) == (FULL.command, FULL.directory)


def test_processor_time_is_that_of_all_threads() -> None:
    """A service that writes its log in another thread spends that time, too."""
    spent: list[float] = []

    def compute() -> None:
        while time.thread_time() < 0.3:
            hashlib.sha256(bytes(1 << 20)).digest()
        spent.append(time.thread_time())

    before = cpu_seconds(os.getpid())
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert cpu_seconds(os.getpid()) - before >= spent[0] - 0.05


@pytest.mark.parametrize("lines", [0, 2])
def test_a_server_that_drops_lines_of_its_log_is_not_compared(
    lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves lines out does less than the others."""
    monkeypatch.setattr(servers, "_LOG_SECONDS", 0.1)
    (tmp_path / "log").write_text("{}\n" * lines)
    refusal = pytest.raises(SystemExit, match=f"ours full has logged {lines} of 3 requests")
    with subprocess.Popen([sys.executable, "-c", ""]) as process, refusal:
        running(tmp_path / "log", process).wait_for_log(3)


def test_a_line_that_is_written_late_is_waited_for(tmp_path: Path) -> None:
    """Its processor time belongs to the request."""
    log = tmp_path / "log"
    log.write_text("{}\n" * 2)

    def write_late() -> None:
        with log.open("a") as lines:
            lines.write("{}\n")

    late = threading.Timer(0.1, write_late)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        late.start()
        running(log, process).wait_for_log(3)
    assert log.read_text().count("\n") == 3
    late.join()
