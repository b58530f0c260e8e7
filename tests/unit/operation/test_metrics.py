"""Metrics of one process: what is counted, and what is watched."""

from typing import Any

import pytest

from app.operation.metrics import Metrics
from tests.support.metrics import labels_of, parsed

OPERATIONS = {"generateToken": (200, 400), "checkLiveness": (200,)}
NOW: dict[str, Any] = {"reasons": [], "is_ready": True, "in_flight": 0, "key_timestamp": 0.0, "lost": 0}


def fresh() -> Metrics:
    """Make metrics of two operations."""
    return Metrics(OPERATIONS, ["generateToken"], ["RATE_LIMITED"], ["weak_secret", "draining"])


def changed(metrics: Metrics, before: dict[str, float]) -> dict[str, float]:
    """List what has another value than before, but for what Python and the system say of the process."""
    after = parsed(metrics.render())
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0) and not name.startswith(("python_", "process_", "request_duration"))
    }


def test_everything_that_can_happen_begins_at_zero() -> None:
    """The first time is an increase: what is not there yet would hide it."""
    found = parsed(fresh().render())
    counters = {name: value for name, value in found.items() if name.split("{")[0].endswith("_total")}
    assert {name: value for name, value in counters.items() if not name.startswith("p")} == {
        "requests_total{operation=generateToken,status=200}": 0,
        "requests_total{operation=generateToken,status=400}": 0,
        "requests_total{operation=checkLiveness,status=200}": 0,
        "tokens_issued_total{operation=generateToken}": 0,
        "refusals_total{error_code=RATE_LIMITED}": 0,
        "rate_limited_total{limit=caller}": 0,
        "rate_limited_total{limit=total}": 0,
        "log_lines_lost_total": 0,
    }


@pytest.mark.parametrize(
    ("state", "status", "counted"),
    [
        (
            {"operation": "generateToken", "audit": {"expiresAt": "…"}},
            200,
            {
                "requests_total{operation=generateToken,status=200}": 1,
                "tokens_issued_total{operation=generateToken}": 1,
            },
        ),
        (
            {"operation": "checkLiveness", "audit": {}},
            200,
            {"requests_total{operation=checkLiveness,status=200}": 1},
        ),
        (
            {"operation": "generateToken", "audit": {"errorCode": "VALIDATION_ERROR"}},
            400,
            {
                "requests_total{operation=generateToken,status=400}": 1,
                "refusals_total{error_code=VALIDATION_ERROR}": 1,
            },
        ),
        (
            {"operation": "generateToken", "audit": {"errorCode": "RATE_LIMITED"}, "exceeded": "total"},
            429,
            {
                "requests_total{operation=generateToken,status=429}": 1,
                "refusals_total{error_code=RATE_LIMITED}": 1,
                "rate_limited_total{limit=total}": 1,
            },
        ),
        # Made, but refused all the same: its holder never got it.
        (
            {"operation": "generateToken", "audit": {"expiresAt": "…", "errorCode": "INTERNAL_ERROR"}},
            500,
            {
                "requests_total{operation=generateToken,status=500}": 1,
                "refusals_total{error_code=INTERNAL_ERROR}": 1,
            },
        ),
        (
            {"operation": "generateToken", "audit": {"expiresAt": "…"}},
            None,
            {"requests_total{operation=generateToken,status=none}": 1},
        ),
        ({"operation": None, "audit": {}}, 404, {"requests_total{operation=none,status=404}": 1}),
        ({"audit": {}}, 204, {"requests_total{operation=none,status=204}": 1}),
    ],
)
def test_a_request_is_counted_once_for_each_thing_that_it_was(
    state: dict[str, Any], status: int | None, counted: dict[str, float]
) -> None:
    """By operation and status; a token where one was answered; a refusal by its code and its limit."""
    metrics = fresh()
    before = parsed(metrics.render())
    metrics.observe(state, status, 0.002)
    assert changed(metrics, before) == counted


def test_the_duration_of_a_request_is_in_its_bucket_and_those_above() -> None:
    """From a millisecond to ten seconds, by operation."""
    metrics = fresh()
    for seconds in (0.0005, 0.02, 11):
        metrics.observe({"operation": "checkLiveness", "audit": {}}, 200, seconds)
    found = parsed(metrics.render())
    name = "request_duration_seconds_{},operation=checkLiveness}}"
    counts = [found[name.format(f"bucket{{le={le}")] for le in ("0.001", "0.01", "0.025", "10.0", "+Inf")]
    assert counts == [1, 1, 2, 2, 3]
    assert found["request_duration_seconds_sum{operation=checkLiveness}"] == pytest.approx(11.0205)


def test_what_is_so_now_is_what_was_taken_down_last() -> None:
    """Every reason has its number, and one that no longer holds goes back to zero."""
    metrics = fresh()
    metrics.refresh(reasons=["draining"], is_ready=False, in_flight=3, key_timestamp=1.5e9, lost=2)
    found = parsed(metrics.render())
    assert found["ready"] == 0
    assert found["ready_reason{reason=draining}"] == 1
    assert found["ready_reason{reason=weak_secret}"] == 0
    assert found["requests_in_flight"] == 3
    assert found["signing_key_timestamp_seconds"] == 1.5e9
    assert found["log_lines_lost_total"] == 2
    assert found["workers"] == 1
    metrics.refresh(**{**NOW, "lost": 5})
    found = parsed(metrics.render())
    assert (found["ready"], found["ready_reason{reason=draining}"], found["requests_in_flight"]) == (1, 0, 0)
    assert found["log_lines_lost_total"] == 5


def test_two_services_in_one_process_count_for_themselves() -> None:
    """Nothing is registered where others would find it."""
    one, other = fresh(), fresh()
    before = parsed(other.render())
    one.observe({"operation": "checkLiveness", "audit": {}}, 200, 0.001)
    assert not changed(other, before)


def test_a_process_says_how_it_is_doing_as_a_process() -> None:
    """Its memory and its Python, as prometheus-client tells them; there are no times of creation."""
    found = parsed(fresh().render())
    assert {"process_resident_memory_bytes", "process_open_fds"} <= found.keys()
    assert any(name.startswith("python_info") for name in found)
    assert not [name for name in found if "_created" in name]


def test_a_process_that_does_not_serve_yet_says_nothing_of_now() -> None:
    """Not that it is not ready, nor that it has signed since 1970."""
    found = parsed(fresh().render())
    assert not {"ready", "workers", "requests_in_flight", "signing_key_timestamp_seconds"} & found.keys()


def test_labels_are_those_that_were_named() -> None:
    """A path or a header of a request is nowhere in them."""
    metrics = fresh()
    audit = {"path": "/made-up", "client": "10.9.8.7", "room": "secret-room", "identity": "alice"}
    metrics.observe({"operation": "generateToken", "audit": audit}, 200, 0.001)
    metrics.refresh(**NOW)
    assert labels_of(metrics.render()) == {
        "generateToken", "checkLiveness", "200", "400", "RATE_LIMITED", "caller", "total", "weak_secret",
        "draining",
    }  # fmt: skip
