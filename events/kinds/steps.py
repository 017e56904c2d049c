"""Steps: what the planner starts. ReAct is one step; a plan has many."""

from typing import Literal, TypeAlias

from playhead.events.event import Event, Json
from playhead.events.spec.agent import Limits

StepPurpose: TypeAlias = Literal["react", "direct", "plan", "tool", "reason", "synthesize"]
"""react, direct: the whole goal. plan: the model is asked for a plan. The others are steps of a
plan; tool: one call of a tool or an agent, without a model."""


class StepStarted(Event):
    """The planner started a step; the executor works on it."""

    kind: Literal["step_started"] = "step_started"
    step: str
    task: str
    """The step's goal."""
    task_type: str | None = None
    """The type by which its model is chosen; None to let the router or the agent's type decide."""
    purpose: StepPurpose = "react"
    attempt: int = 1
    """From 1; a failed step of a plan may be tried again."""
    limits: Limits | None = None
    """This step's share of the run's remaining limits; None for all of it."""
    problem: str | None = None
    """Why it cannot begin: a reference that cannot be resolved."""


class StepFinished(Event):
    """The executor brought a step to its answer."""

    kind: Literal["step_finished"] = "step_finished"
    step: str
    answer: str
    output: Json = None


class StepFailed(Event):
    """The executor could not complete a step."""

    kind: Literal["step_failed"] = "step_failed"
    step: str
    reason: str
    message: str


class OutputRejected(Event):
    """The answer does not match the output schema; the model is told and asked again."""

    kind: Literal["output_rejected"] = "output_rejected"
    step: str
    error: str
