"""How an agent plans, as data: the strategy and the rules for plans."""

from typing import Literal, TypeAlias

from playhead.events.event import Data, Json

Strategy: TypeAlias = Literal["direct", "react", "plan", "function"]
"""direct: one call of the model, no tools. react: one loop of model and tools. plan: a plan.
function: a user function, without a model."""


class PlanRules(Data):
    """Limits on plans, and what happens when a step fails."""

    max_steps: int = 20
    """Maximum steps in one plan; the elements of a `for_each` count as one."""
    concurrency: int = 8
    """Maximum steps running at once."""
    proposals: int = 3
    """How often the model is asked for one plan, and people for approval of one."""
    step_retries: int = 1
    """How often a failed step is retried, if it only read data."""
    on_failure: Literal["replan", "fail"] = "replan"
    """Afterwards: plan around the step, keeping finished work, or fail the run."""
    replans: int = 2
    """How often a run may plan around failures."""
    for_each_items: int = 20
    """Maximum elements over which one step is fanned out."""
    review: Literal["never", "always", "matches"] = "never"
    """Whether a person must approve a plan first; `matches`: if it matches `review_schema`."""
    review_schema: dict[str, Json] | None = None
    """A JSON schema of {"steps": [...]}."""
    review_expires: float | None = None
    """Seconds after which an open review expires; None for never."""
