"""One run as the metrics see it: counts by tool and by model, waiting, cost. A pure fold.

The same fold runs live, over what is committed, and in the stored view `metrics`, over the log: so
both give the same indicators. A measure is plain data, so that the view can keep one between two
looks at the log.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from playhead.events.event import Event
from playhead.events.kinds import approvals, forks, model_calls, runs, tool_calls
from playhead.events.kinds.registry import ENDINGS, INTENTS, OUTCOMES
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.prices import Price
from playhead.projections.cost.pricing import at_most
from playhead.projections.cost.targets import all_targets, max_tokens
from playhead.projections.metrics.call_stats import (
    CallStats,
    ModelCallStats,
    StatsPart,
    ToolCallStats,
)

NOT_THE_TOOLS_FAULT = frozenset({"denied", "stopped", "limit"})
"""Refusals that say nothing against a tool or the way it was called."""


class PendingModelCall(StatsPart):
    """A model call under way: the most that it can cost."""

    reserved: int | None = None
    """Picodollars."""
    max_tokens: int = 0


class Measure(StatsPart):
    """One run."""

    run: str
    agent: str = ""
    status: str = "running"
    started_at: int = 0
    """Microseconds since the epoch, as all times here."""
    last_at: int = 0
    steps: int = 0
    """Rounds: model calls, retries not counted."""
    guard_stops: int = 0
    """Limits, loops and time limits that stopped it."""
    waited: int = 0
    """Microseconds in which it waited for people alone: approvals and pauses, nothing under way."""
    tools: dict[str, ToolCallStats] = Field(default_factory=dict)
    models: dict[str, ModelCallStats] = Field(default_factory=dict)
    approvals: set[int] = Field(default_factory=set)
    """Calls (or plans) that wait for a person."""
    paused: bool = False
    prices: dict[str, Price] = Field(default_factory=dict)
    requested_calls: dict[int, str] = Field(default_factory=dict)
    """Tool calls that have not ended."""
    open: dict[int, str] = Field(default_factory=dict)
    """Intents under way: seq -> tool or model."""
    longest: dict[str, int] = Field(default_factory=dict)
    """Model and endpoint -> the longest reply, in tokens."""
    asked: dict[int, PendingModelCall] = Field(default_factory=dict)
    """Model calls under way."""
    waits_since: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDINGS.values()

    @property
    def seconds(self) -> float:
        """From its first record to its last, without waiting for people."""
        return (self.last_at - self.started_at - self.waited) / 1_000_000

    @property
    def cost(self) -> int | None:
        """Picodollars; None where a price is not known."""
        if any(model.unpriced for model in self.models.values()):
            return None
        return sum(model.cost for model in self.models.values())

    @property
    def tokens(self) -> int:
        """All that went in and came out."""
        return sum(model.input + model.output for model in self.models.values())

    def take(self, agent: AgentSpec) -> None:
        """Whose run it is, and what its models cost."""
        self.agent = agent.name
        self.prices = dict(agent.prices)
        self.longest = {
            f"{target.model} {target.endpoint}": max_tokens(agent, target)
            for target in all_targets(agent)
        }

    def fold(self, record: Record) -> None:
        """Take in the run's next record."""
        self.last_at = record.at
        kind = record.event.kind
        if kind in OUTCOMES:
            self._outcome(record)
        elif kind in INTENTS:
            self._intent(record)
        elif kind in ENDINGS:
            self._end(ENDINGS[kind])
        elif (folder := _FOLDS.get(kind)) is not None:
            folder(self, record, record.event)
        self._watch_the_wait(record.at)

    def _intent(self, record: Record) -> None:
        name = ""
        match record.event:
            case model_calls.ModelCall(model=name, attempt=attempt) as event:
                self.steps += event.opens_round
                self.model(name).retries += attempt > 1
                longest = self.longest.get(f"{name} {event.endpoint}", 0)
                self.asked[record.seq] = PendingModelCall(
                    reserved=event.reserved_cost, max_tokens=longest
                )
            case tool_calls.AttemptStarted(call=call, attempt=attempt) if (
                call in self.requested_calls
            ):
                name = self.requested_calls[call]
                self.tool(name).retries += attempt > 1
            case _:
                pass
        self.open[record.seq] = name

    def _outcome(self, record: Record) -> None:
        intent = record.cause or 0
        name = self.open.pop(intent, "")
        if not name:
            return  # another kind of effect, or one from before a fork
        asked = self.asked.pop(intent, PendingModelCall())
        event = record.event
        effects: CallStats
        match event:
            case model_calls.ModelAnswered(usage=usage):
                effects = self.model(name)
                effects.add(usage, self.prices.get(name))
            case model_calls.ModelFailed():
                effects = self.model(name)
                effects.errors += 1
                self._failed_call(effects, event, name, asked)
            case tool_calls.ToolSucceeded(cached=cached):
                effects = self.tool(name)
                effects.cached += bool(cached)
            case tool_calls.ToolFailed() | tool_calls.ToolOutcomeUnknown():
                effects = self.tool(name)
                effects.errors += 1
            case _:
                return
        effects.attempts += 1
        took = getattr(event, "duration_ms", None)
        if took is not None:
            effects.durations.add(took / 1000)

    def _failed_call(
        self,
        effects: ModelCallStats,
        failed: model_calls.ModelFailed,
        name: str,
        asked: PendingModelCall,
    ) -> None:
        """What a failed call has cost at most, as the ledger has it."""
        usage = at_most(failed, asked.max_tokens)
        if usage is not None:
            effects.add(usage, self.prices.get(name))
        elif name in self.prices and asked.reserved is not None:
            effects.cost += asked.reserved
        else:
            effects.unpriced += 1

    def _end(self, status: str) -> None:
        self.status, self.paused = status, False
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
        return self.tools.setdefault(name, ToolCallStats())

    def model(self, name: str) -> ModelCallStats:
        """What a model did so far."""
        return self.models.setdefault(name, ModelCallStats())


def _started(measure: Measure, record: Record, event: runs.RunStarted) -> None:
    measure.started_at = record.at
    measure.take(event.agent)


def _forked(measure: Measure, record: Record, event: forks.RunForked) -> None:
    """A fork is measured from where it left its parent, which has paid for what they share.

    What it takes over unfinished stays: calls that have not ended, and who waits for a person.
    """
    new = Measure(
        run=record.run, agent=measure.agent, started_at=record.at, last_at=record.at,
        prices=measure.prices, longest=measure.longest, requested_calls=measure.requested_calls,
        approvals=measure.approvals,
    )  # fmt: skip
    if event.agent is not None:
        new.take(event.agent)
    for name in Measure.model_fields:
        setattr(measure, name, getattr(new, name))


def _wished(measure: Measure, record: Record, event: tool_calls.ToolRequested) -> None:
    measure.requested_calls[record.seq] = event.tool


def _refused(measure: Measure, _: Record, event: tool_calls.ToolRefused) -> None:
    name = measure.requested_calls.pop(event.call, "")
    measure.approvals.discard(event.call)
    if name and event.reason not in NOT_THE_TOOLS_FAULT:
        effects = measure.tool(name)
        effects.attempts += 1
        effects.errors += 1


def _approval(measure: Measure, _: Record, event: approvals.ApprovalRequested) -> None:
    measure.approvals.add(event.call)


def _approved(measure: Measure, _: Record, event: approvals.ApprovalDecided) -> None:
    measure.approvals.discard(event.call)


def _paused(measure: Measure, *_: object) -> None:
    measure.paused, measure.status = True, "paused"


def _resumed(measure: Measure, record: Record, _: runs.RunResumed) -> None:
    if not record.held:
        measure.paused, measure.status = False, "running"


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


def _guarded(measure: Measure, _: Record, event: Event) -> None:
    measure.guard_stops += stops(event)


def _time(measure: Measure, record: Record, event: runs.TimeReached) -> None:
    _guarded(measure, record, event)
    if event.due == "approval":
        measure.approvals.discard(event.call or 0)


_FOLDS: Mapping[str, Callable[[Measure, Record, Any], None]] = {
    "run_started": _started,
    "run_forked": _forked,
    "tool_requested": _wished,
    "tool_refused": _refused,
    "approval_requested": _approval,
    "approval_decided": _approved,
    "run_paused": _paused,
    "run_resumed": _resumed,
    "limit_reached": _guarded,
    "loop_detected": _guarded,
    "time_reached": _time,
}

SEEN: frozenset[str] = frozenset({*_FOLDS, *INTENTS, *OUTCOMES, *ENDINGS})
"""The kinds that a measure looks at."""
