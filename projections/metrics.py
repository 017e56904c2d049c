"""What one run cost and how it went, folded from its records."""

from dataclasses import dataclass, field

from playhead.events.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.events.spec import Usage
from playhead.events.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolRequested,
)


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
    usage: Usage = field(default_factory=Usage)
    started_at: int = 0
    last_at: int = 0

    @property
    def duration(self) -> float:
        """Seconds from the first record to the last."""
        return (self.last_at - self.started_at) / 1_000_000

    def fold(self, record: Record) -> None:
        """Count one record."""
        if record.seq <= self.seq:
            return
        self.seq = record.seq
        self.started_at = self.started_at or record.at
        self.last_at = record.at
        match record.event:
            case ModelRequested(attempt=attempt):
                self.model_calls += 1
                self.steps += attempt == 1
            case ModelAnswered(usage=usage):
                self.usage = _sum(self.usage, usage)
            case ModelFailed():
                self.model_failures += 1
            case ToolRequested():
                self.tool_calls += 1
            case ToolFailed() | ToolRefused() | ToolOutcomeUnknown():
                self.tool_errors += 1
            case _:
                pass


def _sum(a: Usage, b: Usage) -> Usage:
    return Usage(
        input_tokens=a.input_tokens + b.input_tokens,
        output_tokens=a.output_tokens + b.output_tokens,
        cache_creation_input_tokens=a.cache_creation_input_tokens + b.cache_creation_input_tokens,
        cache_read_input_tokens=a.cache_read_input_tokens + b.cache_read_input_tokens,
    )
