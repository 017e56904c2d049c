"""Steps: what the planner starts. ReAct is one step; a plan has many."""

from typing import Literal, TypeAlias

from playhead.events.event import Event, Json
from playhead.events.spec.agent import Limits

StepPurpose: TypeAlias = Literal["react", "direct", "plan", "tool", "reason", "synthesize"]
"""react, direct: the whole goal. plan: the model is asked for a plan. The others are steps of one;
tool: one call of a tool or an agent, and no model."""


class StepStarted(Event):
    """The planner started a step; the executor works on it."""

    kind: Literal["step_started"] = "step_started"
    step: str
    task: str
    """What the step is to reach."""
    task_type: str | None = None
    """What its model is chosen by; None for the router's word, or the agent's own type."""
    purpose: StepPurpose = "react"
    attempt: int = 1
    """From 1; a step of a plan that failed may be tried again."""
    limits: Limits | None = None
    """A share of what the run has left, for this step; None for all of it."""
    problem: str | None = None
    """Why it cannot even begin: a reference that leads nowhere."""


class StepFinished(Event):
    """The executor brought a step to its answer."""

    kind: Literal["step_finished"] = "step_finished"
    step: str
    answer: str
    output: Json = None


class StepFailed(Event):
    """The executor could not go on with a step."""

    kind: Literal["step_failed"] = "step_failed"
    step: str
    reason: str
    message: str


class OutputRejected(Event):
    """The answer does not fit the output schema; the model is told and asked again."""

    kind: Literal["output_rejected"] = "output_rejected"
    step: str
    error: str
