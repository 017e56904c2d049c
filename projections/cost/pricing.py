"""What a model call costs, by its price and its usage: exact, in picodollars."""

from typing import NamedTuple

from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed
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
    """The most that a call with at most these tokens can cost, at the highest rates that apply."""
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
    """US dollars as picodollars, rounded down."""
    return int(dollars * PICODOLLARS)


class Charge(NamedTuple):
    """What one attempt of a model call counts for, wherever calls are counted."""

    usage: Usage | None
    """None where nothing is known but the reservation."""
    cost: int | None
    """Picodollars; None where the model's price is not known."""
    uncached: int | None
    """What it would have cost without a prompt cache."""
    estimated: bool
    """The call broke off: these are upper bounds."""


def charge(
    end: ModelAnswered | ModelFailed, price: Price | None, reserved: int | None, max_tokens: int
) -> Charge:
    """The charge for an attempt: the one rule for limits, the ledger and the metrics.

    Args:
        end: how the attempt ended.
        price: the model's price; None where it is not known.
        reserved: picodollars set aside for the call; None where the price is not known.
        max_tokens: the longest reply it could have had.

    A call that used no tokens costs nothing, even if the model's price is not known. A call that
    broke off without saying what it used costs all that was set aside for it.
    """
    usage = end.usage if isinstance(end, ModelAnswered) else at_most(end, max_tokens)
    estimated = isinstance(end, ModelFailed) and not end.unbilled
    if usage is None:
        return Charge(None, reserved, reserved, estimated)
    if usage.total == 0:
        return Charge(usage, 0, 0, estimated)
    if price is None:
        return Charge(usage, None, None, estimated)
    return Charge(usage, cost_of(price, usage), cost_of(price, uncached(usage)), estimated)


def at_most(failed: ModelFailed, max_tokens: int) -> Usage | None:
    """An upper bound of what a failed call used: its input as streamed, and the longest reply.

    None where nothing is known but the reservation.
    """
    if failed.unbilled:
        return Usage()
    if failed.usage is None:
        return None
    return failed.usage.model_copy(update={"output_tokens": max_tokens})


def sum_usage(a: Usage, b: Usage) -> Usage:
    """Both added up, field by field."""
    return Usage(**{name: getattr(a, name) + getattr(b, name) for name in Usage.model_fields})
