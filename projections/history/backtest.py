"""Backtest: another loop guard or other limits over a recorded run, without calling anything.

Where would they have stopped it, what would that have saved, and had it been right to? A run that
then finished well was stopped wrongly. What a warning would have changed nobody can know from the
log; it is counted, and that is all. `fork` tries what a backtest only estimates.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.agent import Threshold
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.state.calls.loop_guard import PATTERNS, LoopGuard
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState

LIMITS = (
    "max_steps", "max_model_calls", "max_tool_calls", "max_tokens", "max_cost", "max_seconds",
)  # fmt: skip
"""Limits that can be tried."""


class Trial(NamedTuple):
    """What is tried; what it does not name is as it was."""

    guard: Mapping[str, Threshold] = {}
    """Pattern of a loop -> thresholds."""
    limits: Mapping[str, float] = {}
    """Limit -> maximum."""


class Fired(NamedTuple):
    """Something that would have said stop."""

    by: str
    """A limit's name, or `loop:` and the pattern."""
    seq: int
    """After this record nothing new would have started."""


class Saved(NamedTuple):
    """What came after that."""

    steps: int
    model_calls: int
    tool_calls: int
    tokens: int
    cost: int | None
    """Picodollars; None where the price of a call is not known."""
    seconds: float


@dataclass(frozen=True)
class BacktestVerdict:
    """What a trial would have done to one run."""

    run: str
    status: str
    """finished, failed, cancelled or open: what became of it in truth."""
    fired: Fired | None
    """What would have stopped it first."""
    warnings: int
    """How often the model would have been told of a loop, up to then."""
    saved: Saved | None

    @property
    def wrong(self) -> bool:
        """Whether it would have stopped a run that finished well."""
        return self.fired is not None and self.status == "finished"


def backtest(records: Iterable[Record], trial: Trial) -> BacktestVerdict:
    """Try it on one run's records. Raises IndexError for no records."""
    told = list(records)
    seen = _Seen(trial)
    for record in told:
        if seen.fired is None:
            seen.fold(record)
    fired = seen.fired
    return BacktestVerdict(
        told[-1].run, ENDINGS.get(told[-1].event.kind, "open"), fired, seen.warnings,
        None if fired is None else _saved(told, fired.seq),
    )  # fmt: skip


def _saved(records: list[Record], seq: int) -> Saved:
    before, after = RunMetrics(), RunMetrics()
    for record in records:
        after.fold(record)
        if record.seq <= seq:
            before.fold(record)
    return Saved(
        after.steps - before.steps,
        after.model_calls - before.model_calls,
        after.tool_calls - before.tool_calls,
        after.usage.total - before.usage.total,
        None if after.unpriced > before.unpriced else after.cost - before.cost,
        (after.last_at - before.last_at) / 1_000_000,
    )


@dataclass
class _Seen:
    """One run, as far as it was evaluated."""

    trial: Trial
    fired: Fired | None = None
    warnings: int = 0
    state: RunState = field(default_factory=lambda: RunState("backtest"))
    told: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """Step -> pattern -> the count at which a warning would have been given."""

    def fold(self, record: Record) -> None:
        fold(self.state, record)
        over = self._over(record)
        if over is not None:
            # What would have been the next to start would not have: it is not counted as begun.
            self.fired = Fired(over, record.seq - 1)
            return
        for step in self.state.ready:
            pattern = self._loop(step, self.state.steps[step].loop_guard)
            if pattern is not None:
                self.fired = Fired(f"loop:{pattern}", record.seq)
                return

    def _over(self, record: Record) -> str | None:
        """The limit that is passed now, counted as the run's own limits are counted.

        What was set aside for an open child is left out: a tighter limit would have given it less.
        """
        spent = self.state.spent
        used = {
            "max_steps": spent.steps,
            "max_model_calls": spent.model_calls,
            "max_tool_calls": spent.tool_calls,
            "max_tokens": spent.tokens + sum(spent.reserved.values()),
            "max_cost": (spent.cost + sum(spent.reserved_cost.values())) / PICODOLLARS,
            "max_seconds": (record.at - self.state.first_at) / 1_000_000,
        }
        limits = self.trial.limits.items()
        return next((name for name, most in limits if used[name] > most), None)

    def _loop(self, step: str, loop_guard: LoopGuard) -> str | None:
        """The pattern that would stop the step now; a warning is counted once for each loop."""
        told = self.told.setdefault(step, {})
        for pattern, threshold in self._tried():
            count = loop_guard.count(pattern)
            if 0 < threshold.stop <= count:
                return pattern
            if count < told.get(pattern, 0):
                del told[pattern]
            if 0 < threshold.warn <= count and pattern not in told:
                told[pattern] = count
                self.warnings += 1
        return None

    def _tried(self) -> Iterator[tuple[str, Threshold]]:
        guard = self.trial.guard
        return ((pattern, guard[pattern]) for pattern in PATTERNS if pattern in guard)
