"""Validates settings when an agent is defined, instead of failing in the middle of a run."""

import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from playhead.events.errors import UsageError
from playhead.events.spec.agent import Limits
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules
from playhead.events.spec.prices import Price, Rates
from playhead.events.spec.routing import Budget
from playhead.projections.plan.plan import OWN

LEAST = {
    "max_steps": 1, "concurrency": 1, "proposals": 1, "for_each_items": 1, "step_retries": 0,
    "replans": 0,
}  # fmt: skip
"""The minimum of each field of PlanRules."""


Kind: TypeAlias = tuple[type | tuple[type, ...], str]
"""The types that a field accepts, and their description for messages."""


def check_types(agent: object, name: str, kinds: Mapping[str, Kind]) -> None:
    """Raise UsageError for a field of the wrong type, such as None."""
    for field, (types, words) in kinds.items():
        value = getattr(agent, field)
        if not isinstance(value, types):
            said = repr(value)[:80]
            msg = f"agent {name!r}: {field}={said} must be {words}, or be left out for the default"
            raise UsageError(msg)


def check_tool_names(name: str, sources: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError for a name that two tools have, wherever they come from, or that plans use.

    `sources`: each tool's name and what it is.
    """
    found: dict[str, str] = {}
    for tool, source in sources:
        if tool in OWN:
            msg = f"agent {name!r}: a step of a plan may be {tool!r}: give its tool another name"
            raise UsageError(msg)
        if tool in found:
            msg = f"agent {name!r}: {found[tool]} and {source} are both named {tool!r}: rename one"
            raise UsageError(msg)
        found[tool] = source


def check_plan_rules(name: str, rules: PlanRules) -> None:
    """Raise UsageError for rules under which no plan could run."""
    for field, least in LEAST.items():
        if getattr(rules, field) < least:
            msg = f"agent {name!r}: PlanRules({field}=...) must be {least} or more"
            raise UsageError(msg)
    if (rules.review == "matches") != (rules.review_schema is not None):
        msg = f'agent {name!r}: PlanRules(review="matches") and review_schema= go together'
        raise UsageError(msg)


def check_money(name: str, limits: Limits, budget: Budget, prices: Mapping[str, Price]) -> None:
    """Raise UsageError for limits and prices that limit nothing, and for a contradictory budget.

    A cap that is not a number, or a price below zero, would allow unlimited spending.
    """
    for field, value in limits:
        if value is not None and not 0 <= value < math.inf:
            msg = f"agent {name!r}: Limits({field}={value!r}) must be a number of at least 0"
            raise UsageError(msg)
    if (budget.at_cap == "cheaper") != (budget.cheaper is not None):
        msg = f'agent {name!r}: Budget(at_cap="cheaper") and cheaper= must be used together'
        raise UsageError(msg)
    if not budget.warn_at > 0:
        msg = f"agent {name!r}: Budget(warn_at={budget.warn_at!r}) must be above 0"
        raise UsageError(msg)
    for model, price in prices.items():
        for rates in (price, *price.tiers):
            _check_rates(f"agent {name!r}: prices[{model!r}]", rates)


def check_request(name: str, max_tokens: int, cache: str) -> None:
    """Raise UsageError for settings that the API would reject in every request."""
    if max_tokens < 1:
        msg = f"agent {name!r}: max_tokens={max_tokens!r} must be 1 or more"
        raise UsageError(msg)
    if cache not in ("off", "5m", "1h"):
        msg = f"agent {name!r}: cache={cache!r} must be off, 5m or 1h"
        raise UsageError(msg)


def _check_rates(where: str, rates: Rates) -> None:
    for field, value in rates:
        if isinstance(value, float) and not 0 <= value < math.inf:
            msg = f"{where}: {field}={value!r} must be at least 0 dollars"
            raise UsageError(msg)


def check_rules(rules: MemoryRules) -> None:
    """Raise UsageError for thresholds that cannot be met."""
    least = {
        "keep_turns": 1, "compress_at": 500, "clear_over": 200, "summary_tokens": 16, "recall": 0,
    }  # fmt: skip
    for name, lowest in least.items():
        value = getattr(rules, name)
        if value < lowest and (name, value) != ("compress_at", 0):
            msg = f"MemoryRules({name}={value}): it must be at least {lowest}"
            raise UsageError(msg)
