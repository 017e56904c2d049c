"""What models cost, as data: RunStarted records the prices of the models that its run may ask.

Money in events is whole picodollars (10^-12 US dollars). A token costs a whole number of them, so
sums are exact and a cap is never passed by rounding.
"""

from playhead.events.event import Data

PICODOLLARS = 10**12
"""In a US dollar."""


class Rates(Data):
    """US dollars per million tokens."""

    input: float
    output: float
    cache_write: float | None = None
    """Written to the cache for five minutes; None for 1.25 x the input."""
    cache_write_1h: float | None = None
    """Written to the cache for an hour; None for 2 x the input."""
    cache_read: float | None = None
    """Read from the cache; None for 0.1 x the input."""
    web_search: float = 0.0
    """US dollars per thousand searches that the API itself makes."""

    @property
    def written(self) -> float:
        """Writing to the cache for five minutes."""
        return self.input * 1.25 if self.cache_write is None else self.cache_write

    @property
    def written_1h(self) -> float:
        """Writing to the cache for an hour."""
        return self.input * 2 if self.cache_write_1h is None else self.cache_write_1h

    @property
    def read(self) -> float:
        """Reading from the cache."""
        return self.input * 0.1 if self.cache_read is None else self.cache_read


class Tier(Rates):
    """Other rates for the whole of a call with more than `above` input tokens."""

    above: int


class Price(Rates):
    """A model's rates, and those of long requests."""

    tiers: tuple[Tier, ...] = ()
    """By rising `above`; the last one that a call passes holds."""

    def rates(self, input_tokens: int) -> Rates:
        """The rates of a call with so many input tokens, cached ones included."""
        passed = [tier for tier in self.tiers if input_tokens > tier.above]
        return passed[-1] if passed else self
