"""Agents as tools: a call that starts a child run, and the outcome of that run."""

from typing import Literal

from playhead.events.event import Data, Intent, Json, Outcome
from playhead.events.spec.agent import Limits, Status


class Spending(Data):
    """What a run used of its limits, including its children."""

    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    cost: int = 0
    """Picodollars."""
    unpriced: int = 0
    """Model calls whose price is unknown."""


class ChildFinished(Outcome):
    """A child run ended; the unused part of its budget returns to this run."""

    kind: Literal["child_finished"] = "child_finished"
    status: Status
    answer: str = ""
    output: Json = None
    """The answer, in the shape of the child's output schema."""
    agent: str | None = None
    """Who gave it, if the child handed the conversation over in its turn."""
    reason: str | None = None
    """Why it did not finish, as a machine-readable code."""
    message: str | None = None
    spent: Spending = Spending()
    duration_ms: float | None = None


class ChildStarted(Intent):
    """A call of an agent is about to start: a run of that agent, in its own stream."""

    OUTCOMES = (ChildFinished,)

    kind: Literal["child_started"] = "child_started"
    call: int
    """The seq of the ToolRequested."""
    run: str
    """The child's id: this run's id, a dot, and the seq of this record."""
    limits: Limits
    """The child's limits: a share of what this run had left, reserved until the child ends."""
