"""What a person may do to runs from a page, and who does it: this process, or the log's owner."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from playhead.events.errors import LogOwned, UsageError
from playhead.events.event import Event
from playhead.events.kinds.runs import RunResumed
from playhead.events.log.inbox import Inbox
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.version import VERSION
from playhead.forking import Instead, begin_fork
from playhead.run import Run
from playhead.service.redaction import Redactor

if TYPE_CHECKING:
    from playhead.service.run_control import RunControl

PATIENCE = 5.0
"""Seconds to wait for the owner of the log."""


class Control(Protocol):
    """Acts on runs. Each method raises UsageError, with the reason, if it cannot."""

    def tell(self, run: str, event: Event, /) -> None:
        """Append an event from outside."""
        ...

    def resume(self, run: str, /) -> None:
        """Go on with a run."""
        ...

    def fork(self, run: str, at: int | None, instead: Instead, /) -> str:
        """Fork a run; the id of the fork."""
        ...


class OverInbox:
    """Acts on a log of another process: commands lie in its inbox, and its owner takes them up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tell(self, run: str, event: Event, /) -> None:
        """Leave the event for the log's owner, and wait up to PATIENCE for the answer."""
        inbox = Inbox(self._path)
        try:
            command = inbox.put(run, Redactor().event(event))
            answer = inbox.outcome(command.id, PATIENCE)
        finally:
            inbox.close()
        if answer is not None:
            left = f"left for the process that takes the run up (playhead resume {run})"
            raise UsageError(answer or left)

    def resume(self, run: str, /) -> None:
        """Ask the owner to go on."""
        self.tell(run, RunResumed(code=VERSION, reason="resumed on the page"))

    def fork(self, run: str, at: int | None, instead: Instead, /) -> str:
        """Append the fork while nobody owns the log; `playhead resume` goes on with it."""
        try:
            with SqliteLog(self._path) as log:
                return begin_fork(log, run, at, instead)
        except LogOwned as owned:
            msg = f"{owned.owner} owns the log: fork the run there (runtime.fork), or when it ends"
            raise UsageError(msg) from owned


class InProcess:
    """Acts on the runs of a Runtime in this process."""

    def __init__(
        self, runs: "RunControl", fork: Callable[[str, int | None, Instead], Run[Any]]
    ) -> None:
        """`runs` and `fork` are the Runtime's own."""
        self._runs = runs
        self._fork = fork

    def tell(self, run: str, event: Event, /) -> None:
        """Append the event at once."""
        self._runs.tell(run, event)

    def resume(self, run: str, /) -> None:
        """Go on with the run here."""
        self._runs.resume(run)

    def fork(self, run: str, at: int | None, instead: Instead, /) -> str:
        """Fork the run, and go on with the fork here."""
        return self._fork(run, at, instead).id
