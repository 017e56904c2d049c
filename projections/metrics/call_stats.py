"""What one tool or one model did: counts, durations, tokens, cost. Plain data that adds up."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from playhead.events.spec.prices import Price
from playhead.events.usage import Usage
from playhead.projections.cost.pricing import cost_of

BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Upper bounds of durations in seconds, as the GenAI conventions advise; one more is open."""


class StatsPart(BaseModel):
    """Mutable plain data; an unknown field is an error, so that an old row is folded anew."""

    model_config = ConfigDict(extra="forbid")


class Durations(StatsPart):
    """A histogram of seconds."""

    counts: list[int] = Field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[sum(seconds > bound for bound in BOUNDS)] += 1
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
            else:
                setattr(self, name, getattr(self, name) + more)


class ToolCallStats(CallStats):
    """What one tool did."""

    cached: int = 0
    """Answered from the tool cache."""


class ModelCallStats(CallStats):
    """What one model did."""

    input: int = 0
    """Tokens, those read from and written to the cache included."""
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cost: int = 0
    """Picodollars of the calls whose price is known."""
    unpriced: int = 0
    """Calls whose price is not known."""

    def add(self, usage: Usage, price: Price | None) -> None:
        """What a call used."""
        self.input += usage.input_total
        self.output += usage.output_tokens
        self.cache_read += usage.cache_read_input_tokens
        self.cache_write += usage.cache_creation_input_tokens
        if price is None:
            self.unpriced += 1
        else:
            self.cost += cost_of(price, usage)
