"""Metrics: what a monitoring system counts and watches, of one process or of several together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from app.operation.metric_files import render_shared, written

if TYPE_CHECKING:  # It is for who asks for it, and must not be imported before the environment is complete.
    from prometheus_client import CollectorRegistry

PREFIX = "livekit_token_api_"
_NONE = "none"  # The operation of a request that leads to none, and the status where there was no answer.
_LIMITS = ("caller", "total")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_Key = TypeVar("_Key")
_Child = TypeVar("_Child")


class _Children(dict[_Key, _Child]):
    """The children of a metric by what their labels are made of: to look them up there costs microseconds."""

    def __init__(self, make: Callable[[_Key], _Child]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: _Key) -> _Child:
        child = self[key] = self._make(key)
        return child


class Metrics:
    """The metrics of this process; where several share a directory, of all of them.

    Every value of a label is one of the contract or of this module: a caller can make up none.
    """

    def __init__(
        self,
        operations: Mapping[str, Collection[int]],
        issuing: Collection[str],
        error_codes: Collection[str],
        reasons: Collection[str],
        directory: str | None = None,
    ) -> None:
        """Begin at zero.

        Args:
            operations: the statuses that each may answer.
            issuing: the operations that issue tokens.
            error_codes: what a refusal may be for.
            reasons: why the service may not be ready, warnings among them.
            directory: what the processes of the service share; see metric_files.shared_directory.
        """
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            Counter,
            Histogram,
            disable_created_metrics,
        )

        # They would be half of all lines, and several processes together have none.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._directory = directory
        self._registry = registry = CollectorRegistry()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, words, labels, registry=registry)

        requests = counter("requests_total", "Requests that are over.", "operation", "status")
        durations = Histogram(
            f"{PREFIX}request_duration_seconds",
            "From a request's head until its answer is made.",
            ("operation",),
            registry=registry,
            buckets=_BUCKETS,
        )
        issued = counter("tokens_issued_total", "Access tokens that were issued.", "operation")
        refusals = counter("refusals_total", "Requests that were refused, by what for.", "error_code")
        limited = counter("rate_limited_total", "Requests that were too many, by the limit.", "limit")
        self._requests: _Children[tuple[str, int | str], Counter] = _Children(
            lambda key: requests.labels(*map(str, key))
        )
        self._durations = _Children(durations.labels)
        self._issued = _Children(issued.labels)
        self._refusals = _Children(refusals.labels)
        self._limited = _Children(limited.labels)
        self._lost = counter("log_lines_lost_total", "Log lines that could not be written.")
        self._lost_before = 0
        # What has not happened yet is zero: else the first time would be no increase.
        for operation, statuses in operations.items():
            _ = self._durations[operation]
            for status in statuses:
                _ = self._requests[operation, status]
        for operation in issuing:
            _ = self._issued[operation]
        for code in error_codes:
            _ = self._refusals[code]
        for limit in _LIMITS:
            _ = self._limited[limit]
        self._reasons = tuple(reasons)
        self._now: _Now | None = None
        if directory is None:
            _watch_process(registry)

    def observe(self, state: Mapping[str, Any], status: int | None, seconds: float) -> None:
        """Count a request that is over.

        Args:
            state: what the layers have said of it: `audit`, `operation`, `exceeded`.
            status: of its answer; None if there was none.
            seconds: from its head until its answer was made.
        """
        operation = state.get("operation") or _NONE
        facts = state["audit"]
        self._requests[operation, _NONE if status is None else status].inc()
        self._durations[operation].observe(seconds)
        if "errorCode" in facts:
            self._refusals[facts["errorCode"]].inc()
            if "exceeded" in state:
                self._limited[state["exceeded"]].inc()
        elif "expiresAt" in facts and status is not None and status < HTTPStatus.BAD_REQUEST:
            self._issued[operation].inc()

    def refresh(
        self, *, reasons: Sequence[str], is_ready: bool, in_flight: int, key_timestamp: float, lost: int
    ) -> None:
        """Take down how this process is doing.

        Args:
            reasons: what there is to mend.
            is_ready: whether tokens can be issued all the same.
            in_flight: how many requests are being answered.
            key_timestamp: since when the signing key is in use, in Unix time.
            lost: how many log lines could not be written since the start.
        """
        # Not before: of a worker that does not serve yet, zero would be told to be so.
        now = self._now = self._now or _Now(self._registry)
        now.workers.set(1)
        now.ready.set(is_ready)
        for reason in {*self._reasons, *reasons}:
            now.reasons[reason].set(reason in reasons)
        now.in_flight.set(in_flight)
        now.key_timestamp.set(key_timestamp)
        self._lost.inc(lost - self._lost_before)
        self._lost_before = lost

    def render(self) -> str:
        """Write all metrics in Prometheus' text format."""
        if self._directory is not None:
            return render_shared(self._directory)
        return written(self._registry)


class _Now:
    """What is so now."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Gauge  # noqa: PLC0415

        def gauge(name: str, words: str, mode: Any, *labels: str) -> Gauge:
            return Gauge(PREFIX + name, words, labels, registry=registry, multiprocess_mode=mode)

        self.in_flight = gauge("requests_in_flight", "Requests that are being answered.", "livesum")
        self.key_timestamp = gauge(
            "signing_key_timestamp_seconds", "Since when the signing key is in use, in Unix time.", "livemin"
        )
        self.ready = gauge("ready", "Whether the service can issue tokens.", "livemin")
        self.workers = gauge("workers", "Processes that serve.", "livesum")
        reason = gauge("ready_reason", "Whether this is to be mended.", "livemax", "reason")
        self.reasons = _Children(reason.labels)


def _watch_process(registry: "CollectorRegistry") -> None:
    # Of several processes together there is no such thing.
    from prometheus_client import GCCollector, PlatformCollector, ProcessCollector  # noqa: PLC0415

    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
