"""Plans: the steps that the planner splits a goal into, and what may be said about them.

A value in `arguments` may refer to the result of another step: a string that is exactly `${id}`, or
`${id.path[0].x}`, stands for that JSON value itself; within a longer text it is put in as text. In
a step with `for_each`, `${item}` is the element.
"""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Event, Json


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
