"""The summary of one run: its records, totals, status and timeline."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from playhead.events.errors import LogDamaged
from playhead.events.event import Event
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunFinished, RunPaused, RunStarted
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, INTENTS, OUTCOMES
from playhead.events.spec.agent import AgentSpec, Status
from playhead.projections.history.story import StoryEntry, story, trigger
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.state.waits import Wait, fold_waits


@dataclass
class RunSummary:
    """A run's records and what they add up to. `fold` takes the next one."""

    run: str
    records: dict[int, Record] = field(default_factory=dict[int, Record])
    """By seq."""
    metrics: RunMetrics = field(default_factory=RunMetrics)
    paused: RunPaused | None = None
    forked: RunForked | None = None
    """Where it left its parent, if it is a fork."""
    forked_agent: AgentSpec | None = None
    ending: Event | None = None
    open: dict[int, Record] = field(default_factory=dict[int, Record])
    """Intents without an outcome, by seq."""
    waits: dict[int, Wait] = field(default_factory=dict[int, Wait])
    """What it waits for, by the seq of the record that began the wait."""

    def fold(self, record: Record) -> None:
        """Take in the run's next record."""
        self.records[record.seq] = record
        self.metrics.fold(record)
        fold_waits(self.waits, record)
        kind = record.event.kind
        if kind in INTENTS:
            self.open[record.seq] = record
        elif kind in OUTCOMES:
            self.open.pop(record.cause or 0, None)
        match record.event:
            case RunPaused() as paused:
                self.paused = paused
            case RunForked() as forked:
                self.forked, self.paused = forked, None
                self.forked_agent = forked.agent or self.forked_agent
            case event if kind in ENDINGS:
                self.ending, self.paused = event, None
            case _ if kind == "run_resumed" and not record.held:
                self.paused = None
            case _:
                pass

    @property
    def started(self) -> RunStarted:
        """The first record's event. Raises LogDamaged for a run that does not begin with one."""
        first = self.records.get(1)
        if first is None or not isinstance(first.event, RunStarted):
            msg = f"run {self.run} does not begin with run_started"
            raise LogDamaged(msg)
        return first.event

    @property
    def imported(self) -> bool:
        """It began elsewhere: where its metadata says an agent or an endpoint is, is not asked."""
        return 1 in self.records and self.records[1].imported

    @property
    def agent(self) -> AgentSpec:
        """The agent that goes on with it: as it started, or as its last fork has it."""
        return self.forked_agent or self.started.agent

    @property
    def status(self) -> Status:
        """The run's status so far."""
        if self.ending is not None:
            return ENDINGS[self.ending.kind]
        return "running" if self.paused is None else "paused"

    @property
    def reason(self) -> tuple[str, str]:
        """Why it has this status: a code and a sentence. Empty if nothing went wrong."""
        event = self.ending or self.paused
        match event:
            case None | RunFinished():
                return "", ""
            case RunPaused(reason=reason, error=error):
                return "paused", reason if error is None else f"{reason}: {error}"
            case _:
                reason = str(getattr(event, "reason", ""))
                return reason, str(getattr(event, "message", "") or reason)

    def told(self, thoughts: bool) -> list[StoryEntry]:
        """The story so far."""
        return story(self.records.values(), thoughts=thoughts)

    def trigger(self, seq: int) -> Record:
        """The record that opened the turn of the one given."""
        return trigger(self.records, seq)

    def summary(self) -> dict[str, Any]:
        """The run as JSON; the keys are stable."""
        m, started = self.metrics, self.started
        word, message = self.reason
        finished = self.ending if isinstance(self.ending, RunFinished) else None
        return {
            "run": self.run,
            "status": self.status,
            "goal": started.goal,
            "agent": self.agent.name,
            "model": self.agent.model.model,
            "session": None if self.forked else started.session,
            "parent": self.forked and {"run": self.forked.parent, "at": self.forked.at},
            "answer": finished.answer if finished else None,
            "output": finished.output if finished else None,
            "reason": word or None,
            "message": message or None,
            "started_at": m.started_at,
            "seconds": m.duration,
            "steps": m.steps,
            "model_calls": m.model_calls,
            "model_failures": m.model_failures,
            "tool_calls": m.tool_calls,
            "tool_errors": m.tool_errors,
            "tokens": m.usage.model_dump() | {"total": m.usage.total},
            "records": len(self.records),
        }


def read_summary(run: str, records: Iterable[Record]) -> RunSummary:
    """Summarise a run from all its records."""
    summary = RunSummary(run)
    for record in records:
        summary.fold(record)
    return summary
