"""How an agent plans, as data: the strategy and the rules for plans."""

from typing import Literal, TypeAlias

from playhead.events.event import Data, Json

Strategy: TypeAlias = Literal["direct", "react", "plan", "function"]
"""direct: one call of the model, no tools. react: one loop of model and tools. plan: a plan.
function: a plain function of the user's, and no model at all."""


class PlanRules(Data):
    """What plans may be, and what happens when a step of one fails."""

    max_steps: int = 20
    """Steps in one plan; the elements of a `for_each` count as one."""
    concurrency: int = 8
    """Steps under way at once."""
    proposals: int = 3
    """How often the model is asked for one plan, and people for their approval of one."""
    step_retries: int = 1
    """How often a failed step is tried again, if it did nothing but read."""
    on_failure: Literal["replan", "fail"] = "replan"
    """After that: plan around the step, keeping what is done, or fail the run."""
    replans: int = 2
    """How often a run may plan around failures."""
    for_each_items: int = 20
    """Elements that one step may be fanned out over."""
    review: Literal["never", "always", "matches"] = "never"
    """Whether a person must approve a plan first; `matches`: if it fits `review_schema`."""
    review_schema: dict[str, Json] | None = None
    """A JSON schema of {"steps": [...]}."""
    review_expires: float | None = None
    """Seconds after which an open review lapses; None for never."""
