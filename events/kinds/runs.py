"""What happens to a run as a whole: its start, what people say to it, pauses, stops, its end."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Block, Event, Json
from playhead.events.spec.agent import AgentSpec, Parent, Past
from playhead.events.spec.plan import Strategy


class RunStarted(Event):
    """A run was accepted. Holds as data all that deciding and rendering need."""

    kind: Literal["run_started"] = "run_started"
    goal: str
    content: tuple[Block, ...] | None = None
    """Images and documents that belong to the goal, as the API has them."""
    agent: AgentSpec
    session: str | None = None
    past: Past | None = None
    """The session's last ended run; only its context is read."""
    parent: Parent | None = None
    """The call of another run that this one is made for."""
    code: str
    """The version of the code that took it up."""
    context_format: int = 1
    """How requests are rendered; a released format is frozen."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """The caller's own words about the run: for filters, and for finding the agent again."""
    redacted: bool | None = None
    """This is a copy without words: it can be read and verified, not decided again."""


class MessageReceived(Event):
    """Somebody said something more to a run that is open."""

    kind: Literal["message_received"] = "message_received"
    text: str
    content: tuple[Block, ...] | None = None
    """Images and documents that belong to it, as the API has them."""


class StrategyChosen(Event):
    """The planner chose how to reach the goal."""

    kind: Literal["strategy_chosen"] = "strategy_chosen"
    strategy: Strategy
    reason: str


class CancelRequested(Event):
    """Somebody wants the run to end: nothing new starts, open effects are cancelled."""

    kind: Literal["cancel_requested"] = "cancel_requested"
    reason: str = ""


class TimeReached(Event):
    """A due time that the state holds has come."""

    kind: Literal["time_reached"] = "time_reached"
    due: Literal["max_seconds", "approval", "wait"]
    call: int | None = None
    """The call, or the plan, whose approval has lapsed."""
    wait: int | None = None
    """The seq of the record that began the wait which is over."""


class LimitReached(Event):
    """A limit forbids what would come next: nothing new starts, open effects are awaited."""

    kind: Literal["limit_reached"] = "limit_reached"
    limit: str
    """The field of Limits."""
    maximum: float
    wanted: float
    """What the total would have become."""


class RunPaused(Event):
    """The run takes no decision until it is resumed; what arrives is held."""

    kind: Literal["run_paused"] = "run_paused"
    reason: str
    role: str | None = None
    """The role that raised, if that was why."""
    error: str | None = None


class RunResumed(Event):
    """The run goes on: the held records are decided in order, then this one."""

    kind: Literal["run_resumed"] = "run_resumed"
    code: str
    """The version of the code that goes on with it."""
    reason: str = ""
    agent: AgentSpec | None = None
    """For an imported run the agent here that takes it up; nothing that was agreed to before, and
    no tool, limit or namespace of the run as it came, counts from here on."""


class RunFinished(Event):
    """The goal was reached; the last record of its run."""

    kind: Literal["run_finished"] = "run_finished"
    answer: str
    output: Json = None
    """The answer as the agent's output schema has it; None for text."""


class RunFailed(Event):
    """The run ended without an answer; the last record of its run."""

    kind: Literal["run_failed"] = "run_failed"
    reason: str
    """A word for machines: a limit's name, model_error, refusal, loop..."""
    message: str


class RunCancelled(Event):
    """The run was cancelled; the last record of its run."""

    kind: Literal["run_cancelled"] = "run_cancelled"
    reason: str = ""
