"""What one run cost and how it went, folded from its records."""

from dataclasses import dataclass, field

from playhead.events.kinds.child_runs import ChildFinished, Spending
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.kinds.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolRequested,
)
from playhead.events.record import Record
from playhead.events.spec.prices import PICODOLLARS
from playhead.events.usage import Usage
from playhead.projections.cost.ledger import Ledger


@dataclass(slots=True)
class RunMetrics:
    """Counts of one run; `fold` takes in its next record, O(1), and passes over an earlier one."""

    seq: int = 0
    """The last record counted."""
    steps: int = 0
    """Rounds: model calls, retries not counted."""
    model_calls: int = 0
    """Attempts, retries included."""
    model_failures: int = 0
    tool_calls: int = 0
    """Wishes, whether they started or not."""
    tool_errors: int = 0
    """Attempts that failed, wishes that were refused, outcomes that are unknown."""
    children: int = 0
    """Runs that calls of agents led to, whose cost is below."""
    below: Spending = field(default_factory=Spending)
    """What those runs used, and theirs."""
    usage: Usage = field(default_factory=Usage)
    cost: int = 0
    """Picodollars, of the calls whose price is known."""
    cost_uncached: int = 0
    """What they would have cost without a prompt cache."""
    unpriced: int = 0
    """Model calls that ended and whose price is not known."""
    ledger: Ledger = field(default_factory=Ledger, repr=False, compare=False)
    started_at: int = 0
    last_at: int = 0

    @property
    def duration(self) -> float:
        """Seconds from the first record to the last."""
        return (self.last_at - self.started_at) / 1_000_000

    @property
    def dollars(self) -> float | None:
        """What the run cost, in US dollars; None where that is not known of every call."""
        return None if self.unpriced else self.cost / PICODOLLARS

    @property
    def saved_dollars(self) -> float:
        """What the prompt cache saved, in US dollars; below zero where it cost more than that."""
        return (self.cost_uncached - self.cost) / PICODOLLARS

    @property
    def cached_share(self) -> float:
        """The share of the input tokens that was read from the prompt cache, from 0 to 1."""
        return self.usage.cache_read_input_tokens / max(1, self.usage.input_total)

    def fold(self, record: Record) -> None:
        """Count one record."""
        if record.seq <= self.seq:
            return
        self.seq = record.seq
        self.started_at = self.started_at or record.at
        if isinstance(record.event, RunForked):
            self.started_at += record.at - self.last_at  # the time in between was nobody's
        self.last_at = record.at
        self._price(record)
        self._count(record)

    def _count(self, record: Record) -> None:
        match record.event:
            case ModelCall() as asked:
                self.model_calls += 1
                self.steps += asked.opens_round
            case ModelAnswered(usage=usage):
                self.usage = _sum(self.usage, usage)
            case ModelFailed():
                self.model_failures += 1
            case ToolRequested():
                self.tool_calls += 1
            case ToolFailed() | ToolRefused() | ToolOutcomeUnknown():
                self.tool_errors += 1
            case ChildFinished(status=status, spent=spent):
                self.children += 1
                self.tool_errors += status != "finished"
                self.below = _together(self.below, spent)
            case _:
                pass

    def _price(self, record: Record) -> None:
        line = self.ledger.fold(record)
        if line is not None:
            self.unpriced += line.cost is None
            self.cost += line.cost or 0
            self.cost_uncached += line.uncached or 0


def _sum(a: Usage, b: Usage) -> Usage:
    return Usage(**{name: getattr(a, name) + getattr(b, name) for name in Usage.model_fields})


def _together(a: Spending, b: Spending) -> Spending:
    return Spending(**{name: getattr(a, name) + getattr(b, name) for name in Spending.model_fields})
