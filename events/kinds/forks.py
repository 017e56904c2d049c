"""Forks: a run that continues from a point in another run's past, with something changed."""

from typing import Literal

from playhead.events.event import Data, Event, Intent, Json, Outcome
from playhead.events.spec.agent import AgentSpec


class GivenResult(Data):
    """The result that a call has in the fork, in place of the recorded one."""

    call: int
    """The seq of the parent's ToolRequested."""
    result: Json = None


class RunForked(Event):
    """A fork's first own record: where it left its parent, and what is different.

    It is appended held: the process that next resumes the fork decides from there.
    """

    kind: Literal["run_forked"] = "run_forked"
    parent: str
    at: int
    """The last record that the fork shares with its parent."""
    undecided: int | None = None
    """The record at which it was cut, if the decision on that record is made again."""
    code: str
    """The version of the code that made the fork."""
    agent: AgentSpec | None = None
    """The agent from here on; None for the parent's agent."""
    results: tuple[GivenResult, ...] = ()
    messages: tuple[str, ...] = ()
    """A message that the user adds at this point."""
    live: tuple[str, ...] = ()
    """Tools that are never answered from the parent's records."""
    allow: tuple[str, ...] = ()
    """Tools with side effects that may run without asking a person first."""


class ForkChecked(Outcome):
    """Whether the parent's records answer the call; if not, a person must be asked."""

    kind: Literal["fork_checked"] = "fork_checked"
    recorded: bool = False
    error: str | None = None


class ForkCheckRequested(Intent):
    """Before a fork repeats a call with side effects: did its parent make the same call?"""

    OUTCOMES = (ForkChecked,)

    kind: Literal["fork_check_requested"] = "fork_check_requested"
    call: int
    """The seq of the ToolRequested."""
    definition: str
    """The hash of the tool's definition."""
