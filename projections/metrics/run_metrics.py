"""The metrics of one run: counts by tool and by model, waiting, cost. A pure fold.

The same fold runs live, over what is committed, and in the stored view `run_metrics`, over the log:
so both give the same indicators. It is plain data, so that the view can keep it between two looks
at the log.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from pydantic import Field

from playhead.events.event import Event
from playhead.events.kinds import approvals, child_runs, forks, guardrails, runs, tool_calls
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, INTENTS, OUTCOMES
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.prices import PICODOLLARS
from playhead.events.usage import Usage
from playhead.projections.cost.ledger import LEFT
from playhead.projections.cost.pricing import Charge, charge, sum_usage
from playhead.projections.cost.targets import longest
from playhead.projections.metrics.call_stats import (
    CallStats,
    ModelCallStats,
    StatsPart,
    ToolCallStats,
)

NOT_THE_TOOLS_FAULT = frozenset({"denied", "stopped", "limit"})
"""Refusals that say nothing against a tool or the way it was called."""

UNBILLED = Charge(None, 0, 0, estimated=False)
"""A fork's call that was answered from the records of its parent, which has paid for it."""


class PendingModelCall(StatsPart):
    """A model call under way: the most that it can cost and say."""

    batch: str | None = None
    """The batch that it asks about; empty for one that is to be made."""
    step: str = ""
    reserved: int | None = None
    """Picodollars."""
    max_tokens: int = 0


class RunMetrics(StatsPart):
    """Counts of one run; `fold` takes in its next record, O(1), and skips one it has counted."""

    run: str = ""
    own: bool = False
    """Count only what a fork did itself, not what it shares with the run it was forked from."""
    seq: int = 0
    """The last record counted."""
    agent: str = ""
    status: str = "running"
    started_at: int = 0
    """Microseconds since the epoch, as all times here."""
    last_at: int = 0
    steps: int = 0
    """Rounds: model calls, not counting retries."""
    model_calls: int = 0
    """Attempts, retries included."""
    tool_calls: int = 0
    """Calls that the model requested, whether they started or not."""
    tool_errors: int = 0
    """Failed attempts, refused calls, unknown outcomes."""
    children: int = 0
    """Runs started by calls of agents."""
    below: child_runs.Spending = Field(default_factory=child_runs.Spending)
    """What those runs, and the runs that they started, used."""
    guard_stops: int = 0
    """How often a limit, a loop or a time limit stopped it."""
    verdicts: dict[str, int] = Field(default_factory=dict)
    """Verdicts of guardrails: allow, block, replace or ask_again, and how many."""
    waited: int = 0
    """Microseconds in which it only waited for people: approvals and pauses, nothing under way."""
    tools: dict[str, ToolCallStats] = Field(default_factory=dict)
    models: dict[str, ModelCallStats] = Field(default_factory=dict)
    approvals: set[int] = Field(default_factory=set)
    """Calls (or plans) that wait for a person."""
    paused: bool = False
    judged: bool | None = None
    """Whether evaluators passed it, after its end; None if none has judged it."""
    spec: AgentSpec | None = None
    """The agent, without its tools: its prices, and how long replies can be."""
    requested_calls: dict[int, str] = Field(default_factory=dict)
    """Tool calls that have not ended."""
    open: dict[int, str] = Field(default_factory=dict)
    """Intents under way: seq -> tool or model."""
    asked: dict[int, PendingModelCall] = Field(default_factory=dict)
    """Model calls under way."""
    batched: dict[str, tuple[str, PendingModelCall]] = Field(default_factory=dict)
    """By step: the model, and the call that a batch holds."""
    waits_since: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDINGS.values()

    @property
    def duration(self) -> float:
        """Seconds from the first record to the last."""
        return (self.last_at - self.started_at) / 1_000_000

    @property
    def seconds(self) -> float:
        """Seconds from the first record to the last, excluding time spent waiting for people."""
        return self.duration - self.waited / 1_000_000

    @property
    def usage(self) -> Usage:
        """Tokens of all model calls; of one that broke off, the most it can have used."""
        return reduce(sum_usage, (model.usage for model in self.models.values()), Usage())

    @property
    def tokens(self) -> int:
        """All that went in and came out."""
        return sum(model.usage.total for model in self.models.values())

    @property
    def model_failures(self) -> int:
        """Attempts of model calls that failed."""
        return sum(model.errors for model in self.models.values())

    @property
    def cost(self) -> int:
        """Picodollars, of the calls whose price is known."""
        return sum(model.cost for model in self.models.values())

    @property
    def unpriced(self) -> int:
        """Model calls that ended and whose price is not known."""
        return sum(model.unpriced for model in self.models.values())

    @property
    def known_cost(self) -> int | None:
        """Picodollars of all calls; None if the price of any is not known."""
        return None if self.unpriced else self.cost

    @property
    def dollars(self) -> float | None:
        """What the run cost, in US dollars; None if the price of any call is not known."""
        return None if self.unpriced else self.cost / PICODOLLARS

    @property
    def saved_dollars(self) -> float:
        """What the prompt cache saved, in US dollars; negative if it cost more than it saved."""
        uncached = sum(model.uncached for model in self.models.values())
        return (uncached - self.cost) / PICODOLLARS

    @property
    def cached_share(self) -> float:
        """The share of the input tokens that was read from the prompt cache, from 0 to 1."""
        usage = self.usage
        return usage.cache_read_input_tokens / max(1, usage.input_total)

    def fold(self, record: Record) -> None:
        """Count the run's next record."""
        if record.seq <= self.seq:
            return
        self.seq = record.seq
        self.started_at = self.started_at or record.at
        kind = record.event.kind
        if kind in OUTCOMES:
            self._outcome(record)
        elif kind in INTENTS:
            self._intent(record)
        elif kind in ENDINGS:
            self._end(ENDINGS[kind])
        elif (folder := _FOLDS.get(kind)) is not None:
            folder(self, record, record.event)
        self.last_at = record.at
        self._watch_the_wait(record.at)

    def take(self, agent: AgentSpec) -> None:
        """Whose run it is, and what its models cost."""
        self.agent = agent.name
        self.spec = agent.model_copy(
            update={"tools": (), "instructions": "", "output_schema": None}
        )

    def _intent(self, record: Record) -> None:
        name = ""
        match record.event:
            case ModelCall(model=name) as event:
                if not event.batch:
                    self.model_calls += 1
                    self.model(name).retries += event.attempt > 1
                self.steps += event.opens_round
                self.batched.pop(record.event.step, None)
                self.asked[record.seq] = PendingModelCall(
                    batch=event.batch,
                    step=event.step,
                    reserved=event.reserved_cost,
                    max_tokens=0 if self.spec is None else longest(self.spec, event),
                )
            case tool_calls.AttemptStarted(call=call, attempt=attempt) if (
                call in self.requested_calls
            ):
                name = self.requested_calls[call]
                self.tool(name).retries += attempt > 1
            case _:
                pass
        self.open[record.seq] = name

    def _in_batch(self, intent: int, failed: ModelFailed) -> bool:
        asked = self.asked.get(intent)
        if asked is None or asked.batch is None:
            return False
        return failed.batch is not None or (bool(asked.batch) and failed.retryable)

    def _outcome(self, record: Record) -> None:  # noqa: C901 - a table of kinds
        event, intent = record.event, record.cause or 0
        if isinstance(event, tool_calls.ToolFailed | tool_calls.ToolOutcomeUnknown):
            self.tool_errors += 1
        elif isinstance(event, child_runs.ChildFinished):
            self.children += 1
            self.tool_errors += event.status != "finished"
            self.below = _together(self.below, event.spent)
        name = self.open.pop(intent, "")
        if not name:
            return  # another kind of effect, or one from before a fork
        stats: CallStats
        match event:
            case ModelFailed() as failed if self._in_batch(intent, failed):
                asked = self.asked.pop(intent)
                self.batched[asked.step] = name, asked  # its batch may still answer it
                return
            case ModelAnswered() | ModelFailed() if intent in self.asked:
                stats = self.model(name)
                stats.errors += isinstance(event, ModelFailed)
                stats.add(self._charge(record, event, name, self.asked.pop(intent)))
            case tool_calls.ToolSucceeded() | tool_calls.ToolDeferred():
                stats = self.tool(name)
                stats.cached += bool(getattr(event, "cached", False))
            case tool_calls.ToolFailed() | tool_calls.ToolOutcomeUnknown():
                stats = self.tool(name)
                stats.errors += 1
            case _:
                return
        stats.attempts += 1
        took = getattr(event, "duration_ms", None)
        if took is not None:
            stats.durations.add(took / 1000)

    def _charge(
        self,
        record: Record,
        end: ModelAnswered | ModelFailed,
        model: str,
        asked: PendingModelCall,
    ) -> Charge:
        if record.actor == "runtime":
            usage = end.usage if isinstance(end, ModelAnswered) else None
            return UNBILLED._replace(usage=usage)
        prices = {} if self.spec is None else self.spec.prices
        return charge(end, prices.get, model, asked.reserved, asked.max_tokens)

    def _end(self, status: str) -> None:
        self.status, self.paused = status, False
        for model, asked in self.batched.values():  # the API bills it, and nobody reads it
            prices = {} if self.spec is None else self.spec.prices
            unread = charge(LEFT, prices.get, model, asked.reserved, asked.max_tokens)
            self.model(model).add(unread)
        self.batched.clear()
        for left in (self.approvals, self.requested_calls, self.open, self.asked):
            left.clear()

    def _watch_the_wait(self, at: int) -> None:
        waits = not self.open and (self.paused or bool(self.approvals)) and not self.ended
        if self.waits_since is not None and not waits:
            self.waited += at - self.waits_since
            self.waits_since = None
        elif self.waits_since is None and waits:
            self.waits_since = at

    def tool(self, name: str) -> ToolCallStats:
        """What a tool did so far."""
        if name not in self.tools:
            self.tools[name] = ToolCallStats()
        return self.tools[name]

    def model(self, name: str) -> ModelCallStats:
        """What a model did so far."""
        if name not in self.models:
            self.models[name] = ModelCallStats()
        return self.models[name]


def _together(a: child_runs.Spending, b: child_runs.Spending) -> child_runs.Spending:
    names = child_runs.Spending.model_fields
    return child_runs.Spending(**{name: getattr(a, name) + getattr(b, name) for name in names})


def _started(metrics: RunMetrics, _: Record, event: runs.RunStarted) -> None:
    metrics.take(event.agent)


def _forked(metrics: RunMetrics, record: Record, event: forks.RunForked) -> None:
    """Where a fork leaves its parent; with `own`, it is counted from here.

    What it takes over unfinished stays: calls that have not ended, and who waits for a person.
    """
    if metrics.own:
        new = RunMetrics(
            run=metrics.run, own=True, seq=record.seq, agent=metrics.agent, started_at=record.at,
            spec=metrics.spec, requested_calls=metrics.requested_calls,
            approvals=metrics.approvals,
        )  # fmt: skip
        for name in RunMetrics.model_fields:
            setattr(metrics, name, getattr(new, name))
    else:
        metrics.started_at += (
            record.at - metrics.last_at
        )  # the time in between belongs to neither run
    if event.agent is not None:
        metrics.take(event.agent)


def _requested(metrics: RunMetrics, record: Record, event: tool_calls.ToolRequested) -> None:
    metrics.tool_calls += 1
    metrics.requested_calls[record.seq] = event.tool


def _refused(metrics: RunMetrics, _: Record, event: tool_calls.ToolRefused) -> None:
    metrics.tool_errors += 1
    name = metrics.requested_calls.pop(event.call, "")
    metrics.approvals.discard(event.call)
    if name and event.reason not in NOT_THE_TOOLS_FAULT:
        stats = metrics.tool(name)
        stats.attempts += 1
        stats.errors += 1


def _approval(metrics: RunMetrics, _: Record, event: approvals.ApprovalRequested) -> None:
    metrics.approvals.add(event.call)


def _approved(metrics: RunMetrics, _: Record, event: approvals.ApprovalDecided) -> None:
    metrics.approvals.discard(event.call)


def _paused(metrics: RunMetrics, *_: object) -> None:
    metrics.paused, metrics.status = True, "paused"


def _resumed(metrics: RunMetrics, record: Record, _: runs.RunResumed) -> None:
    if not record.held:
        metrics.paused, metrics.status = False, "running"


def stops(event: Event) -> bool:
    """Whether a guard stops the run with it: a limit, a loop, the time it may take."""
    match event:
        case runs.LimitReached():
            return True
        case approvals.LoopDetected(action=action):
            return action == "stop"
        case runs.TimeReached(due=due):
            return due == "max_seconds"
        case _:
            return False


def _guarded(metrics: RunMetrics, _: Record, event: Event) -> None:
    metrics.guard_stops += stops(event)


def _judged(metrics: RunMetrics, _: Record, event: guardrails.GuardrailDecided) -> None:
    metrics.verdicts[event.verdict] = metrics.verdicts.get(event.verdict, 0) + 1
    metrics.guard_stops += event.verdict == "block"


def _time(metrics: RunMetrics, record: Record, event: runs.TimeReached) -> None:
    _guarded(metrics, record, event)
    if event.due == "approval":
        metrics.approvals.discard(event.call or 0)


_FOLDS: Mapping[str, Callable[[RunMetrics, Record, Any], None]] = {
    "run_started": _started,
    "run_forked": _forked,
    "tool_requested": _requested,
    "tool_refused": _refused,
    "approval_requested": _approval,
    "approval_decided": _approved,
    "run_paused": _paused,
    "run_resumed": _resumed,
    "limit_reached": _guarded,
    "loop_detected": _guarded,
    "guardrail_decided": _judged,
    "time_reached": _time,
}

SEEN: frozenset[str] = frozenset({*_FOLDS, *INTENTS, *OUTCOMES, *ENDINGS})
"""The kinds that are counted."""
