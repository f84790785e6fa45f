"""Traces: the spans of a request, what they hold, and where they go."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.databases import database, store
from tests.firms import Firm
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine, ask
from tutelage.errors import MissingError, SettingsError
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.telemetry import spans
from tutelage.serve.telemetry.spans import Spans
from tutelage.store import Store
from tutelage.web.site import utc_now

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
CANARY = "canary-7f3a"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def asked(store: Store, trace: Spans, *calls: dict[str, Any], **headers: str) -> None:
    """Ask an application for each call, one after the other."""
    engine = ScriptedEngine(words=(CANARY, " two"))
    app = create_app(ScriptedCatalogue(store, engine=engine), ServeOptions(is_private=True, trace=trace))
    async with app.router.lifespan_context(app):
        for call in calls:
            await ask(app, call["path"], call.get("body"), headers=headers)


def traced(store: Store, *calls: dict[str, Any], **headers: str) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    asyncio.run(asked(store, Spans(provider), *calls, **headers))
    return sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)


def test_a_completion_is_a_span_with_its_wait_and_its_engine(store: Store) -> None:
    firm = Firm.of(store, state="live")
    given = {
        "authorization": f"Bearer {firm.key(now=utc_now()).text}",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": f"vendor={CANARY}",
        "x-request-id": "mine-1",
        "user-agent": CANARY,
    }
    call = {"path": f"/v1/completions?{CANARY}=1", "body": {"prompt": CANARY, "user": CANARY, "max_tokens": 9}}
    request, queue, engine = traced(store, call, **given)
    assert (request.name, queue.name, engine.name) == ("POST /v1/completions", "queue", "engine")
    for child in (queue, engine):
        assert child.parent and child.parent.span_id == request.context.span_id
        assert request.start_time <= child.start_time <= child.end_time <= request.end_time  # type: ignore[operator]
    assert queue.end_time == engine.start_time
    assert request.parent and f"{request.parent.span_id:016x}" == PARENT and f"{request.context.trace_id:032x}" == TRACE
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/completions",
        "http.response.status_code": 200,
        "tutelage.request": "mine-1",
        "tutelage.application": firm.id,
    }
    assert engine.attributes == {
        "gen_ai.response.model": "default-model@1", "gen_ai.usage.input_tokens": 4, "gen_ai.usage.output_tokens": 2
    }  # fmt: skip
    assert [event.name for event in engine.events] == ["first token"]
    for span in (request, queue, engine):
        assert CANARY not in span.to_json() and given["authorization"].split("_")[2] not in span.to_json()


def test_what_is_refused_has_no_engine_and_no_words(store: Store) -> None:
    calls = [
        {"path": "/v1/completions", "body": {"prompt": "a", "model": CANARY}},
        {"path": f"/v1/{CANARY}"},
    ]
    found = traced(store, *calls)
    assert [span.name for span in found] == ["POST /v1/completions", "queue", "GET other"]
    assert [span.attributes["http.response.status_code"] for span in found if span.kind.name == "SERVER"] == [404, 404]
    assert all(CANARY not in span.to_json() for span in found)
    assert all(span.status.status_code is StatusCode.UNSET for span in found)


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Give the address of a collector, and what it takes in."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


def test_spans_go_where_the_environment_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (address, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        trace = spans.from_environment()
        assert trace is not None
        asyncio.run(asked(store, trace, {"path": "/v1/completions", "body": {"prompt": CANARY}}))
        trace.close()
    sent = b"".join(body for _, body in taken)
    assert {path for path, _ in taken} == {"/v1/traces"}
    assert b"POST /v1/completions" in sent and b"tutelage" in sent and CANARY.encode() not in sent


def test_without_a_variable_there_are_none_and_without_the_extra_a_sentence(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*spans.ENDPOINTS, *spans.PROTOCOLS, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    assert spans.from_environment() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert spans.from_environment() is None
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"):
        spans.from_environment()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_PROTOCOL")
    for name in [one for one in sys.modules if one.startswith("opentelemetry.sdk.trace")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingError, match=r"pip install 'tutelage\[otel\]'"):
        spans.from_environment()
