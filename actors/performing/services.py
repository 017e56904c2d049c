"""What an effect may use: the only access that an actor has to the outside world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from playhead.events.event import Intent
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.memory import MemoryRecalled
from playhead.events.model_api import Model
from playhead.events.record import Record
from playhead.events.spec.memory import Scope
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.call import ToolCalls
from playhead.tools.context import Results, RunContext, Secrets, from_environment
from playhead.tools.execution.workers import Workers, ignore
from playhead.tools.models.admission import Admission
from playhead.tools.models.cache_watch import CacheWatch
from playhead.tools.tool import AnyTool

Rule: TypeAlias = Literal["router", "output", "strategy", "function", "instructions"]

OnRunText: TypeAlias = Callable[[str, int, str], None]
"""(run, seq of the ModelRequested, piece of text); an empty piece: discard the earlier ones."""


OnRunProgress: TypeAlias = Callable[[str, int, str, float | None, float | None], None]
"""(run, call, text, done, total), from a tool, on any thread."""


IntentT = TypeVar("IntentT", bound=Intent, covariant=True)
JobT = TypeVar("JobT", covariant=True)


@dataclass(frozen=True, slots=True)
class Work(Generic[IntentT, JobT]):
    """One effect to perform: its intent, its job, and the run that it is for."""

    event: IntentT
    job: JobT
    intent: Record
    """The run (for a fork, possibly its parent) and seq of the event's record."""
    state: RunState
    """Of the run that it is for."""

    @property
    def run(self) -> str:
        """The run that it is for."""
        return self.state.run

    @property
    def agent(self) -> str:
        """The name of the run's agent."""
        return self.state.agent.name

    @property
    def about(self) -> RunContext:
        """What the run's functions may know of it."""
        state, started = self.state, self.state.run_started
        limit, ends = state.limits.max_seconds, None
        if limit is not None:
            ends = (state.first_at + state.waited) / 1_000_000 + limit
        return RunContext(
            state.run, state.agent.name, started.session, started.metadata,
            state.scope.namespace or "", started.goal, ends,
        )  # fmt: skip


class Recollect(Protocol):
    """Searches namespaces' memories. Called on a separate thread; may raise any exception."""

    def memories(
        self, scope: Scope, query: str, limit: int, metadata: Mapping[str, str] | None = None
    ) -> MemoryRecalled:
        """The memories of the namespace most similar to the query."""
        ...

    def near(self, scope: Scope, query: str, limit: int) -> MemoryRecalled:
        """The same, without those that have next to nothing in common with the query."""
        ...

    def missing(self, scope: Scope, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not a memory of the namespace."""
        ...

    def all(self, scope: Scope, query: str, limit: int, tokens: int) -> MemoryRecalled:
        """What a run receives at its start: what is near, and facts that runs have learned."""
        ...


@dataclass(frozen=True, slots=True)
class ScopedMemories:
    """What a run may search, for its tools."""

    recollect: Recollect
    scope: Scope

    def search(self, query: str, limit: int, metadata: Mapping[str, str] | None) -> MemoryRecalled:
        """Those that match the metadata, nearest first."""
        return self.recollect.memories(self.scope, query, limit, metadata)

    def near(self, query: str, limit: int) -> MemoryRecalled:
        """Those that have more than next to nothing in common with the query."""
        return self.recollect.near(self.scope, query, limit)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not one of them."""
        return self.recollect.missing(self.scope, ids)


class Attendant(Protocol):
    """Starts and finds child runs."""

    async def attend(self, work: Work[ChildStarted, ToolCall]) -> ChildFinished:
        """The outcome of the child that a ChildStarted announces."""
        ...


@dataclass(slots=True)
class Services:
    """Models, tools, threads and a clock. Replay has none of these."""

    model: Callable[[str, str], Model]
    """(run, model's name) -> the model that answers the request."""
    tool: Callable[[str, str], AnyTool | None]
    """(run, tool's name) -> its code."""
    workers: Workers
    monotonic: Callable[[], float]
    """Seconds since some fixed moment."""
    on_text: OnRunText
    on_progress: OnRunProgress = ignore
    in_flight: int = 64
    """Maximum model calls at once, over all runs; others wait in order."""
    secrets: Secrets = from_environment
    """Asked for a call's secrets when the call is performed."""
    results: Results | None = None
    """Finds complete results for runs that read more of them."""
    endpoint: Callable[[str], Model | None] = lambda _: None
    """Endpoint name -> the model there; None for an unknown name."""
    rule: Callable[[str, Rule], Callable[..., Any] | None] = lambda _, __: None
    """(run, rule) -> the user function; None if it no longer exists."""
    guardrail: Callable[[str, str], Callable[[str], Any] | None] = lambda _, __: None
    """(run, guardrail's name) -> the user function; None if it no longer exists."""
    recollect: Recollect | None = None
    """Searches memories; None if memory is unavailable."""
    children: Attendant | None = None
    """Set once the engine exists."""
    given_admission: Admission | None = None
    calls: ToolCalls = field(init=False)
    """State shared by tool calls: rate limits and cached results."""
    admission: Admission = field(init=False)
    """Decides when a model may be called."""
    cache_watch: CacheWatch = field(default_factory=CacheWatch, init=False)
    """Detects prompts that should have been in the API's cache."""

    def __post_init__(self) -> None:
        """Without limits on requests and tokens, only concurrent calls are limited."""
        self.calls = ToolCalls(self.workers, self.monotonic)
        self.admission = self.given_admission or Admission(self.in_flight, self.monotonic)
