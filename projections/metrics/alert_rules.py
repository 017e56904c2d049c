"""Targets and alerts as data: what is good, and what must wake a person.

Between the two an indicator is `warn`. One without data is `unknown`, which is not an alert.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from pydantic import field_validator

from playhead.events.event import Data
from playhead.projections.metrics.formatting import CALLED, value_text

Level: TypeAlias = Literal["ok", "warn", "alert", "unknown"]


class AlertRule(Data):
    """For one indicator: the range that is the target, and where the alert begins."""

    indicator: str
    """Its name: completion_rate, steps_per_task, tool_error_rate, cost_ratio, p95_seconds..."""
    at_least: float | None = None
    """The target's lower end; None for none."""
    at_most: float | None = None
    """The target's upper end; None for none."""
    alert_below: float | None = None
    alert_above: float | None = None
    samples: int = 1
    """Judged only from this many runs on (calls, for the rates of tools)."""
    agent: str | None = None
    """For this agent alone; None for all taken together and for each."""

    @field_validator("indicator")
    @classmethod
    def _known(cls, indicator: str) -> str:
        if indicator not in CALLED:
            msg = f"there is no indicator {indicator!r}: choose {', '.join(CALLED)}"
            raise ValueError(msg)
        return indicator

    def level(self, value: float | None, samples: int) -> Level:
        """The level of a value."""
        if value is None or samples < self.samples:
            return "unknown"
        if _outside(value, self.alert_below, self.alert_above):
            return "alert"
        return "warn" if _outside(value, self.at_least, self.at_most) else "ok"

    def target(self, unit: str) -> str:
        """The target in words."""
        low, high = (value_text(end, unit) for end in (self.at_least, self.at_most))
        if self.at_least is not None and self.at_most is not None:
            return f"{low} to {high}"
        if self.at_least is not None:
            return f"at least {low}"
        return "" if self.at_most is None else f"at most {high}"

    def alarm(self, unit: str) -> str:
        """Where the alert begins, in words."""
        ends = [("below", self.alert_below), ("above", self.alert_above)]
        return " or ".join(f"{w} {value_text(end, unit)}" for w, end in ends if end is not None)


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


ALERT_RULES: tuple[AlertRule, ...] = (
    AlertRule(indicator="completion_rate", at_least=0.9, alert_below=0.8),
    AlertRule(indicator="steps_per_task", at_least=3, at_most=7, alert_above=10),
    AlertRule(indicator="tool_error_rate", at_most=0.05, alert_above=0.1),
    AlertRule(indicator="cost_ratio", at_most=1.5, alert_above=2),
    AlertRule(indicator="p95_seconds", at_most=30, alert_above=60),
    AlertRule(indicator="judged_pass_rate", at_least=0.9, alert_below=0.8, samples=10),
)
"""The default rules."""


def rule_for(rules: Sequence[AlertRule], indicator: str, agent: str | None) -> AlertRule | None:
    """The rule for an indicator: the agent's own before the one for all."""
    own = [rule for rule in rules if rule.indicator == indicator and rule.agent in (agent, None)]
    return next((rule for rule in own if rule.agent is not None), own[0] if own else None)
