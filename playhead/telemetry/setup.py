"""Telemetry as the runtime sets it up: the program's providers, or made from the OTEL_* variables.

Nothing global is read or set: no global provider, no signal handler. Without a provider and without
an exporter asked for, the SDK is not even imported. Metrics: `playhead.telemetry.exporters`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playhead.actors.engine.engine import Watcher
from playhead.actors.tracing import Sink, Tracing, recorded_trace
from playhead.events.errors import UsageError
from playhead.events.log.contract import Reader
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.tracing.ids import traceparent
from playhead.settings import Telemetry
from playhead.telemetry.alerts import AlertMonitor
from playhead.telemetry.call_log import ProgramLog
from playhead.telemetry.exporters import (
    NO_GRPC,
    asked_for,
    meter_provider_from_env,
    protocol,
    resource,
)
from playhead.telemetry.live_metrics import Listener, LiveMetrics

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import TracerProvider

    from playhead.telemetry.metrics import OtelMetrics

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

QUEUE = 16_384
"""Spans that may wait to be sent, unless OTEL_BSP_MAX_QUEUE_SIZE says so; more are dropped."""

FLUSH = 500
"""Spans given to a provider between two flushes when a recorded run is exported."""


class Reporting:
    """What a runtime exports about its runs, as `Telemetry` and the OTEL_* variables say."""

    def __init__(self, wanted: Telemetry, environ: Mapping[str, str] = os.environ) -> None:
        """Raises UsageError for an invalid environment variable."""
        self._alerts = wanted.alerts
        self._alert_monitor: AlertMonitor | None = None
        self._own_meters: SdkMeterProvider | None = None
        self._metrics: OtelMetrics | None = None
        meter_provider, provider = wanted.meter_provider, wanted.tracer_provider
        if meter_provider is None:
            meter_provider = self._own_meters = meter_provider_from_env(environ)
        self._meter_provider = meter_provider
        self._content = wanted.content or content_asked_for(environ)
        self._own: SdkProvider | None = None
        if provider is None:
            provider = self._own = provider_from_env(environ)
        self._sink = None if provider is None else _sink(provider)
        self.entering: Callable[[str, int], None] | None = None
        """Makes the span of an effect the current one, once there are watchers."""

    @property
    def on(self) -> bool:
        """Whether spans are made at all."""
        return self._sink is not None

    @property
    def rules(self) -> Sequence[AlertRule]:
        """Targets and alerts: the program's, or the default ones."""
        return ALERT_RULES if self._alerts is None else self._alerts.rules

    def watchers(self, log: Reader) -> list[Watcher]:
        """The watchers that the engine tells of its turns; only those that export something."""
        found: list[Watcher] = [ProgramLog(log).committed]
        if self._sink is not None:
            tracing = Tracing(log, self._sink, content=self._content)
            found.append(tracing.committed)
            self.entering = tracing.entering
        if self._meter_provider is not None or self._alerts is not None:
            found.append(self._measuring(log).committed)
        return found

    def _measuring(self, log: Reader) -> LiveMetrics:
        listeners: list[Listener] = []
        live = LiveMetrics(log, listeners)
        if self._meter_provider is not None:
            from playhead.telemetry.metrics import OtelMetrics

            self._metrics = OtelMetrics(self._meter_provider, live)
            listeners.append(self._metrics)
        if self._alerts is not None:
            self._alert_monitor = AlertMonitor(self._alerts, log)
            listeners.append(self._alert_monitor)
        return live

    def traceparent(self) -> str | None:
        """The caller's span, as the first record of a run that it starts carries it."""
        if self._sink is None:
            return None
        from opentelemetry.trace import get_current_span

        caller = get_current_span().get_span_context()
        if not caller.is_valid:
            return None
        return traceparent(caller.trace_id, caller.span_id, sampled=caller.trace_flags.sampled)

    def judged(self, agent: str, run: str, *, passed: bool) -> None:
        """Evaluators have judged a run: its agent's alerts may change."""
        if self._alert_monitor is not None:
            self._alert_monitor.judged(agent, run, passed=passed)

    def close(self) -> None:
        """Flush and close our own provider; the program's stays open."""
        if self._alert_monitor is not None:
            self._alert_monitor.close()
        if self._metrics is not None:
            self._metrics.close()
        if self._own is not None:
            self._own.shutdown()
        if self._own_meters is not None:
            self._own_meters.shutdown()


def content_asked_for(environ: Mapping[str, str]) -> bool:
    """Whether the standard variable asks for messages on spans."""
    return environ.get(CONTENT, "").strip().lower() in ("true", "1", "span_only", "span_and_event")


def provider_from_env(environ: Mapping[str, str] = os.environ) -> "SdkProvider | None":
    """A provider as the standard variables ask for it, with a batch processor; None if they do not.

    `environ` says which exporters; where to send, they read from the process's own variables.
    `shutdown` sends what waits. Raises UsageError for an exporter or a protocol that is unknown or
    not installed.
    """
    made = [_exporter(name, environ) for name in exporters(environ)]
    return _batching(made) if made else None


def otlp_provider(
    url: str | None = None, *, sent: Callable[[int, bool], None] | None = None
) -> "SdkProvider":
    """A provider that sends to an OTLP endpoint: `url`, or where the standard variables say.

    Over HTTP, `url` may leave out the path: http://localhost:4318. Its `shutdown` sends what waits.
    `sent` is called with the size of each batch and whether it was accepted. Raises UsageError.
    """
    way = protocol(os.environ, "TRACES")
    if url is not None and way != "grpc" and not urlsplit(url).path.strip("/"):
        url = url.rstrip("/") + "/v1/traces"
    exporter = _otlp(way, url)
    if sent is not None:
        from playhead.telemetry.spans import Observed

        exporter = Observed(exporter, sent)
    return _batching([exporter])


def _batching(made: "Sequence[SpanExporter]") -> "SdkProvider":
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = SdkProvider(resource=resource())
    size = None if "OTEL_BSP_MAX_QUEUE_SIZE" in os.environ else QUEUE
    for exporter in made:
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=size))
    return provider


def exporters(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The span exporters that the standard variables ask for: none, otlp, console or both."""
    return asked_for(environ, "OTEL_TRACES_EXPORTER", *ENDPOINTS)


def _exporter(name: str, environ: Mapping[str, str]) -> "SpanExporter":
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    if name == "otlp":
        return _otlp(protocol(environ, "TRACES"), None)
    msg = f"OTEL_TRACES_EXPORTER is {name!r}: choose otlp, console or none"
    raise UsageError(msg)


def _otlp(way: str, endpoint: str | None) -> "SpanExporter":
    """An OTLP exporter; what it is not told it reads from the process's own OTEL_* variables."""
    if way == "grpc":
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
                OTLPSpanExporter as Grpc,
            )
        except ImportError as error:
            raise UsageError(NO_GRPC) from error
        return Grpc(endpoint=endpoint)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(endpoint=endpoint)


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
    content = content or content_asked_for(environ)
    trace, turns = recorded_trace(log, run, content=content)
    sink = _sink(provider)
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


def _sink(provider: "TracerProvider") -> Sink | None:
    from playhead.telemetry.spans import sink_of

    return sink_of(provider)
