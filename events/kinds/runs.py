"""What happens to a run as a whole: its start, messages, pauses, stops, its end."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Block, Event, Json
from playhead.events.spec.agent import AgentSpec, Parent, Past
from playhead.events.spec.plan import Strategy


class RunStarted(Event):
    """A run was accepted. Contains as data everything needed for deciding and rendering."""

    kind: Literal["run_started"] = "run_started"
    goal: str
    content: tuple[Block, ...] | None = None
    """Images and documents that belong to the goal, as API content blocks."""
    ordered: bool | None = None
    """Whether the content is the whole goal, its texts included, in the order in which it was
    given."""
    history: tuple[Block, ...] | None = None
    """Messages from elsewhere that the run continues, as API messages."""
    agent: AgentSpec
    session: str | None = None
    past: Past | None = None
    """The session's last ended run, from which only the context is read."""
    parent: Parent | None = None
    """The call of another run that this run serves."""
    code: str
    """The version of the code that started it."""
    context_format: int = 1
    """How requests are rendered; a released format is frozen."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """The caller's own labels for the run, for filters, and for finding the agent again."""
    definition: str | None = None
    """SHA-256 (hex) of the agent as its author defined it, by which the run finds it again."""
    redacted: bool | None = None
    """This is a redacted copy: it can be read and verified, not replayed."""


class MessageReceived(Event):
    """Someone sent another message to an open run."""

    kind: Literal["message_received"] = "message_received"
    text: str
    content: tuple[Block, ...] | None = None
    """Images and documents that belong to it, as API content blocks."""
    ordered: bool | None = None
    """Whether the content is the whole message, in the order in which it was given."""


class StrategyChosen(Event):
    """The planner chose how to reach the goal."""

    kind: Literal["strategy_chosen"] = "strategy_chosen"
    strategy: Strategy
    reason: str


class CancelRequested(Event):
    """Someone asked for the run to end: nothing new starts, open effects are cancelled."""

    kind: Literal["cancel_requested"] = "cancel_requested"
    reason: str = ""


class TimeReached(Event):
    """A due time of the state has come."""

    kind: Literal["time_reached"] = "time_reached"
    due: Literal["max_seconds", "approval", "wait"]
    call: int | None = None
    """The call, or the plan, whose approval has expired."""
    wait: int | None = None
    """The seq of the record that began the wait that is now over."""


class LimitReached(Event):
    """A limit forbids the next call: nothing new starts, open effects are awaited."""

    kind: Literal["limit_reached"] = "limit_reached"
    limit: str
    """The name of the field of Limits."""
    maximum: float
    wanted: float
    """The total that the call would have reached."""


class RunPaused(Event):
    """The run decides nothing until it is resumed; arriving records are held."""

    kind: Literal["run_paused"] = "run_paused"
    reason: str
    role: str | None = None
    """The role that raised, if that was the reason."""
    error: str | None = None


class RunResumed(Event):
    """The run continues: the held records are decided in order, then this one."""

    kind: Literal["run_resumed"] = "run_resumed"
    code: str
    """The version of the code that continues it."""
    reason: str = ""
    agent: AgentSpec | None = None
    """For an imported run, the local agent that resumes it; earlier approvals, and the imported
    tools, limits and namespace, do not apply from here on."""


class RunFailing(Event):
    """The run fails: nothing new starts, and it ends when everything that is open has ended."""

    kind: Literal["run_failing"] = "run_failing"
    reason: str
    """The code and the message of the RunFailed to come."""
    message: str


class RunFinished(Event):
    """The goal was reached; the last record of its run."""

    kind: Literal["run_finished"] = "run_finished"
    answer: str
    output: Json = None
    """The answer in the shape of the agent's output schema; None for text."""
    agent: str | None = None
    """Who gave the answer, if the conversation was handed over; None for the run's own agent."""


class RunFailed(Event):
    """The run ended without an answer; the last record of its run."""

    kind: Literal["run_failed"] = "run_failed"
    reason: str
    """A machine-readable code: a limit's name, model_error, refusal, loop..."""
    message: str


class RunCancelled(Event):
    """The run was cancelled; the last record of its run."""

    kind: Literal["run_cancelled"] = "run_cancelled"
    reason: str = ""
