"""OpenTelemetry metrics under the GenAI conventions' names. Imported only when they are wanted."""

from collections.abc import Iterable, Mapping

from opentelemetry.metrics import MeterProvider

from playhead.events.kinds import ENDINGS
from playhead.events.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.prices import PICODOLLARS
from playhead.events.record import Record
from playhead.events.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolStarted,
    ToolSucceeded,
)
from playhead.events.version import VERSION
from playhead.measures import LiveMeasures
from playhead.projections import semconv
from playhead.projections.effects import BOUNDS
from playhead.projections.measure import Measure, stops
from playhead.projections.semconv import Names
from playhead.projections.span_data import error_of

ENDS_A_WAIT = frozenset({"approval_decided", "tool_refused", "time_reached"})
"""Kinds after which a call does not wait for a person any more."""

TOKEN_BOUNDS = [4**n for n in range(14)]
"""As the conventions advise: 1, 4, 16 ... 67,108,864."""


class OtelMetrics:
    """A listener of LiveMeasures that records on the instruments of one meter."""

    def __init__(self, provider: MeterProvider, names: Names, live: LiveMeasures) -> None:
        """What already waits for a person counts from now on, until `close`."""
        meter = provider.get_meter("playhead", VERSION, names.schema_url)
        self._names = names
        self._duration = meter.create_histogram(
            semconv.METRIC_DURATION, "s", "Length of a model or tool call.",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )  # fmt: skip
        self._tokens = meter.create_histogram(
            semconv.METRIC_TOKENS, "{token}", "Tokens of a model call.",
            explicit_bucket_boundaries_advisory=TOKEN_BOUNDS,
        )  # fmt: skip
        self._runs = meter.create_counter(semconv.METRIC_RUNS, "{run}", "Runs that have ended.")
        self._run_duration = meter.create_histogram(
            semconv.METRIC_RUN_DURATION, "s", "Length of a run, without waiting for people."
        )
        self._steps = meter.create_histogram(semconv.METRIC_STEPS, "{step}", "Rounds of a run.")
        self._cost = meter.create_counter(semconv.METRIC_COST, "USD", "Where prices are known.")
        self._retries = meter.create_counter(semconv.METRIC_RETRIES, "{attempt}", "Second tries.")
        self._guards = meter.create_counter(semconv.METRIC_GUARDS, "{stop}", "Limits and loops.")
        self._waiting = meter.create_up_down_counter(
            semconv.METRIC_APPROVALS, "{call}", "Calls that wait for a person."
        )
        self._live = live
        self._wait(live.open.values(), 1)

    def close(self) -> None:
        """Take back what still waits: the next process, or runtime, counts it as its own."""
        self._wait(self._live.open.values(), -1)

    def _wait(self, measures: Iterable[Measure], sign: int) -> None:
        for measure in measures:
            if measure.approvals:
                self._waiting.add(sign * len(measure.approvals), {semconv.AGENT: measure.agent})

    def record(self, measure: Measure, record: Record) -> None:
        """Record what a record says."""
        event = record.event
        name = measure.open.get(record.cause or 0, "")
        match event:
            case ModelAnswered(usage=usage):
                about = self._model(name) | {semconv.RESPONSE_MODEL: event.model}
                self._duration.record(event.duration_ms / 1000, about)
                for word, count in (("input", usage.input_total), ("output", usage.output_tokens)):
                    self._tokens.record(count, about | {semconv.TOKEN_TYPE: word})
            case ModelFailed():
                self._took(event.duration_ms, self._model(name), event)
            case ToolSucceeded() | ToolFailed():
                self._took(event.duration_ms, self._tool(name), event)
            case ToolOutcomeUnknown():
                self._took(None, self._tool(name), event)
            case ModelRequested(attempt=attempt, model=model) if attempt > 1:
                self._retries.add(1, {semconv.AGENT: measure.agent, semconv.REQUEST_MODEL: model})
            case ToolStarted(attempt=attempt, call=call) if attempt > 1:
                tool = measure.wishes.get(call, "")
                self._retries.add(1, {semconv.AGENT: measure.agent, semconv.TOOL: tool})
            case _:
                self._guard(measure, record)

    def _guard(self, measure: Measure, record: Record) -> None:
        """What stops a run, and what makes it wait for a person."""
        about = {semconv.AGENT: measure.agent}
        event, call = record.event, getattr(record.event, "call", None)
        if event.kind == "approval_requested":
            self._waiting.add(1, about)
        elif event.kind in ENDINGS:
            self._wait([measure], -1)
        elif call in measure.approvals and event.kind in ENDS_A_WAIT:
            self._waiting.add(-1, about)
        elif stops(event):
            self._guards.add(1, about)

    def ended(self, measure: Measure) -> None:
        """Record a run as a whole."""
        about = {semconv.AGENT: measure.agent, semconv.STATUS: measure.status}
        self._runs.add(1, about)
        self._run_duration.record(measure.seconds, about)
        self._steps.record(measure.steps, about)
        for model, effects in measure.models.items():
            of = {semconv.AGENT: measure.agent, semconv.REQUEST_MODEL: model}
            self._cost.add(effects.cost / PICODOLLARS, of)

    def _took(self, ms: float | None, about: Mapping[str, str], event: object) -> None:
        error, _ = error_of(event)  # type: ignore[arg-type]
        said = dict(about) if error is None else {**about, semconv.ERROR_TYPE: error}
        self._duration.record((ms or 0.0) / 1000, said)

    def _model(self, name: str) -> dict[str, str]:
        return {
            semconv.OPERATION: semconv.CHAT,
            self._names.provider: semconv.PROVIDER,
            semconv.REQUEST_MODEL: name,
        }

    def _tool(self, name: str) -> dict[str, str]:
        return {semconv.OPERATION: semconv.EXECUTE_TOOL, semconv.TOOL: name}
