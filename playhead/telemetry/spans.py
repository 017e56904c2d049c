"""Converts span data to OpenTelemetry spans. Imported only when tracing is on.

With the SDK's tracer a finished `ReadableSpan` with our own ids goes straight to its processor:
nothing of a live span's locks, limits and clocks is needed for what has ended already. Another
tracer is asked for spans of its own, with our times; their ids are then its own too.
"""

from collections.abc import Callable, Sequence

from opentelemetry.context import Context, attach
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
    TraceState,
    set_span_in_context,
)

from playhead.actors.tracing import Sink
from playhead.events.version import VERSION
from playhead.projections.tracing.call_spans import EffectSpan
from playhead.projections.tracing.semconv import SCHEMA_URL
from playhead.projections.tracing.span import SpanData
from playhead.projections.tracing.trace import Trace

KINDS = {
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
UNSET = Status(StatusCode.UNSET)
ERROR = Status(StatusCode.ERROR)


def sink_of(provider: TracerProvider) -> Sink | None:
    """Where spans go with this provider; None if it is disabled."""
    tracer = provider.get_tracer("playhead", VERSION, SCHEMA_URL)
    if isinstance(tracer, SdkTracer):
        return SdkSink(tracer, InstrumentationScope("playhead", VERSION, SCHEMA_URL))
    return None if isinstance(tracer, NoOpTracer) else TracerSink(tracer)


def _surrounding(trace: Trace) -> SpanContext | None:
    """The caller's span."""
    origin = trace.origin
    if origin.parent is None:
        return None
    return SpanContext(origin.trace, origin.parent, True, _flags(origin.sampled))


def _links(span: SpanData, of: Callable[[int], SpanContext | None]) -> list[Link]:
    own = [Link(context) for link in span.links if (context := of(link))]
    sampled = _flags(sampled=True)
    return own + [Link(SpanContext(t, s, True, sampled)) for t, s in span.elsewhere]


def _context(parent: SpanContext | None) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()


def _flags(sampled: bool) -> TraceFlags:
    return TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)


class SdkSink:
    """Hands finished spans to the processor of the SDK's tracer. Its sampler decides once a run."""

    def __init__(self, tracer: SdkTracer, scope: InstrumentationScope) -> None:
        self._tracer = tracer
        self._scope = scope
        self._sampled: dict[str, tuple[TraceFlags, TraceState | None]] = {}

    def wants(self, trace: Trace) -> bool:
        """Ask the sampler about the run's root span."""
        context = _context(_surrounding(trace))
        result = self._tracer.sampler.should_sample(
            context, trace.origin.trace, trace.name, SpanKind.INTERNAL, trace.attributes()
        )
        if result.decision is Decision.DROP:
            return False
        sampled = result.decision is Decision.RECORD_AND_SAMPLE
        self._sampled[trace.run] = _flags(sampled), result.trace_state
        return True

    def emit(self, trace: Trace, spans: Sequence[SpanData]) -> None:
        """Make the spans and hand them over."""
        if not spans:
            return
        flags, state = self._sampled[trace.run]
        number = trace.origin.trace
        known: dict[int | None, SpanContext | None] = {trace.origin.parent: _surrounding(trace)}

        def context(span: int | None) -> SpanContext | None:
            found = known.get(span)
            if found is None and span is not None:
                found = known[span] = SpanContext(number, span, False, flags, state)
            return found

        on_end, resource = self._tracer.span_processor.on_end, self._tracer.resource
        for span in spans:
            on_end(
                ReadableSpan(
                    span.name, context(span.id), context(span.parent), resource, span.attributes,
                    [Event(e.name, e.attributes, e.at) for e in span.events] if span.events else (),
                    _links(span, context) if span.links or span.elsewhere else (),
                    KINDS[span.kind], None, _status(span) if span.failed else UNSET,
                    span.start, span.end, self._scope,
                )
            )  # fmt: skip
        if spans[-1].id == trace.root:
            del self._sampled[trace.run]

    def enter(self, trace: Trace, effect: EffectSpan | None) -> None:
        """A span that does not record stands for the one that is emitted, with the same ids."""
        span = trace.root if effect is None else effect.id(trace.run)
        flags, state = self._sampled.get(trace.run) or (_flags(sampled=False), None)
        of_effect = SpanContext(trace.origin.trace, span, False, flags, state)
        attach(set_span_in_context(NonRecordingSpan(of_effect)))


class TracerSink:
    """Asks a tracer that is not the SDK's for spans, each started and ended at our times."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._spans: dict[str, dict[int, Span]] = {}
        """Run -> the spans that later ones may hang on or link to."""

    def wants(self, trace: Trace) -> bool:
        """Start the root span: the tracer decides on it as on any other."""
        root = self._tracer.start_span(
            trace.name, _context(_surrounding(trace)), SpanKind.INTERNAL, trace.attributes(),
            start_time=trace.first.at * 1000,
        )  # fmt: skip
        self._spans[trace.run] = {trace.root: root}
        return root.is_recording()

    def emit(self, trace: Trace, spans: Sequence[SpanData]) -> None:
        """Start and end them."""
        made = self._spans[trace.run]
        for data in spans:
            span = made.get(data.id) or self._start(trace, made, data)
            made[data.id] = span
            span.set_attributes(data.attributes)
            for event in data.events:
                span.add_event(event.name, event.attributes, event.at)
            if data.id == trace.root:
                for link in _links(data, lambda _: None):
                    span.add_link(link.context)
            if data.failed:
                span.set_status(_status(data))
            span.end(data.end)
        if spans and spans[-1].id == trace.root:
            del self._spans[trace.run]

    def enter(self, trace: Trace, effect: EffectSpan | None) -> None:
        """Start the span of a tool call now, for its id is the tracer's own.

        So it begins with its intent: what it waited for a free worker belongs to it.
        """
        made = self._spans[trace.run]
        span = made[trace.root]
        if effect is not None and effect.requested is not None:
            parent = made.get(effect.parent) or span
            span = made[effect.id(trace.run)] = self._tracer.start_span(
                effect.name, set_span_in_context(parent, Context()), KINDS[effect.span_kind],
                start_time=effect.intent.at * 1000,
            )  # fmt: skip
        attach(set_span_in_context(span))

    def _start(self, trace: Trace, made: dict[int, Span], data: SpanData) -> Span:
        parent = made.get(data.parent or 0) or made[trace.root]
        links = _links(data, lambda i: made[i].get_span_context() if i in made else None)
        return self._tracer.start_span(
            data.name, set_span_in_context(parent, Context()), KINDS[data.kind], None, links,
            data.start,
        )  # fmt: skip


def _status(span: SpanData) -> Status:
    return Status(StatusCode.ERROR, span.description) if span.description else ERROR


class Observed(SpanExporter):
    """An exporter that reports the result of each batch."""

    def __init__(self, exporter: SpanExporter, sent: Callable[[int, bool], None]) -> None:
        self._exporter = exporter
        self._sent = sent

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them on, and tell."""
        result = self._exporter.export(spans)
        self._sent(len(spans), result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)
