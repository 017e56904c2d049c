"""Model prices from a maintained library; the user's own prices take precedence.

Looked up when a run starts and recorded with it. A model that the library does not know has an
unknown price: it is shown as unknown, and a run with a cost limit does not start with it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

from playhead.events.spec.model_name import model_name
from playhead.events.spec.prices import Price, Tier

LIBRARY = "genai-prices"

FIELDS = (
    ("input", "input_mtok"), ("output", "output_mtok"), ("cache_write", "cache_write_mtok"),
    ("cache_write_1h", "cache_write_1h_mtok"), ("cache_read", "cache_read_mtok"),
    ("web_search", "web_searches_kcount"),
)  # fmt: skip
"""Our name of each rate, and the library's."""

_TABLES = {
    "anthropic": ("anthropic",), "openai": ("openai",), "openai-chat": ("openai",),
    "openai-responses": ("openai",), "azure": ("azure", "openai"), "gemini": ("google",),
    "ollama": (), "vllm": (), "llamacpp": (),
}  # fmt: skip
"""The provider in front of a model's name -> where the library is asked. What serves on a machine
of one's own has no price there: give one with Agent(prices=...)."""

CODE_EXECUTION = 4.17
"""Dollars per thousand programs: five minutes of a container, the least that the API bills, cost
0.05 / 12 dollars. The hours that an organization has free of charge are not deducted."""


def prices_for(
    models: Iterable[str], own: Mapping[str, Price], on: datetime | None = None
) -> tuple[dict[str, Price], str]:
    """The known prices of these models on a date (default: today), and the name of the table."""
    day = (on or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    wanted = [model for model in models if model not in own]
    found = {model: price for model in wanted if (price := _looked_up(model, day)) is not None}
    names = ["own"] if own else []
    names += [f"{LIBRARY} {version(LIBRARY)}"] if found else []
    return {**found, **own}, ", ".join(names)


@cache
def _looked_up(model: str, on: datetime) -> Price | None:
    from genai_prices.data_snapshot import get_snapshot

    named = model_name(model)
    for provider in _TABLES.get(named.provider, ("anthropic", None)):
        try:
            _, info = get_snapshot().find_provider_model(named.name, None, provider, None)
        except LookupError:
            continue
        return _ours(info.get_prices(on))
    return None


def _ours(price: Any) -> Price | None:
    """The library's price as ours; a missing rate costs as much as plain input, never nothing."""
    found = {ours: getattr(price, theirs, None) for ours, theirs in FIELDS}
    if found["input"] is None or found["output"] is None:
        return None
    starts = sorted({t.start for p in found.values() for t in getattr(p, "tiers", ())})
    tiers = tuple(Tier(above=start, **_rates(found, start)) for start in starts)
    return Price(**_rates(found, 0), tiers=tiers, code_execution=CODE_EXECUTION)


def _rates(found: Mapping[str, Any], above: int) -> dict[str, float]:
    rates = {name: _at(price, above) for name, price in found.items()}
    plain = rates["input"] or 0.0
    missing = {
        "cache_write": plain * 1.25, "cache_write_1h": plain * 2, "cache_read": plain,
        "web_search": 0.0,
    }  # fmt: skip
    return {name: missing[name] if rate is None else rate for name, rate in rates.items()}


def _at(price: Any, above: int) -> float | None:
    """One rate for calls of more than `above` input tokens."""
    if price is None or isinstance(price, Decimal | int | float):
        return None if price is None else float(price)
    passed = [tier.price for tier in price.tiers if tier.start <= above and above > 0]
    return float(passed[-1] if passed else price.base)
