"""Agents as tools: a call that starts a run of its own, and what became of that run."""

from typing import Literal

from playhead.events.event import Data, Intent, Json, Outcome
from playhead.events.spec.agent import Limits, Status


class Spending(Data):
    """What a run used of its limits, its own children included."""

    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    cost: int = 0
    """Picodollars."""
    unpriced: int = 0
    """Model calls whose price is not known."""


class ChildFinished(Outcome):
    """A child's run has ended; what it did not use goes back to this run."""

    kind: Literal["child_finished"] = "child_finished"
    status: Status
    answer: str = ""
    output: Json = None
    """The answer as the child's output schema has it."""
    reason: str | None = None
    """Why it did not finish: a word for machines."""
    message: str | None = None
    spent: Spending = Spending()
    duration_ms: float | None = None


class ChildStarted(Intent):
    """A call of an agent is about to start: a run of that agent, in a stream of its own."""

    OUTCOMES = (ChildFinished,)

    kind: Literal["child_started"] = "child_started"
    call: int
    """The seq of the ToolRequested."""
    run: str
    """The child: this run and the seq of this record, with a dot between them."""
    limits: Limits
    """What the child may use: a share of what this run had left, set aside until it has ended."""
