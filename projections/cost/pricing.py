"""What a model call costs, by its price and its usage: exact, in picodollars."""

from playhead.events.kinds.model_calls import ModelFailed
from playhead.events.spec.prices import PICODOLLARS, Price, Rates
from playhead.events.usage import Usage

MICRO = 1_000_000
"""Picodollars that a token costs at one dollar per million tokens."""


def cost_of(price: Price, usage: Usage) -> int:
    """What a call with that usage costs."""
    rates = price.rates(usage.input_total)
    for_an_hour = usage.cache_creation_1h_input_tokens
    return (
        usage.input_tokens * _pico(rates.input)
        + (usage.cache_creation_input_tokens - for_an_hour) * _pico(rates.written)
        + for_an_hour * _pico(rates.written_1h)
        + usage.cache_read_input_tokens * _pico(rates.read)
        + usage.output_tokens * _pico(rates.output)
        + usage.web_search_requests * round(rates.web_search * MICRO * 1000)
    )


def uncached(usage: Usage) -> Usage:
    """The same tokens, all of them plain input."""
    return Usage(
        input_tokens=usage.input_total,
        output_tokens=usage.output_tokens,
        thinking_tokens=usage.thinking_tokens,
        web_search_requests=usage.web_search_requests,
    )


def most(price: Price, input_tokens: int, output_tokens: int, cache: str = "off") -> int:
    """The most that a call of at most so many tokens can cost, at the dearest rates that apply."""
    tiers = [tier for tier in price.tiers if input_tokens > tier.above]
    return max(
        input_tokens * _dearest_input(rates, cache) + output_tokens * _pico(rates.output)
        for rates in (price, *tiers)
    )


def _dearest_input(rates: Rates, cache: str) -> int:
    written = {"5m": rates.written, "1h": rates.written_1h}.get(cache, 0.0)
    return _pico(max(rates.input, rates.read, written))


def _pico(dollars_a_million: float) -> int:
    return round(dollars_a_million * MICRO)


def picodollars(dollars: float) -> int:
    """A cap as the sums have it, rounded down."""
    return int(dollars * PICODOLLARS)


def at_most(failed: ModelFailed, max_tokens: int) -> Usage | None:
    """What a failed call has used at most: its input as the stream had told it, the longest reply.

    None where nothing is known but the reservation.
    """
    if failed.unbilled:
        return Usage()
    if failed.usage is None:
        return None
    return failed.usage.model_copy(update={"output_tokens": max_tokens})
