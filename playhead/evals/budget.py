"""The budget of an evaluation: each trial gets a share as its limit and returns the rest."""

import threading
from dataclasses import dataclass, replace
from typing import Any

from playhead.definition.agent import Agent
from playhead.events.spec.prices import PICODOLLARS
from playhead.testing.recorded_run import RecordedRun

LIMIT = "max_cost"


class BudgetSpent(Exception):
    """Nothing is left of an evaluation's budget."""


@dataclass
class Share:
    """What one trial may spend, judges and simulated user included."""

    dollars: float | None
    """US dollars; None without a budget."""
    used: float | None = 0.0
    """None once the price of a call was not known."""
    last: bool = False
    """Whether it is all that was free."""
    starved: bool = False
    """Whether a run of it failed because the share was too small."""

    def cap(self, agent: Agent[Any]) -> Agent[Any]:
        """The agent, limited to what is left."""
        if self.dollars is None:
            return agent
        left = 0.0 if self.used is None else max(0.0, self.dollars - self.used)
        own = agent.limits.max_cost
        if own is not None and own <= left:
            return agent
        return replace(agent, limits=agent.limits.model_copy(update={LIMIT: left}))

    def take(self, run: RecordedRun, reason: str, cap: float | None) -> None:
        """Take in a run that has ended, and why it failed; `cap`: the agent's own limit."""
        metrics = run.metrics
        known = metrics.known_cost
        if known is None or metrics.below.unpriced or self.used is None:
            self.used = None
        else:
            self.used += (known + metrics.below.cost) / PICODOLLARS
        if self.dollars is not None and reason.startswith(LIMIT):
            self.starved |= run.started.agent.limits.max_cost != cap


class EvaluationBudget:
    """US dollars for everything that an evaluation runs. Safe from any thread."""

    def __init__(self, dollars: float | None, spent: float, shares: int) -> None:
        """`shares`: how many trials take from it at once, at most."""
        self._free = None if dollars is None else dollars - spent
        self._shares = shares
        self._taken = 0
        self._changed = threading.Condition()

    def take(self) -> Share:
        """An equal part of what is free, as soon as a share is. Raises BudgetSpent if none is."""
        if self._free is None:
            return Share(None)
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self._shares)
            part = self._free / (self._shares - self._taken)
            if part <= 0:
                raise BudgetSpent
            self._free -= part
            self._taken += 1
            return Share(part, last=self._shares == 1)

    def give_back(self, share: Share) -> None:
        """Return what was not spent, or nothing where a price is not known.

        After a share that was too small there are half as many, which are larger.
        """
        if share.dollars is None or self._free is None:
            return
        with self._changed:
            used = share.dollars if share.used is None else share.used
            self._free += max(0.0, share.dollars - used)
            self._taken -= 1
            if share.starved:
                self._shares = max(1, min(self._shares, self._taken + 1) // 2)
            self._changed.notify_all()
