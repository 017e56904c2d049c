"""Tracing as the runtime sets it up: the program's provider, or one made from the OTEL_* variables.

Nothing global is read or set: no global tracer provider, no signal handler. Without a provider and
without an exporter asked for, the SDK is not even imported.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playhead.actors.engine import Watcher
from playhead.actors.spans import Sink, Telling, Tracing, recorded_trace
from playhead.events.errors import UsageError
from playhead.events.log import Reader
from playhead.program_log import ProgramLog
from playhead.projections.semconv import conventions
from playhead.projections.span_ids import traceparent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CONVENTIONS = "PLAYHEAD_SEMCONV"

QUEUE = 16_384
"""Spans that may wait to be sent, unless OTEL_BSP_MAX_QUEUE_SIZE says so; more are dropped."""

FLUSH = 500
"""Spans given to a provider between two flushes when a recorded run is exported."""


class Telemetry:
    """What a runtime tells about its runs to the outside."""

    def __init__(
        self,
        provider: "TracerProvider | None" = None,
        *,
        content: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises UsageError for a variable that says what cannot be."""
        self._telling = telling(environ, content=content)
        self._own: SdkProvider | None = None
        if provider is None:
            provider = self._own = provider_from_env(environ)
        self._sink = None if provider is None else _sink(provider, self._telling)

    @property
    def on(self) -> bool:
        """Whether spans are made at all."""
        return self._sink is not None

    def watchers(self, log: Reader) -> list[Watcher]:
        """Whom the engine is to tell of its turns; no tracing when nobody would hear of it."""
        calls: Watcher = ProgramLog(log).committed
        if self._sink is None:
            return [calls]
        return [calls, Tracing(log, self._sink, self._telling).committed]

    def traceparent(self) -> str | None:
        """The caller's span, as the first record of a run that it starts carries it."""
        if self._sink is None:
            return None
        from opentelemetry.trace import get_current_span

        caller = get_current_span().get_span_context()
        if not caller.is_valid:
            return None
        return traceparent(caller.trace_id, caller.span_id, sampled=caller.trace_flags.sampled)

    def close(self) -> None:
        """Send what waits, if the provider is ours; the program's own goes on."""
        if self._own is not None:
            self._own.shutdown()


def telling(environ: Mapping[str, str] = os.environ, *, content: bool = False) -> Telling:
    """How spans are told, as the environment has it. Raises UsageError."""
    said = environ.get(CONTENT, "").strip().lower()
    captured = content or said in ("true", "1", "span_only", "span_and_event")
    return Telling(conventions(environ.get(CONVENTIONS) or "latest"), captured)


def provider_from_env(environ: Mapping[str, str] = os.environ) -> "SdkProvider | None":
    """A provider as the standard variables ask for it, with a batch processor; None if they do not.

    `environ` says which exporters; where to send, they read from the process's own variables.
    `shutdown` sends what waits. Raises UsageError for an exporter or a protocol that is unknown or
    not installed.
    """
    made = [_exporter(name, environ) for name in exporters(environ)]
    return _batching(made) if made else None


def otlp_provider(url: str | None = None) -> "SdkProvider":
    """A provider that sends to an OTLP endpoint: `url`, or where the standard variables say.

    Over HTTP, `url` may leave out the path: http://localhost:4318. Its `shutdown` sends what waits.
    Raises UsageError.
    """
    protocol = _protocol(os.environ)
    if url is not None and protocol != "grpc" and not urlsplit(url).path.strip("/"):
        url = url.rstrip("/") + "/v1/traces"
    return _batching([_otlp(protocol, url)])


def _batching(made: "Sequence[SpanExporter]") -> "SdkProvider":
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in said
    provider = SdkProvider(resource=Resource.create({} if named else {"service.name": "playhead"}))
    size = None if "OTEL_BSP_MAX_QUEUE_SIZE" in os.environ else QUEUE
    for exporter in made:
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=size))
    return provider


def exporters(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The span exporters that the standard variables ask for: none, otlp, console or both."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    asked = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if not asked:
        return ["otlp"] if any(environ.get(name) for name in ENDPOINTS) else []
    return [name for part in asked.split(",") if (name := part.strip()) not in ("", "none")]


def _exporter(name: str, environ: Mapping[str, str]) -> "SpanExporter":
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    if name == "otlp":
        return _otlp(_protocol(environ), None)
    msg = f"OTEL_TRACES_EXPORTER is {name!r}: choose otlp, console or none"
    raise UsageError(msg)


def _protocol(environ: Mapping[str, str]) -> str:
    found = (environ[variable] for variable in PROTOCOLS if environ.get(variable))
    return next(found, "http/protobuf").strip()


def _otlp(protocol: str, endpoint: str | None) -> "SpanExporter":
    """An OTLP exporter; what it is not told it reads from the process's own OTEL_* variables."""
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

        return Http(endpoint=endpoint)
    if protocol == "grpc":
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
                OTLPSpanExporter as Grpc,
            )
        except ImportError as error:
            missing = "OTLP over gRPC is not installed: pip install playhead[otlp-grpc]"
            raise UsageError(missing) from error
        return Grpc(endpoint=endpoint)
    unknown = f"OTLP protocol {protocol!r}: choose http/protobuf or grpc"
    raise UsageError(unknown)


def export_trace(
    log: Reader,
    run: str,
    provider: "TracerProvider",
    *,
    content: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Give a recorded run's spans to a provider, ids and times as they were live; how many.

    An open run's own span is missing: it comes with the end. Sampling is the provider's.
    Raises UnknownRun, LogDamaged and UsageError.
    """
    told = telling(environ, content=content)
    trace, turns = recorded_trace(log, run, told)
    sink = _sink(provider, told)
    if sink is None or not sink.wants(trace):
        return 0
    count = unsent = 0
    for spans in turns:
        sink.emit(trace, spans)
        count, unsent = count + len(spans), unsent + len(spans)
        if unsent >= FLUSH:
            unsent = 0
            _flush(provider)
    _flush(provider)
    return count


def _flush(provider: "TracerProvider") -> None:
    flush = getattr(provider, "force_flush", None)
    if flush is not None:
        flush()


def _sink(provider: "TracerProvider", told: Telling) -> Sink | None:
    from playhead.otel_spans import sink_of

    return sink_of(provider, told.names)
