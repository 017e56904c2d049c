"""Forks: a run that goes on from a point of another one's past, with something changed."""

from typing import Literal

from playhead.events.event import Data, Event, Intent, Json, Outcome
from playhead.events.spec.agent import AgentSpec


class GivenResult(Data):
    """What a call is to have given in the fork."""

    call: int
    """The seq of the parent's ToolRequested."""
    result: Json = None


class RunForked(Event):
    """The first record of a fork's own: where it left its parent, and what is different.

    It is appended held: whoever takes the fork up decides from there.
    """

    kind: Literal["run_forked"] = "run_forked"
    parent: str
    at: int
    """The last record that the fork shares with its parent."""
    undecided: int | None = None
    """The record at which it was cut, if what was decided on it is decided anew."""
    code: str
    """The version of the code that forked it."""
    agent: AgentSpec | None = None
    """The agent from here on; None for the parent's."""
    results: tuple[GivenResult, ...] = ()
    messages: tuple[str, ...] = ()
    """Said by the user at this point."""
    live: tuple[str, ...] = ()
    """Tools that are never answered from the parent's records."""
    allow: tuple[str, ...] = ()
    """Tools with effects that may run without asking a person first."""


class ForkChecked(Outcome):
    """Whether the parent's records answer the call; if they do not, a person must be asked."""

    kind: Literal["fork_checked"] = "fork_checked"
    recorded: bool = False
    error: str | None = None


class ForkCheckRequested(Intent):
    """Before a fork repeats a call with effects: did its parent make the same one?"""

    OUTCOMES = (ForkChecked,)

    kind: Literal["fork_check_requested"] = "fork_check_requested"
    call: int
    """The seq of the ToolRequested."""
    definition: str
    """The hash of the tool's definition."""
