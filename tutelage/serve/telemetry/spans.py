"""Traces for a collector of OpenTelemetry: a span of each request, and below it those of its wait and of its engine.

Spans are made when a request has ended, from the times that were noted: nothing is added to a call on its way. The
standard environment variables say where they go (`OTEL_EXPORTER_OTLP_ENDPOINT`) and how many (`OTEL_TRACES_SAMPLER`).
The provider is ours alone and not the process's, so that no library adds paths, queries or messages of exceptions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tutelage import __version__
from tutelage.errors import MissingError, SettingsError
from tutelage.serve.admission.grants import Grant
from tutelage.serve.api.record import Note
from tutelage.serve.telemetry.told import status_of
from tutelage.web.requests import Over

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

#: The variables of which one says where traces go, and the one that says how.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SUPPORTED = "http/protobuf"
#: The one header that is read: the ids of the caller's trace. What else its tracestate says is not passed on.
PARENT = "traceparent"


class Spans:
    """Makes the spans of requests that have ended."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("tutelage", __version__)

    def __call__(self, over: Over, note: Note | None) -> None:
        """Make the spans of one request."""
        from opentelemetry import trace
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        def at(moment: float) -> int:
            return int((over.began + moment - over.started) * 1e9)

        given = over.headers.get(PARENT)
        parent = TraceContextTextMapPropagator().extract({PARENT: given} if given else {})
        status = status_of(over, note)
        span = self._tracer.start_span(
            f"{over.method} {over.route}",
            context=parent,
            kind=SpanKind.SERVER,
            start_time=at(over.started),
            attributes={
                "http.request.method": over.method,
                "http.route": over.route,
                "http.response.status_code": status,
                "tutelage.request": over.id,
                **_customer(over.state.get("grant")),
            },
        )
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        below = trace.set_span_in_context(span)
        if note is not None:
            accepted = note.accepted or note.ended
            wait = self._tracer.start_span("queue", context=below, start_time=at(note.started))
            wait.end(at(accepted))
        if note is not None and note.accepted is not None:
            engine = self._tracer.start_span(
                "engine",
                context=below,
                start_time=at(note.accepted),
                attributes={
                    "gen_ai.response.model": note.model,
                    "gen_ai.usage.input_tokens": note.prompt_tokens,
                    "gen_ai.usage.output_tokens": note.completion_tokens,
                },
            )
            if note.first_token is not None:
                engine.add_event("first token", timestamp=at(note.first_token))
            engine.end(at(note.ended))
        span.end(at(over.started + over.seconds))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def from_environment() -> Spans | None:
    """Return what makes and sends spans, None where no variable says where to; raise a sentence without the extra."""
    variable = next((name for name in ENDPOINTS if os.environ.get(name)), "")
    if not variable or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    for name in PROTOCOLS:
        if os.environ.get(name, SUPPORTED) != SUPPORTED:
            raise SettingsError(f"{name} is {os.environ[name]!r}; traces are sent by {SUPPORTED}, so set it to that.")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingError(
            f"{variable} is set, and traces need more packages; install them with pip install 'tutelage[otel]', or "
            "unset it."
        ) from error
    resource = Resource.create({"service.version": __version__})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "tutelage"}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)


def _customer(grant: Grant | None) -> dict[str, str]:
    return {} if grant is None or grant.is_local else {"tutelage.application": grant.application_id}
