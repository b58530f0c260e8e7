"""Draws the plots from the recorded data, with the packages of requirements.txt: `report.py` runs it.

The same data give the same bytes. The colours can be read on a light and on a dark page.
"""
# Matplotlib is not among the project's own packages.
# mypy: disable-error-code="import-not-found"

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

CONNECTIONS = 16
TEXT, GRID = "#7d8590", "#7d859040"
OURS, BEFORE, FULL, BARE = "#e8590c", "#e8590c80", "#4c8bd6", "#4c8bd670"
TITLES = {
    "ours": "this service",
    "before": "this service, before",
    "express": "Express",
    "fastapi": "FastAPI",
    "function": "ASGI function",
    "go": "Go net/http",
}
GROWTHS = {
    "accepted": ("the same request", OURS),
    "fresh": ("ever new rooms and identities", "#4c8bd6"),
    "faults": ("ever new faults", "#2f9e70"),
}
STYLE = {
    "svg.hashsalt": "benchmarks",
    "svg.fonttype": "path",
    "font.size": 11,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": GRID,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_peers(results: dict[str, Any]) -> Figure:
    """Draw the processor time of a request: a bar for each server, the quickest at the top."""
    bars = []
    for server in results["servers"]:
        found = [
            load["cpu_us"]
            for load in results["loads"]
            if (load["server"], load["connections"]) == (server["label"], CONNECTIONS)
        ]
        bars.append((median(found), server["name"], server["form"]))
    bars.sort(reverse=True)
    figure = Figure(figsize=(8.4, 0.36 * len(bars) + 1.0), layout="constrained")
    axes = figure.subplots()
    for place, (cpu_us, name, form) in enumerate(bars):
        own = {"ours": OURS, "before": BEFORE}.get(name)
        axes.barh(place, cpu_us, height=0.68, color=own or (FULL if form == "full" else BARE))
        weight = "bold" if name == "ours" else "normal"
        axes.text(cpu_us, place, f"  {cpu_us:.0f}", va="center", fontweight=weight)
    labels = [TITLES[name] + ("" if form == "full" else ", bare") for _, name, form in bars]
    axes.set_yticks(range(len(bars)), labels)
    for label, (_, name, _) in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if name == "ours" else "normal")
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.set_xlim(0, bars[0][0] * 1.08)
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.set_title(
        "Processor time of a token request in µs; bare: without audit line, request id and CORS",
        loc="left",
        fontsize=11,
        x=0,
    )
    return figure


def draw_growth(results: dict[str, Any]) -> Figure:
    """Draw the processor time of a request, and the memory, in the course of a process's life."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    for scenario, (title, colour) in GROWTHS.items():
        found = results["growth"][scenario]
        served = [0]
        for load in found["loads"]:
            served.append(served[-1] + load["requests"])
        thousands = [requests / 1000 for requests in served]
        cpu = [load["cpu_us"] for load in found["loads"]]
        cost.plot(thousands[1:], cpu, color=colour, marker="o", markersize=4, label=title)
        memory.plot(thousands, found["memory_mib"], color=colour, marker="o", markersize=4)
    _finish(cost, "µs of processor time a request")
    _finish(memory, "MiB of memory")
    figure.legend(loc="outside lower center", ncols=len(GROWTHS), frameon=False, labelcolor=TEXT)
    return figure


def _finish(axes: Axes, title: str) -> None:
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.set_xlim(left=0)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("thousand requests served")
    axes.grid(axis="y")
    axes.tick_params(length=0)


def main() -> None:
    """Draw what the file of the first argument holds into the folder of the second."""
    results = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    with mpl.rc_context(STYLE):
        for name, draw in (("peers", draw_peers), ("growth", draw_growth)):
            figure = draw(results)
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
