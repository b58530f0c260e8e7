"""The report: RESULTS.md and the plots, from the recorded data: `python -m benchmarks.report`."""

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import builds, tables

HERE = Path(__file__).parent
RECORDED = HERE / "results.json"


def main() -> None:
    """Write the report of what was recorded, without measuring anything."""
    results = json.loads(RECORDED.read_text())
    (HERE / "RESULTS.md").write_text(tables.write(results))
    draw = [str(builds.plots()), str(HERE / "plots.py"), str(RECORDED), str(HERE)]
    subprocess.run(draw, check=True)  # noqa: S603  # as written above


def publish(results: dict[str, Any]) -> None:
    """Record results, and report them; what was measured before the change is kept if it is not new."""
    if "stages_before" not in results and RECORDED.is_file():
        recorded = json.loads(RECORDED.read_text())
        results["stages_before"] = recorded.get("stages_before")
        results["commit"]["before"] = recorded["commit"]["before"]
    entries = ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in results.items())
    RECORDED.write_text(f"{{\n{entries}\n}}\n")
    main()


def _lines(value: object) -> str:
    """Write JSON, an item of a list on each line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f" {json.dumps(item)}" for item in value) + "\n]"


if __name__ == "__main__":
    main()
