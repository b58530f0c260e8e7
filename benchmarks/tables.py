"""The tables of RESULTS.md, from the recorded data."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measures import CONNECTIONS, REFUSALS
from benchmarks.stages import STAGES, group, summary

HERE = Path(__file__).parent

_REFUSAL_TITLES = {
    "accepted": "200, a token",
    "invalid": "400, one fault",
    "malformed": "400, not JSON",
    "not_found": "404, unknown path",
    "method": "405, `GET`",
    "media_type": "415, `text/plain`",
    "too_large": "413, 20 KB",
}
_STAGE_TITLES = {
    "server": "server: uvicorn, sockets, HTTP",
    "layers": "layers: request id, audit, metrics, CORS, errors, shedding",
    "routing": "routing: exact paths, contract, Swagger UI, router",
    "validation": "validation: media type, query, body",
    "handler": "handler and answer",
    "minting": "minting: `TokenService.issue`",
    "log": "log: the audit line",
}

# How much of a peer's processor time, start or memory the service was asked to stay below or come to.
_RATIOS = {
    "express full": ("Express, doing the same job", 1.5),
    "fastapi full": ("FastAPI, doing the same job", 2.5),
    "function full": ("the hand-written function, doing the same job", 1.2),
    "express bare": ("Express, bare", 1.0),
    "go full": ("Go, doing the same job", 0.25),
}
_MAX_START_SECONDS, _MAX_MEMORY_MIB = 0.8, 70

# What the service was asked to spend on being watched and bounded, by the forms with it and without.
_COSTS = {
    "metrics: `full` less `unmeasured`": ("ours full", "ours unmeasured"),
    "bounds: `unmeasured` less `before`": ("ours unmeasured", "before full"),
    "both: `full` less `before`": ("ours full", "before full"),
}
_MAX_COST_US = 10

Rows = Iterable[Sequence[object]]
Loads = list[dict[str, Any]]


def write(results: dict[str, Any]) -> str:
    """Write the report in Markdown."""
    template = (HERE / "RESULTS.template.md").read_text()
    sections = {
        "peers": _peers(results),
        "targets": _targets(results),
        "loads": _loads(results),
        "starts": _starts(results),
        "refusals": _refusals(results.get("refusals", [])),
        "guarded": _guarded(results),
        "costs": _costs(results),
        "growth": _growth(results.get("growth", {})),
        "stages": _stages(results),
        "layers": _layers(results.get("stages")),
        "livekit_api": f"{results.get('stages', {}).get('livekit_api_us', 0):.0f}",
        "machine": _machine(results),
    }
    for name, text in sections.items():
        template = template.replace(f"<!-- {name} -->", text)
    return template


def _peers(results: dict[str, Any]) -> str:
    found = {server["label"]: _of(results, server["label"], CONNECTIONS) for server in results["servers"]}
    ours = _median(found.get("ours full", []), "cpu_us")
    rows = []
    for server in results["servers"]:
        loads = found[server["label"]]
        cpu = [load["cpu_us"] for load in loads]
        ratio = f"{median(cpu) / ours:.2f}" if ours else ""
        rows.append(
            (
                server["name"],
                server["form"],
                server["title"],
                f"**{median(cpu):.0f}**",
                f"{min(cpu):.0f} to {max(cpu):.0f}",
                ratio,
                f"{_rate(loads):,.0f}",
            )
        )
    return _table(("", "form", "made of", "µs", "least to most", "ours = 1", "requests/s"), rows, 3)


def _targets(results: dict[str, Any]) -> str:
    ours = _median(_of(results, "ours full", CONNECTIONS), "cpu_us")
    rows: list[Sequence[object]] = []
    for label, (title, asked) in _RATIOS.items():
        theirs = _median(_of(results, label, CONNECTIONS), "cpu_us")
        if ours and theirs:
            rows.append((f"processor time of {title}", f"at least {asked}x", f"{theirs / ours:.2f}x"))
    if ours:
        errors = sum(load["socket_errors"] + load["refused"] for load in _of(results, "ours full", 500))
        start = median(results["cold_starts_s"]["ours full"])
        memory = results["memory_mib"]["ours full"]
        rows += [
            ("errors at 500 connections", "none", errors or "none"),
            ("first token after the start", f"under {_MAX_START_SECONDS} s", f"{start:.2f} s"),
            ("memory after 5,000 requests", f"under {_MAX_MEMORY_MIB} MiB", f"{memory:.0f} MiB"),
        ]
    return _table(("", "asked", "reached"), rows, 1)


def _loads(results: dict[str, Any]) -> str:
    rows: list[Sequence[object]] = []
    for connections in sorted({load["connections"] for load in results["loads"]}):
        for server in results["servers"]:
            loads = _of(results, server["label"], connections)
            errors = sum(load["socket_errors"] + load["refused"] for load in loads)
            latencies = (f"{_median(loads, f'{p}_ms'):.1f}" for p in ("p50", "p95", "p99"))
            cpu = f"{_median(loads, 'cpu_us'):.0f}"
            rows.append((connections, server["label"], f"{_rate(loads):,.0f}", cpu, *latencies, errors))
    return _table(
        ("connections", "", "requests/s", "CPU µs", "p50 ms", "p95 ms", "p99 ms", "errors"), rows, 2
    )


def _starts(results: dict[str, Any]) -> str:
    rows = []
    for server in results["servers"]:
        times = results["cold_starts_s"][server["label"]]
        range_ = f"{min(times):.2f} to {max(times):.2f}"
        memory = results["memory_mib"][server["label"]]
        rows.append((server["label"], f"{median(times):.2f}", range_, f"{memory:.0f}"))
    return _table(("", "first token, s", "least to most", "memory, MiB"), rows, 1)


def _refusals(loads: Loads) -> str:
    by_scenario = {name: [load for load in loads if load["scenario"] == name] for name in REFUSALS}
    rows = [
        (_REFUSAL_TITLES[name], f"{_median(found, 'cpu_us'):.0f}", f"{_rate(found):,.0f}")
        for name, found in by_scenario.items()
        if found
    ]
    return _table(("answer", "CPU µs", "requests/s"), rows, 1)


def _guarded(results: dict[str, Any]) -> str:
    """Write what the guarded forms cost, beside this service as it is without, and as it was."""
    plain = [server for server in results["servers"] if server["name"] in ("ours", "before")]
    full = _median(_of(results, "ours full", CONNECTIONS), "cpu_us")
    rows: list[Sequence[object]] = []
    for server in (*plain, *results.get("guarded", [])):
        loads = _of(results, server["label"], CONNECTIONS)
        cpu = [load["cpu_us"] for load in loads]
        is_before = server["name"] == "before"
        rows.append(
            (
                "before" if is_before else server["form"],
                server["title"] if server["name"] == "ours" and server not in plain else "",
                f"**{median(cpu):.0f}**",
                f"{min(cpu):.0f} to {max(cpu):.0f}",
                f"{median(cpu) - full:+.0f}" if full and server["label"] != "ours full" else "",
                f"{_rate(loads):,.0f}",
                f"{results['memory_mib'][server['label']]:.0f}",
            )
        )
    columns = ("form", "knows", "CPU µs", "least to most", "more than `full`", "requests/s", "memory, MiB")
    return _table(columns, rows, 2)


def _costs(results: dict[str, Any]) -> str:
    """Write what metrics and bounds cost; a form that was not measured is left out."""
    rows: list[Sequence[object]] = []
    for title, labels in _COSTS.items():
        with_it, without = (results["costs"].get(label, []) for label in labels)
        if not with_it or not without:
            continue
        costs = sorted(more - less for more, less in zip(with_it, without, strict=True))
        rows.append(
            (
                title,
                f"{_undisturbed(with_it):.0f}",
                f"{_undisturbed(without):.0f}",
                f"under {_MAX_COST_US}",
                f"**{_undisturbed(with_it) - _undisturbed(without):+.1f}**",
                f"{median(costs):+.1f}",
                f"{costs[len(costs) // 4]:+.1f} to {costs[-1 - len(costs) // 4]:+.1f}",
            )
        )
    columns = ("", "CPU µs, with", "without", "asked", "more, µs", "turn by turn", "the middle half")
    return _table(columns, rows, 1)


def _undisturbed(cpu_us: list[float]) -> float:
    # Whatever else a machine does only adds to it; the least of all may be luck.
    return sorted(cpu_us)[len(cpu_us) // 10]


def _growth(growth: dict[str, Any]) -> str:
    titles = {"accepted": "the same request", "fresh": "ever new rooms", "faults": "ever new faults"}
    rows = []
    for scenario, found in growth.items():
        loads, memory = found["loads"], found["memory_mib"]
        served = sum(load["requests"] for load in loads)
        cpu = (f"{loads[i]['cpu_us']:.0f}" for i in (0, -1))
        rows.append((titles[scenario], f"{served:,}", *cpu, *(f"{memory[i]:.0f}" for i in (0, -1))))
    columns = ("", "requests", "CPU µs, first slice", "last slice", "memory MiB, at first", "at last")
    return _table(columns, rows, 1)


def _stages(results: dict[str, Any]) -> str:
    found = {"before": results.get("stages_before"), "now": results.get("stages")}
    columns = {name: summary(stages) for name, stages in found.items() if stages}
    rows: list[Sequence[object]] = [
        (_STAGE_TITLES[stage], *(round(column[stage]) for column in columns.values())) for stage in STAGES
    ]
    rows.append(("**all**", *(f"**{sum(column.values()):.0f}**" for column in columns.values())))
    return _table(("stage, µs", *columns), rows, 1)


def _layers(stages: dict[str, Any] | None) -> str:
    layers = stages["layers"] if stages else []
    rows = [(layer["name"], group(layer["name"]), round(layer["us"])) for layer in layers]
    return _table(("layer, from the outermost", "stage", "µs"), rows, 2)


def _machine(results: dict[str, Any]) -> str:
    commits = results["commit"]
    said = {
        "date": results["date"],
        "commit": commits["ours"] + (f"; before: {commits['before']}" if commits["before"] else ""),
        **results["machine"],
        **results["versions"],
    }
    return _table(("", ""), said.items(), 2)


def _of(results: dict[str, Any], label: str, connections: int) -> Loads:
    loads: Loads = results["loads"]
    return [load for load in loads if (load["server"], load["connections"]) == (label, connections)]


def _median(loads: Loads, key: str) -> float:
    return float(median(load[key] for load in loads)) if loads else 0


def _rate(loads: Loads) -> float:
    return float(median(load["requests"] / load["seconds"] for load in loads))


def _table(columns: Sequence[str], rows: Rows, numbers_from: int) -> str:
    """Write a table, whose columns from the given one on hold numbers."""
    rules = ["---" if i < numbers_from else "--:" for i in range(len(columns))]
    lines: list[Sequence[object]] = [columns, rules, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
