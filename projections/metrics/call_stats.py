"""What one tool or one model did: counts, durations, tokens, cost. Plain data that adds up."""

from bisect import bisect_left
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field

from playhead.events.usage import Usage
from playhead.projections.cost.pricing import Charge, sum_usage

BOUNDS: tuple[float, ...] = tuple(round(0.01 * 2**n, 2) for n in range(19))
"""Upper bounds of durations in seconds: those that the GenAI conventions advise, up to 81.92, and
then to 2621.44, since agents work for minutes; one more is open."""


class StatsPart(BaseModel):
    """Mutable plain data; an unknown field is an error, so that an old row is not misread."""

    model_config = ConfigDict(extra="forbid")

    if not TYPE_CHECKING:  # checked by types; a run counts thirty times a step
        __setattr__ = object.__setattr__


class Durations(StatsPart):
    """A histogram of seconds."""

    counts: list[int] = Field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def merge(self, other: "Durations") -> None:
        """Those of another one too."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def quantile(self, share: float) -> float | None:
        """The bound below which that share of them lies; None without any."""
        wanted, seen = share * sum(self.counts), 0
        for bound, count in zip((*BOUNDS, 2 * BOUNDS[-1]), self.counts, strict=True):
            seen += count
            if count and seen >= wanted:
                return bound
        return None


class CallStats(StatsPart):
    """What one tool or one model did."""

    attempts: int = 0
    """Those that have ended; for a tool, calls that were refused for how they were made too."""
    errors: int = 0
    """Attempts that failed, or whose outcome is unknown."""
    retries: int = 0
    """Attempts after the first."""
    durations: Durations = Field(default_factory=Durations)

    def merge(self, other: Self) -> None:
        """Those of another one of the same kind too."""
        for name, more in other:
            if isinstance(more, Durations):
                self.durations.merge(more)
            elif isinstance(more, Usage):
                setattr(self, name, sum_usage(getattr(self, name), more))
            else:
                setattr(self, name, getattr(self, name) + more)


class ToolCallStats(CallStats):
    """What one tool did."""

    cached: int = 0
    """Answered from the tool cache."""


class ModelCallStats(CallStats):
    """What one model did."""

    usage: Usage = Field(default_factory=Usage)
    """Tokens; of a call that broke off, the most that it can have used."""
    cost: int = 0
    """Picodollars of the calls whose price is known."""
    uncached: int = 0
    """What they would have cost without a prompt cache."""
    unpriced: int = 0
    """Calls whose price is not known."""

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens by type; `input` includes those read from and written to the cache."""
        return {
            "input": self.usage.input_total,
            "output": self.usage.output_tokens,
            "cache_read": self.usage.cache_read_input_tokens,
            "cache_write": self.usage.cache_creation_input_tokens,
        }

    def add(self, charge: Charge) -> None:
        """Count what a call used and cost."""
        if charge.usage is not None:
            self.usage = sum_usage(self.usage, charge.usage)
        self.cost += charge.cost or 0
        self.uncached += charge.uncached or 0
        self.unpriced += charge.cost is None
