"""The figures of a gateway for Prometheus. Labels are routes, model versions, codes, states: sets that are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: Upper bounds in seconds: a request with its whole answer, and until its first token.
WHOLE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
FIRST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: The model of a request that reached none.
NO_MODEL = "none"


class Counted(Protocol):
    """What is counted of a call: a `serve.api.record.Note` has it all."""

    model: str
    started: float
    first_token: float | None
    prompt_tokens: int
    completion_tokens: int
    severities: dict[str, int]


class Meters:
    """Counters, histograms and gauges of one process. With several workers they meet in a directory (`exposed`)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "tutelage_requests", "Requests that ended.", ("route", "model", "status"), registry=registry
        )
        self._seconds = Histogram(
            "tutelage_request_seconds",
            "Seconds until a request and its whole answer ended.",
            ("route",),
            buckets=WHOLE,
            registry=registry,
        )
        self._first = Histogram(
            "tutelage_first_token_seconds",
            "Seconds until the first token of an answer left.",
            ("model",),
            buckets=FIRST,
            registry=registry,
        )
        self._tokens = Counter(
            "tutelage_tokens", "Tokens read (prompt) and written (completion).", ("model", "kind"), registry=registry
        )
        self._verdicts = Counter(
            "tutelage_filter_verdicts",
            "The content filter's severities, by what it read.",
            ("role", "severity"),
            registry=registry,
        )
        self._refusals = Counter(
            "tutelage_refusals", "Requests that ended with an error, by its code.", ("code",), registry=registry
        )
        self._running = _sum(registry, "tutelage_running_calls", "Calls that are being answered.")
        self._unwritten = _sum(registry, "tutelage_unwritten_calls", "Calls that wait to be written to the log.")
        self._queue = _worst(registry, "tutelage_engine_queue", "What waits or runs in an engine.", "model", "state")
        self._age = _worst(
            registry, "tutelage_engine_step_age_seconds", "Seconds since an engine was last heard of.", "model"
        )
        self._unready = _worst(registry, "tutelage_not_ready", "1 for each reason not to be ready.", "reason")

    def request(self, route: str, model: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._requests.labels(route, model or NO_MODEL, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def call(self, note: Counted) -> None:
        """Count what a call took and gave, and what the filter said of it."""
        if not note.model:
            return
        if note.first_token is not None:
            self._first.labels(note.model).observe(note.first_token - note.started)
        self._tokens.labels(note.model, "prompt").inc(note.prompt_tokens)
        self._tokens.labels(note.model, "completion").inc(note.completion_tokens)
        for role, severity in note.severities.items():
            self._verdicts.labels(role, str(severity)).inc()

    def refusal(self, code: str) -> None:
        """Count an error; `code` is a word of ours."""
        self._refusals.labels(code).inc()

    def load(self, *, running: int, unwritten: int) -> None:
        """Say how much is going on in this process."""
        self._running.set(running)
        self._unwritten.set(unwritten)

    def engine(self, model: str, age: float, stats: Mapping[str, Any]) -> None:
        """Say how an engine is; one that is gone is told with nothing."""
        self._age.labels(model).set(age)
        self._queue.labels(model, "running").set(stats.get("running", 0))
        self._queue.labels(model, "waiting").set(stats.get("waiting", 0) + stats.get("queued", 0))

    def unready(self, reasons: Mapping[str, bool]) -> None:
        """Say for each reason whether it keeps the server from being ready."""
        for reason, holds in reasons.items():
            self._unready.labels(reason).set(holds)


def _sum(registry: CollectorRegistry, name: str, told: str) -> Gauge:
    """Return a gauge that several workers share the amount of."""
    return Gauge(name, told, registry=registry, multiprocess_mode="livesum")


def _worst(registry: CollectorRegistry, name: str, told: str, *labels: str) -> Gauge:
    """Return a gauge that each worker sees the same thing in: the worst look counts."""
    return Gauge(name, told, labels, registry=registry, multiprocess_mode="livemax")
