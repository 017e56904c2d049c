"""What a model call costs, by its price and its usage: exact, in picodollars."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed
from playhead.events.spec.prices import PICODOLLARS, Price, Rates
from playhead.events.usage import Iteration, Tokens, Usage

MICRO = 1_000_000
"""Picodollars that a token costs at one dollar per million tokens."""


PriceOf: TypeAlias = Callable[[str], Price | None]
"""The price of a model; None if it is not known."""

DATED = re.compile(r"-\d{8}$")
"""The API may name the dated version of the model that it was asked for."""


def cost_of(price: Price, usage: Usage) -> int:
    """What a call with that usage costs if all of it is at one model's price."""
    cost = _cost(price, lambda _: price, "", usage)
    assert cost is not None
    return cost


def cost_at(prices: PriceOf, model: str, usage: Usage) -> int | None:
    """What a call of that model costs; None if a price that it needs is not known."""
    price = prices(model)
    return None if price is None else _cost(price, prices, model, usage)


def _cost(price: Price, prices: PriceOf, model: str, usage: Usage) -> int | None:
    """The reply's own tokens, or the passes that they consist of if those cost more; and the rest.

    The passes may be of several models, and long passes may cost more than their sum.
    """
    own, listed, beside = _tokens(price, usage, usage.rates), 0, 0
    for each in usage.iterations:
        by = price if each.model is None else _price_of(prices, each.model, model, price)
        if by is None:
            return None
        if each.in_total:
            listed += _tokens(by, each, usage.rates)
        else:
            beside += _tokens(by, each, usage.rates)
    search = max(price.web_search, price.rates(usage.input_total).web_search)
    searches = usage.web_search_requests * round(search * MICRO * 1000)
    programs = usage.code_executions * round(price.code_execution * MICRO * 1000)
    return max(own, listed) + beside + searches + programs


def _price_of(prices: PriceOf, name: str, asked: str, price: Price) -> Price | None:
    undated = DATED.sub("", name)
    return price if asked in (name, undated) else prices(name) or prices(undated)


def _tokens(price: Price, used: Tokens, special: tuple[str, ...]) -> int:
    rates = price.rates(used.input_total)
    factor, for_an_hour = price.factor(special), used.cache_creation_1h_input_tokens
    return (
        used.input_tokens * _pico(rates.input * factor)
        + (used.cache_creation_input_tokens - for_an_hour) * _pico(rates.written * factor)
        + for_an_hour * _pico(rates.written_1h * factor)
        + used.cache_read_input_tokens * _pico(rates.read * factor)
        + used.output_tokens * _pico(rates.output * factor)
    )


def uncached(usage: Usage) -> Usage:
    """The same tokens, all of them plain input."""
    passes = tuple(each.model_copy(update=_plain(each)) for each in usage.iterations)
    return usage.model_copy(update={**_plain(usage), "iterations": passes})


def _plain(used: Tokens) -> dict[str, int]:
    return {
        "input_tokens": used.input_total,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation_1h_input_tokens": 0,
    }


def most(
    price: Price,
    input_tokens: int,
    output_tokens: int,
    cache: str = "off",
    special: tuple[str, ...] = (),
) -> int:
    """The most that a call with at most these tokens can cost, at the highest rates that apply.

    `special`: special rates that the request asks for (see Usage.rates).
    """
    tiers = [tier for tier in price.tiers if input_tokens > tier.above]
    factor = price.factor(special)
    return max(
        input_tokens * _dearest_input(rates, cache, factor)
        + output_tokens * _pico(rates.output * factor)
        for rates in (price, *tiers)
    )


def _dearest_input(rates: Rates, cache: str, factor: float) -> int:
    written = {"5m": rates.written, "1h": rates.written_1h}.get(cache, 0.0)
    return _pico(max(rates.input, rates.read, written) * factor)


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
    end: ModelAnswered | ModelFailed,
    prices: PriceOf,
    model: str,
    reserved: int | None,
    max_tokens: int,
) -> Charge:
    """The charge for an attempt: the one rule for limits, the ledger and the metrics.

    Args:
        end: how the attempt ended.
        prices: the price of each model that may have been used.
        model: the model that was asked.
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
    cost = cost_at(prices, model, usage)
    plain = None if cost is None else cost_at(prices, model, uncached(usage))
    return Charge(usage, cost, plain, estimated)


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
    """Both added up, field by field; passes of the same type and model are added up too."""
    return Usage(
        **{name: getattr(a, name) + getattr(b, name) for name in COUNTS},
        rates=a.rates if a.rates == b.rates else tuple(sorted({*a.rates, *b.rates})),
        iterations=_sum_passes((*a.iterations, *b.iterations)) if b.iterations else a.iterations,
    )


COUNTS = tuple(name for name in Usage.model_fields if name not in ("rates", "iterations"))


def _sum_passes(passes: Iterable[Iteration]) -> tuple[Iteration, ...]:
    found: dict[tuple[str, str | None], Iteration] = {}
    for each in passes:
        key = each.type, each.model
        before = found.get(key)
        more = {n: getattr(each, n) + getattr(before, n) for n in Tokens.model_fields if before}
        found[key] = each.model_copy(update=more)
    return tuple(found.values())
