"""What a tool may know of the call that it performs; the model sees nothing of it."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from playhead.events.event import Json
from playhead.events.kinds.memory import MemoryRecalled

Secrets: TypeAlias = Callable[[str], str | None]
"""From a secret's name to its value, None where there is none. Asked when a call is performed."""

Results: TypeAlias = Callable[[str, str], Json]
"""(run, key) -> the whole result of a call that the run may read. Raises ToolError."""


SearchMemories: TypeAlias = Callable[[str, int, Mapping[str, str] | None], MemoryRecalled]
"""(query, limit, metadata that must be the same) -> what is remembered, the nearest first."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A parameter that is filled in when the call is performed: `Annotated[str, Secret("TOKEN")]`.

    Neither the model nor the log sees the value; where a result holds it, its name stands instead.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Depends:
    """A parameter that a function of yours gives for each attempt: `Annotated[Db, Depends(open)]`.

    The function is called without arguments, where the tool runs. The model sees nothing of it.
    """

    provide: Callable[[], Any]


class OutcomeUnknown(Exception):
    """Raise it in a tool that cannot tell whether it took effect: a connection lost in mid-call.

    A `once` call is in doubt then; any other may be made again.
    """


def from_environment(name: str) -> str | None:
    """The default for secrets: the environment variable of that name."""
    return os.environ.get(name)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """One attempt of a call. A tool gets it by a parameter annotated with `ToolContext`."""

    run: str
    """The run that owns the call: in a fork, for a call recorded by the parent, the parent."""
    call: int
    """The seq of the call's ToolRequested: one number through all attempts."""
    attempt: int = 1
    secrets: Secrets = field(default=from_environment, repr=False)
    results: Results | None = field(default=None, repr=False)
    memories: SearchMemories | None = field(default=None, repr=False)
    """Searches what the run's namespace remembers; None where it has none."""
    _given_up: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def key(self) -> str:
        """The idempotency key: the same on every attempt of this call, and on no other call."""
        return f"{self.run}:{self.call}"

    def is_cancelled(self) -> bool:
        """Whether nobody waits any more: the call was cancelled or ran out of time.

        An async tool is cancelled besides; a sync one cannot be, and should look from time to time.
        """
        return self._given_up.is_set()

    def give_up(self) -> None:
        """Let the tool know that nobody waits any more (called by whoever performs the call)."""
        self._given_up.set()
