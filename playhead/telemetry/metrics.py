"""OpenTelemetry metrics under the GenAI conventions' names. Imported only when they are wanted."""

from collections import Counter
from collections.abc import Mapping

from opentelemetry.metrics import MeterProvider

from playhead.events.event import Event
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolDeferred,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from playhead.events.record import Record
from playhead.events.spec.prices import PICODOLLARS
from playhead.events.version import VERSION
from playhead.projections.metrics.call_stats import BOUNDS
from playhead.projections.metrics.run_metrics import RunMetrics, stops
from playhead.projections.tracing import semconv
from playhead.projections.tracing.span import error_of
from playhead.telemetry.live_metrics import LiveMetrics

TOKEN_BOUNDS = [4**n for n in range(14)]
"""As the conventions advise: 1, 4, 16 ... 67,108,864."""


class OtelMetrics:
    """A listener of LiveMetrics that records on the instruments of one meter."""

    def __init__(self, provider: MeterProvider, live: LiveMetrics) -> None:
        """What already waits for a person counts from now on, until `close`."""
        meter = provider.get_meter("playhead", VERSION, semconv.SCHEMA_URL)
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
            semconv.METRIC_RUN_DURATION, "s", "Length of a run, without waiting for people.",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )  # fmt: skip
        self._steps = meter.create_histogram(semconv.METRIC_STEPS, "{step}", "Rounds of a run.")
        self._cost = meter.create_counter(semconv.METRIC_COST, "USD", "Where prices are known.")
        self._retries = meter.create_counter(semconv.METRIC_RETRIES, "{attempt}", "Second tries.")
        self._guards = meter.create_counter(semconv.METRIC_GUARDS, "{stop}", "Limits and loops.")
        self._waiting = meter.create_up_down_counter(
            semconv.METRIC_APPROVALS, "{call}", "Calls that wait for a person."
        )
        self._waits: dict[str, Counter[str]] = {}
        """Run -> agent -> how many of its calls are counted as waiting."""
        for metrics in live.open.values():
            self.folded(metrics)

    def folded(self, metrics: RunMetrics) -> None:
        """Count what waits for a person now."""
        self._wait(metrics.run, Counter({metrics.agent: len(metrics.approvals)}))

    def close(self) -> None:
        """Subtract what still waits: the next process, or runtime, counts it again."""
        for run in list(self._waits):
            self._wait(run, Counter())

    def _wait(self, run: str, now: Counter[str]) -> None:
        change = now.copy()
        change.subtract(self._waits.pop(run, Counter()))
        for agent, count in change.items():
            if count:
                self._waiting.add(count, {semconv.AGENT: agent})
        if now.total():
            self._waits[run] = now

    def record(self, metrics: RunMetrics, record: Record) -> None:
        """Record what a record says."""
        event = record.event
        match event:
            case ModelCall(model=model, attempt=attempt):
                self._try(attempt, {semconv.AGENT: metrics.agent, semconv.REQUEST_MODEL: model})
            case AttemptStarted(call=call, attempt=attempt):
                tool = metrics.requested_calls.get(call, "")
                self._try(attempt, {semconv.AGENT: metrics.agent, semconv.TOOL: tool})
            case _ if stops(event):
                self._guards.add(1, {semconv.AGENT: metrics.agent})
            case _:
                self._outcome(metrics.open.get(record.cause or 0, ""), event)

    def _try(self, attempt: int, about: Mapping[str, str]) -> None:
        if attempt > 1:
            self._retries.add(1, about)

    def _outcome(self, name: str, event: Event) -> None:
        match event:
            case ModelAnswered(usage=usage):
                about = self._model(name) | {semconv.RESPONSE_MODEL: event.model}
                self._duration.record(event.duration_ms / 1000, about)
                for word, count in (("input", usage.input_total), ("output", usage.output_tokens)):
                    self._tokens.record(count, about | {semconv.TOKEN_TYPE: word})
            case ModelFailed():
                self._took(event.duration_ms, self._model(name), event)
            case ToolSucceeded() | ToolFailed() | ToolDeferred():
                self._took(event.duration_ms, self._tool(name), event)
            case ToolOutcomeUnknown():
                self._took(None, self._tool(name), event)
            case _:
                pass

    def ended(self, metrics: RunMetrics) -> None:
        """Record the totals of a run."""
        about = {semconv.AGENT: metrics.agent, semconv.STATUS: metrics.status}
        self._runs.add(1, about)
        self._run_duration.record(metrics.seconds, about)
        self._steps.record(metrics.steps, about)
        for model, effects in metrics.models.items():
            of = {semconv.AGENT: metrics.agent, semconv.REQUEST_MODEL: model}
            self._cost.add(effects.cost / PICODOLLARS, of)

    def _took(self, ms: float | None, about: Mapping[str, str], event: Event) -> None:
        error, _ = error_of(event)
        said = dict(about) if error is None else {**about, semconv.ERROR_TYPE: error}
        self._duration.record((ms or 0.0) / 1000, said)

    def _model(self, name: str) -> dict[str, str]:
        return {
            semconv.OPERATION: semconv.CHAT,
            semconv.PROVIDER_NAME: semconv.provider(name),
            semconv.REQUEST_MODEL: name,
        }

    def _tool(self, name: str) -> dict[str, str]:
        return {semconv.OPERATION: semconv.EXECUTE_TOOL, semconv.TOOL: name}
