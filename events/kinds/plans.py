"""Plans: the steps that the planner splits a goal into, and what may be said about them.

A value in `arguments` may refer to the result of another step: a string that is exactly `${id}`, or
`${id.path[0].x}`, stands for that JSON value itself; within a longer text it is put in as text. In
a step with `for_each`, `${item}` is the element.
"""

from typing import Literal, TypeAlias

from pydantic import Field

from playhead.events.event import Data, Event, Json

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


class PlanStep(Data):
    """One step of a plan."""

    id: str
    description: str
    tool: str
    """The name of a tool or of an agent, or `reason` (a loop of model and tools of its own), or
    `synthesize` (the model makes an answer of what the steps before gave)."""
    arguments: dict[str, Json] = Field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    for_each: str | None = None
    """A reference to a list: the step is done once for each element."""


class PlanProposed(Event):
    """The planner split the goal into steps."""

    kind: Literal["plan_proposed"] = "plan_proposed"
    steps: tuple[PlanStep, ...]
    """In the order of writing; `depends_on` says the order of running, references included."""


class PlanRevised(Event):
    """The planner looked again: what is done stays, these steps take the place of the others."""

    kind: Literal["plan_revised"] = "plan_revised"
    steps: tuple[PlanStep, ...]
    """They may refer to what is done."""
    kept: tuple[str, ...]
    """The steps that are done, elements of a `for_each` by themselves."""
    reason: str
