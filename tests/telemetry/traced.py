"""Runs with spans kept in memory, and spans as plain values that can be compared."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from playhead import Agent, Limits, Retry, Runtime, Telemetry, ToolError, tool
from playhead.events.log.contract import Log
from playhead.telemetry.setup import export_trace
from playhead.testing import Scripted, ScriptedModel


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(effect="read")
def fail(why: str) -> str:
    """Fail, for a reason."""
    raise ToolError(why)


class Seen(NamedTuple):
    """All of a span that somebody could see."""

    name: str
    trace: int
    id: int
    parent: int | None
    start: int | None
    end: int | None
    kind: str
    status: str
    description: str | None
    attributes: tuple[tuple[str, Any], ...]
    events: tuple[tuple[str, int, tuple[tuple[str, Any], ...]], ...]
    links: tuple[int, ...]

    @property
    def about(self) -> dict[str, Any]:
        """The attributes."""
        return dict(self.attributes)


class _Counting(SpanProcessor):
    def __init__(self, spans: "Spans") -> None:
        self._spans = spans

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.made += 1


class Spans:
    """A provider of the SDK whose spans stay here."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self.made = 0
        """Span objects that reached the processors, sampled or not."""
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.provider.add_span_processor(_Counting(self))

    def seen(self) -> list[Seen]:
        """In the order in which they came."""
        return [seen(span) for span in self._exporter.get_finished_spans()]

    def finished(self) -> Sequence[ReadableSpan]:
        """As the SDK has them."""
        return self._exporter.get_finished_spans()

    def one(self, name: str) -> Seen:
        """The only span of that name, copies left out."""
        (found,) = {span for span in self.seen() if span.name == name}
        return found


def seen(span: ReadableSpan) -> Seen:
    """A span of the SDK as a plain value."""
    context = span.context
    assert context is not None
    assert context.trace_flags.sampled
    return Seen(
        span.name, context.trace_id, context.span_id,
        None if span.parent is None else span.parent.span_id, span.start_time, span.end_time,
        span.kind.name, span.status.status_code.name, span.status.description,
        tuple(sorted((span.attributes or {}).items())),
        tuple((e.name, e.timestamp, tuple(sorted((e.attributes or {}).items())))
              for e in span.events),
        tuple(link.context.span_id for link in span.links),
    )  # fmt: skip


def agent(script: Sequence[Scripted], **more: Any) -> Agent[str]:
    """An agent that adds and fails as the script says; it does not wait before it tries again."""
    more = {"tools": [add, fail], "retry": Retry(attempts=2, base=0.0), **more}
    return Agent(name="adder", instructions="Add.", model=ScriptedModel(script), **more)


FEW = Limits(max_steps=6, max_tool_calls=4)


@contextmanager
def tracing(
    log: Log, spans: Spans, someone: Agent[str], *, content: bool = False
) -> Generator[Runtime]:
    """A runtime whose spans are kept, also after it is closed."""
    telemetry = Telemetry(tracer_provider=spans.provider, content=content)
    with Runtime(log, agents=[someone], telemetry=telemetry) as runtime:
        yield runtime


def recorded(log: Log, run: str, **more: Any) -> list[Seen]:
    """The run's spans as they are rebuilt from the log."""
    spans = Spans()
    assert export_trace(log, run, spans.provider, **more) == len(spans.seen())
    return spans.seen()
