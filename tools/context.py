"""What a tool may know of the call that it performs; the model sees nothing of it."""

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ToolContext:
    """One attempt of a call. A tool gets it by a parameter annotated with `ToolContext`."""

    run: str
    """The run that owns the call: in a fork, for a call recorded by the parent, the parent."""
    call: int
    """The seq of the call's ToolRequested: one number through all attempts."""
    attempt: int = 1
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
