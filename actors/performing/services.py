"""What an effect may reach and is given: the only way from an actor to the world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from playhead.events.event import Intent
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.memory import MemoryRecalled
from playhead.events.model_api import Model
from playhead.events.record import Record
from playhead.events.spec.memory import Scope
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.call import ToolCalls
from playhead.tools.context import Results, Secrets, from_environment
from playhead.tools.execution.workers import Workers
from playhead.tools.models.admission import Admission
from playhead.tools.models.cache_watch import CacheWatch
from playhead.tools.tool import AnyTool

Rule: TypeAlias = Literal["router", "output", "strategy", "function"]

OnRunText: TypeAlias = Callable[[str, int, str], None]
"""(run, seq of the ModelRequested, piece of text); an empty piece: forget what came before."""


IntentT = TypeVar("IntentT", bound=Intent, covariant=True)
JobT = TypeVar("JobT", covariant=True)


@dataclass(frozen=True, slots=True)
class Work(Generic[IntentT, JobT]):
    """One effect to perform: its intent, what it is about, and for whom."""

    event: IntentT
    job: JobT
    intent: Record
    """The record of the event: its run (a fork's may be its parent's) and its seq."""
    agent: str
    """The name of the agent whose run it is."""


class Recollect(Protocol):
    """Searches what namespaces remember. Called on a thread of its own; may raise anything."""

    def memories(
        self, scope: Scope, query: str, limit: int, metadata: Mapping[str, str] | None = None
    ) -> MemoryRecalled:
        """What the namespace remembers that is nearest to the query."""
        ...

    def all(self, scope: Scope, query: str, limit: int) -> MemoryRecalled:
        """That, and the facts that runs of the namespace have learned."""
        ...


class Attendant(Protocol):
    """Starts and finds the runs that calls of agents lead to."""

    async def attend(self, work: Work[ChildStarted, ToolCall]) -> ChildFinished:
        """What became of the child that a ChildStarted announces."""
        ...


@dataclass(slots=True)
class Services:
    """Models, tools, threads and a clock. Replay has none."""

    model: Callable[[str], Model]
    """Agent's name -> what answers its requests."""
    tool: Callable[[str, str], AnyTool | None]
    """(agent's name, tool's name) -> its code."""
    workers: Workers
    monotonic: Callable[[], float]
    """Seconds from some fixed moment."""
    on_text: OnRunText
    in_flight: int = 64
    """Model calls under way at once, over all runs; the others wait in order."""
    secrets: Secrets = from_environment
    """Asked for the secrets of a call when it is performed."""
    results: Results | None = None
    """Finds whole results that a run may read on in."""
    endpoint: Callable[[str], Model | None] = lambda _: None
    """A named endpoint -> what answers there; None for an unknown name."""
    rule: Callable[[str, Rule], Callable[..., Any] | None] = lambda _, __: None
    """(agent's name, rule) -> the function of the user's; None where there is none any more."""
    recollect: Recollect | None = None
    """Searches memories; None where none can be had."""
    children: Attendant | None = None
    """Set once there is an engine."""
    given_admission: Admission | None = None
    calls: ToolCalls = field(init=False)
    """What tool calls share: rate limits and cached results."""
    admission: Admission = field(init=False)
    """Who may call a model when."""
    cache_watch: CacheWatch = field(default_factory=CacheWatch, init=False)
    """Notices prompts that should have been in the API's cache."""

    def __post_init__(self) -> None:
        """Without limits on requests and tokens, only calls in flight are bounded."""
        self.calls = ToolCalls(self.workers, self.monotonic)
        self.admission = self.given_admission or Admission(self.in_flight, self.monotonic)
