"""Plans: the steps into which the planner splits a goal, and what is recorded about them.

A value in `arguments` may refer to the result of another step: a string that is exactly `${id}` or
`${id}` with a path, `${id.path[0].x}`, becomes that JSON value; within a longer text it is inserted
as text. In a step with `for_each`, `${item}` is the element.
"""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Event, Json


class PlanStep(Data):
    """One step of a plan."""

    id: str
    description: str
    tool: str
    """The name of a tool or an agent, or `reason` (a loop of model and tools), or `synthesize` (the
    model writes an answer from the results of earlier steps)."""
    arguments: dict[str, Json] = Field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    for_each: str | None = None
    """A reference to a list: the step runs once for each element."""


class PlanProposed(Event):
    """The planner split the goal into steps."""

    kind: Literal["plan_proposed"] = "plan_proposed"
    steps: tuple[PlanStep, ...]
    """In the order written; `depends_on` gives the execution order, including references."""


class PlanRevised(Event):
    """The planner revised the plan: finished steps stay, and these steps replace the others."""

    kind: Literal["plan_revised"] = "plan_revised"
    steps: tuple[PlanStep, ...]
    """They may refer to finished steps."""
    kept: tuple[str, ...]
    """The finished steps; elements of a `for_each` are listed individually."""
    reason: str
