"""Model prices, as data: RunStarted records the prices of the models that its run may use.

Money in events is whole picodollars (10^-12 US dollars). A token costs a whole number of them, so
sums are exact and rounding never exceeds a cap.
"""

from playhead.events.event import Data

PICODOLLARS = 10**12
"""Per US dollar."""


class Rates(Data):
    """US dollars per million tokens."""

    input: float
    output: float
    cache_write: float | None = None
    """Five-minute cache writes; None for 1.25 x the input rate."""
    cache_write_1h: float | None = None
    """One-hour cache writes; None for 2 x the input rate."""
    cache_read: float | None = None
    """Cache reads; None for 0.1 x the input rate."""
    web_search: float = 0.0
    """US dollars per thousand searches made by the API itself."""

    @property
    def written(self) -> float:
        """The rate of five-minute cache writes."""
        return self.input * 1.25 if self.cache_write is None else self.cache_write

    @property
    def written_1h(self) -> float:
        """The rate of one-hour cache writes."""
        return self.input * 2 if self.cache_write_1h is None else self.cache_write_1h

    @property
    def read(self) -> float:
        """The rate of cache reads."""
        return self.input * 0.1 if self.cache_read is None else self.cache_read


class Tier(Rates):
    """Rates for the whole of a call with more than `above` input tokens."""

    above: int


class Price(Rates):
    """A model's rates, including those for long requests."""

    tiers: tuple[Tier, ...] = ()
    """In increasing order of `above`; the last one that a call exceeds applies."""
    code_execution: float = 0.0
    """US dollars per thousand programs that the API itself runs."""
    batch: float = 0.5
    """Factor on the rates of tokens in a batch."""
    fast: float = 6.0
    """Factor on the rates of tokens in fast mode."""
    us: float = 1.1
    """Factor on the rates of tokens where inference is kept in the US."""

    def factor(self, rates: tuple[str, ...]) -> float:
        """What the rates of tokens are multiplied by (see Usage.rates)."""
        factor = 1.0
        for name in rates:
            factor *= getattr(self, name, 1.0)
        return factor

    def rates(self, input_tokens: int) -> Rates:
        """The rates of a call with `input_tokens` input tokens, cached ones included."""
        passed = [tier for tier in self.tiers if input_tokens > tier.above]
        return passed[-1] if passed else self
