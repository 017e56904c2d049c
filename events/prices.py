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
    cache_write: float
    """Written to the cache for five minutes."""
    cache_write_1h: float
    """Written to the cache for an hour."""
    cache_read: float
    web_search: float = 0.0
    """US dollars per thousand searches that the API itself makes."""


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
