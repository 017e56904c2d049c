"""Settings by which no run could go well are mistakes of the author, told when they are written."""

from typing import Any

import pytest

from playhead import (
    Agent,
    BreakerRule,
    Budget,
    Limits,
    PlanRules,
    Price,
    RateLimit,
    Target,
    UsageError,
)


def test_at_the_cap_the_run_stops_unless_the_policy_says_cheaper() -> None:
    with pytest.raises(UsageError, match="cheaper= must be used together"):
        Agent(name="a", budget=Budget(cheaper=Target(model="cheap")))
    with pytest.raises(UsageError, match="cheaper= must be used together"):
        Agent(name="a", budget=Budget(at_cap="cheaper"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"limits": Limits(max_cost=float("nan"))}, r"Limits\(max_cost=nan\)"),
        ({"limits": Limits(max_cost=-1)}, r"Limits\(max_cost=-1.0\)"),
        ({"limits": Limits(max_tokens=-5)}, r"Limits\(max_tokens=-5\)"),
        ({"prices": {"m": Price(input=-1, output=2)}}, r"prices\['m'\]: input=-1.0"),
        ({"prices": {"m": Price(input=1, output=float("inf"))}}, "output=inf"),
        ({"budget": Budget(warn_at=0)}, "warn_at"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"cache": "2h"}, "cache='2h' must be off, 5m or 1h"),
        ({"plan": PlanRules(replans=-1)}, "replans"),
    ],
)
def test_settings_by_which_nothing_would_be_bounded_are_a_mistake_of_the_author(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        Agent(name="a", **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        lambda: RateLimit(requests=0), lambda: RateLimit(tokens=-1),
        lambda: RateLimit(requests=1, seconds=0), lambda: BreakerRule(failures=0),
        lambda: BreakerRule(seconds=float("nan")),
    ],
)  # fmt: skip
def test_a_rule_by_which_every_call_would_wait_for_ever_is_refused(rule: Any) -> None:
    with pytest.raises(UsageError, match="must be"):
        rule()
