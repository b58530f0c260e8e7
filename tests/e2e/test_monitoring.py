"""The alerts and the dashboard of `deploy/`, by Prometheus' own program, against what the service tells."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.wire.contract import Contract
from tests.e2e.conftest import give_up
from tests.e2e.promtool import PromtoolUnavailable, promtool
from tests.support.metrics import PREFIX
from tests.support.server import make_settings, serve

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
ALERTS, ALERTS_TEST = (DEPLOY / "prometheus" / name for name in ("alerts.yml", "alerts.test.yml"))
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
# Prometheus' own, and those of a process, which several workers do not tell.
OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def checked(*arguments: str | Path, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run promtool, or give up where there is none."""
    try:
        return promtool(*arguments, text=text)
    except PromtoolUnavailable as unavailable:
        give_up(str(unavailable))


@pytest.fixture(scope="module")
def scrape() -> Iterator[str]:
    """What the service tells, once a few requests are over."""
    with serve(make_settings(rate_limit="1/hour")) as url:
        for _ in range(3):
            httpx.post(f"{url}/api/token", json={"roomName": "r", "participantIdentity": "i"})
        httpx.get(f"{url}/nothing")
        yield httpx.get(f"{url}/api/metrics").text


def queries() -> list[Any]:
    """List every expression of the alerts and the dashboard."""
    alerts = [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]
    shown = [
        pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]
    return alerts + shown


def test_the_alerts_are_rules_that_prometheus_accepts() -> None:
    """So is the part of its configuration that names them."""
    for arguments in (("rules", ALERTS), ("config", DEPLOY / "prometheus" / "scrape.yml")):
        run = checked("check", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        assert f"{len(RULES)} rules found" in run.stdout


def test_so_is_the_scrape_of_pods(tmp_path: Path) -> None:
    """But for how they are found: promtool, as Debian has it, knows nothing of Kubernetes."""
    parts = yaml.safe_load((DEPLOY / "prometheus" / "scrape-kubernetes.yml").read_text(encoding="utf-8"))
    del parts["scrape_configs"][0]["kubernetes_sd_configs"]
    (tmp_path / "scrape.yml").write_text(yaml.safe_dump(parts), encoding="utf-8")
    (tmp_path / "alerts.yml").write_text(ALERTS.read_text(encoding="utf-8"), encoding="utf-8")
    run = checked("check", "config", tmp_path / "scrape.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(RULES)} rules found" in run.stdout


def test_the_alerts_fire_when_they_should() -> None:
    """And not when all is well; each of them is tested both ways."""
    run = checked("test", "rules", ALERTS_TEST)
    assert run.returncode == 0, run.stdout + run.stderr
    tests = yaml.safe_load(ALERTS_TEST.read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in RULES}
    assert {case["alertname"] for case in cases if "exp_alerts" in case} == names
    assert {case["alertname"] for case in cases if "exp_alerts" not in case} == names


def test_an_alert_that_does_not_fire_is_found_out(tmp_path: Path) -> None:
    """The tests of the rules are not vacuous: each that can never fire fails them."""
    tests = ALERTS_TEST.read_text(encoding="utf-8")
    for rule in RULES:
        rules = [{**other, "expr": "vector(0) > 1"} if other is rule else other for other in RULES]
        broken = {"groups": [{"name": "broken", "rules": rules}]}
        (tmp_path / "alerts.yml").write_text(yaml.safe_dump(broken), encoding="utf-8")
        (tmp_path / "alerts.test.yml").write_text(tests, encoding="utf-8")
        run = checked("test", "rules", tmp_path / "alerts.test.yml")
        assert run.returncode != 0, rule["alert"]
        assert rule["alert"] in run.stdout + run.stderr


def test_the_metrics_are_what_prometheus_recommends(scrape: str) -> None:
    """Names, units, help and types; promtool has nothing to say."""
    run = checked("check", "metrics", text=scrape)
    said = run.stdout + run.stderr
    # prometheus-client's own, whose names are as they are in every Python program.
    ours = [line for line in said.splitlines() if PREFIX in line]
    assert not ours
    assert "error while linting" not in said


@pytest.mark.parametrize("query", queries())
def test_every_metric_that_is_asked_for_is_told(scrape: str, query: str) -> None:
    """An alert or a panel that asks for what the service does not tell would be silent for ever."""
    told = set(re.findall(r"^(\w+)(?:\{| )", scrape, re.MULTILINE))
    asked = set(re.findall(rf"\b(?:{PREFIX}|process_)\w+", query)) | ({"up"} & set(re.findall(r"\w+", query)))
    assert asked
    assert asked - {"up"} <= told, asked - told
    assert {name for name in asked if not name.startswith(PREFIX)} <= OTHERS


@pytest.mark.parametrize("query", queries())
def test_every_value_of_a_label_that_is_asked_for_can_be_told(query: str) -> None:
    """Operations, reasons and codes are the contract's."""
    contract = Contract.load()
    known = {
        "operation": {*contract.operations, "none"},
        "reason": {*contract.reasons},
        "error_code": {*contract.error_codes},
        "limit": {"caller", "total"},
    }
    for label, values in re.findall(r'(\w+)=~?"([^"]*)"', query):
        if label in known:
            assert set(values.split("|")) <= known[label], label
        else:
            assert label in {"job", "instance", "status"}, label


def test_every_query_of_the_dashboard_is_one_for_prometheus(tmp_path: Path) -> None:
    """With Grafana's variables filled in, Prometheus parses each."""
    rules = [
        {"record": f"panel:{i}", "expr": expr.replace("$__rate_interval", "1m").replace("$instance", ".*")}
        for i, expr in enumerate(
            target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
        )
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    run = checked("check", "rules", file)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(rules)} rules found" in run.stdout
