"""What a tool can know about the call that it performs. The model sees none of it."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

from playhead.events.event import Json
from playhead.events.kinds.memory import MemoryRecalled

Secrets: TypeAlias = Callable[[str], str | None]
"""From a secret's name to its value, or None. Called when a call is performed."""

Results: TypeAlias = Callable[[str, str], Json]
"""(run, key) -> the whole result of a call that the run may read. Raises ToolError."""


class Memories(Protocol):
    """The memories of a run's namespace."""

    def search(self, query: str, limit: int, metadata: Mapping[str, str] | None) -> MemoryRecalled:
        """Those that match the metadata, nearest first."""
        ...

    def near(self, query: str, limit: int) -> MemoryRecalled:
        """Those that have more than next to nothing in common with the query."""
        ...

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not one of them."""
        ...


OnProgress: TypeAlias = Callable[[str, float | None, float | None], None]
"""(text, done, total), from any thread."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A parameter filled in when the call is performed: `Annotated[str, Secret("TOKEN")]`.

    Neither the model nor the log sees the value: in a result it is replaced by the secret's name.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Depends:
    """A parameter provided by your function for each attempt: `Annotated[Db, Depends(open_db)]`.

    The function runs where the tool runs, and the model sees nothing of it. It may take a
    ToolContext, secrets and other dependencies, each provided once for the attempt; be `async`, for
    an async tool; or be a generator: what follows its `yield` is the clean-up, done after the call,
    in reverse order, also when the call failed or was cancelled.
    """

    provide: Callable[..., Any]


class OutcomeUnknown(Exception):
    """Raise it in a tool that cannot tell whether it took effect: a connection lost in mid-call.

    A `once` call is then in doubt; any other may be made again.
    """


class CallDeferred(Exception):
    """Raise it in a tool that has only begun something: the answer comes later, from outside.

    The run waits, across restarts, until `runtime.complete(run, call, result)` or `runtime.fail`;
    `ToolContext` has the run and the call. The result must fit the tool's return annotation.
    """

    def __init__(
        self,
        note: str | None = None,
        *,
        expires: float | None = None,
        if_expired: str | None = None,
        counts: bool | None = None,
    ) -> None:
        """What is not given is as in `@tool(deferred=Deferral(...))`, if the tool has that.

        Args:
            note: where the answer is expected from, for whoever gives it (`runtime.runs.waits()`).
            expires: seconds after which the call ends without an answer.
            if_expired: what the model is told then.
            counts: whether the wait counts towards `Limits.max_seconds`; True by default.
        """
        super().__init__(note or "the answer comes later")
        self.note = note
        self.expires = expires
        self.if_expired = if_expired
        self.counts = counts
        self.about: Literal["answer", "time"] = "answer"


class InputRequired(Exception):
    """A tool cannot go on before a person has answered: the call goes on with the answers."""

    def __init__(
        self,
        questions: Mapping[str, Json],
        state: str | None,
        bound: Literal["session"] | None = None,
    ) -> None:
        self.questions = dict(questions)
        """By key: a `message`, and the `requestedSchema` of the answer or a `url` to visit."""
        self.state = state
        """Given back to the tool, with the answers."""
        self.bound: Literal["session"] | None = bound
        """Set if the answer comes too late once the tool's session is over."""
        super().__init__("input is required")


@dataclass(frozen=True, slots=True)
class InputGiven:
    """What a person answered to an InputRequired, for the attempt that goes on."""

    state: str | None
    responses: Mapping[str, Json]
    """By key: an `action` (accept, decline, cancel), and the `content` of an accepted answer."""


def from_environment(name: str) -> str | None:
    """The default source of secrets: the environment variable of that name."""
    return os.environ.get(name)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The run that a function works for, as it was started."""

    run: str = ""
    agent: str = ""
    session: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """The labels with which it was started; a child run has those of its caller."""
    namespace: str = ""
    """Whose memory it reads and writes; empty if it has none."""
    goal: str = ""
    ends: float | None = None
    """When its `max_seconds` are over, in seconds since the epoch; None if they are not limited."""


def _unheard(_: str, __: float | None, ___: float | None) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """One attempt of a call. A tool receives it in a parameter annotated with `ToolContext`."""

    run: str
    """The run that owns the call: in a fork, for a call recorded by the parent, the parent."""
    call: int
    """The seq of the call's ToolRequested: the same for all attempts."""
    attempt: int = 1
    secrets: Secrets = field(default=from_environment, repr=False)
    results: Results | None = field(default=None, repr=False)
    memories: Memories | None = field(default=None, repr=False)
    """The memories of the run's namespace; None if it has none."""
    run_ends: int | None = None
    """When the run's `max_seconds` will have passed (microseconds since the epoch), if set."""
    about: RunContext = field(default=RunContext(), repr=False)
    deadline: float | None = None
    """When this attempt is given up, or its run ends: in seconds since the epoch."""
    on_progress: OnProgress = field(default=_unheard, repr=False)
    input: InputGiven | None = field(default=None, repr=False)
    """The answers that this attempt goes on with."""
    _given_up: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt of this call, unique among calls."""
        return f"{self.run}:{self.call}"

    @property
    def agent(self) -> str:
        """The name of the run's agent."""
        return self.about.agent

    @property
    def session(self) -> str | None:
        """The conversation that the run belongs to."""
        return self.about.session

    @property
    def metadata(self) -> Mapping[str, str]:
        """The labels with which the run was started; a child run has those of its caller."""
        return self.about.metadata

    @property
    def namespace(self) -> str:
        """Whose memory the run reads and writes; empty if it has none."""
        return self.about.namespace

    @property
    def goal(self) -> str:
        """The run's goal."""
        return self.about.goal

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more: the call was cancelled or timed out.

        An async tool is also cancelled; a sync tool cannot be, and should check from time to time.
        """
        return self._given_up.is_set()

    def is_cancelled(self) -> bool:
        """The same as `cancelled`."""
        return self.cancelled

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        """Tell whoever listens to the run how far the call is; it is not recorded.

        `done` of `total` is in any unit; what is not a finite number is left out. Secrets are
        masked as in a result. May be called from any thread, and never raises.
        """
        self.on_progress(text, done, total)

    def starting(self, now: float, timeout: float, on_progress: OnProgress) -> "ToolContext":
        """The context of an attempt that starts now (seconds since the epoch)."""
        end = now + timeout
        end = end if self.about.ends is None else min(end, self.about.ends)
        return replace(self, deadline=end, on_progress=on_progress)

    def give_up(self) -> None:
        """Tell the tool that nobody waits any more (called by the code that performs the call)."""
        self._given_up.set()
