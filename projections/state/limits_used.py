"""What a run has used of its limits, and what open calls and children may still use."""

from dataclasses import dataclass, field

from playhead.events.kinds.child_runs import Spending
from playhead.events.spec.agent import Limits
from playhead.projections.cost.pricing import picodollars


@dataclass(slots=True)
class Spent:
    """The used amounts that the limits apply to, including reservations."""

    steps: int = 0
    """Rounds."""
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    cost: int = 0
    """Picodollars."""
    unpriced: int = 0
    """Model calls that ended and whose price is unknown."""
    reserved: dict[int, int] = field(default_factory=dict)
    """Open model call -> tokens reserved for it."""
    reserved_cost: dict[int, int] = field(default_factory=dict)
    """Open model call -> picodollars reserved for it."""
    children: dict[int, Limits] = field(default_factory=dict[int, Limits])
    """Open child -> the amounts reserved for it."""
    warned: bool = False
    """Whether BudgetNeared was recorded."""

    @property
    def steps_at_most(self) -> int:
        """Rounds made, plus those that open children may still make."""
        return self.steps + sum(child.max_steps for child in self.children.values())

    @property
    def model_calls_at_most(self) -> int:
        """Model calls made, plus those that open children may still make."""
        return self.model_calls + sum(c.max_model_calls or 0 for c in self.children.values())

    @property
    def tool_calls_at_most(self) -> int:
        """Tool calls made, plus those that open children may still make."""
        return self.tool_calls + sum(c.max_tool_calls or 0 for c in self.children.values())

    @property
    def tokens_at_most(self) -> int:
        """Tokens used, plus those that open calls and children may still use."""
        below = sum(child.max_tokens or 0 for child in self.children.values())
        return self.tokens + sum(self.reserved.values()) + below

    @property
    def cost_at_most(self) -> int:
        """Picodollars spent, plus those that open calls and children may still cost."""
        below = sum(picodollars(child.max_cost or 0) for child in self.children.values())
        return self.cost + sum(self.reserved_cost.values()) + below

    @property
    def total(self) -> Spending:
        """The amounts used, by the run itself and by its children."""
        return Spending(
            steps=self.steps, model_calls=self.model_calls, tool_calls=self.tool_calls,
            tokens=self.tokens, cost=self.cost, unpriced=self.unpriced,
        )  # fmt: skip
