"""The exception tree. Catch `PlayheadError` for everything that this package raises on purpose.

PlayheadError
|-- UsageError            the caller's mistake: what was wrong and what to do instead
|   |-- UnknownRun            no run of that id
|   |-- SessionBusy           a run of that session is still open
|   |-- ServerUnreachable     an MCP server that an agent requires does not answer
|   |-- RedactedRun           its words are gone: it can be looked at, and that is all
|   |-- RuntimeClosed         the runtime was closed before
|   |-- InheritedByFork       the runtime belongs to the process that this one was forked from
|   |-- CalledOnLoop          a blocking call from a callback on the runtime's own loop
|   `-- AdmissionRefused      too many runs are open; nothing was logged
|-- RunNotFinished        `run()` ended without an answer; carries the reason
|-- ModelError            a model call failed; carries what decides whether it is tried again
|-- ToolError             raised by a tool for an expected failure, told to the model
|-- NotStorable           a payload would not survive the round trip through JSON
`-- LogError              the log
    |-- StorageUnavailable    the log cannot be written for now; it is tried again
    |-- HeadMoved             the append expected another head; nothing was written
    |-- RunTakenOver          another writer goes on with the run; this process let it go
    |-- LogOwned              another process owns the log
    |-- LogClosed             appended after close
    |-- LogLost               its file was deleted or replaced while it was open
    |-- LogTooNew             written by a newer format; left untouched
    `-- LogDamaged            a hash, a sequence or the anchor does not fit
        `-- LogBehindAnchor       records that were acknowledged are missing
"""

from typing import Any

from playhead.events.usage import Usage


class PlayheadError(Exception):
    """Everything that Playhead raises on purpose: `except PlayheadError`."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the message and the facts; an error is not constructed a second time."""
        return _unpickled, (type(self), self.args), self.__dict__


def _unpickled(kind: type[PlayheadError], args: tuple[Any, ...]) -> PlayheadError:
    return kind.__new__(kind, *args)


class UsageError(PlayheadError):
    """The caller asked for something that cannot be; the message says what to do instead."""


class UnknownRun(UsageError):
    """No run in the log has that id (or the beginning of an id fits several)."""

    @classmethod
    def named(cls, run: str, where: object = "this log") -> "UnknownRun":
        """The error for an id that is not in a log."""
        return cls(f"there is no run {run!r} in {where}: `playhead runs` lists them")


class SessionBusy(UsageError):
    """A run of the session is still open: send it a message, or wait for its end."""

    def __init__(self, session: str, run: str) -> None:
        self.session = session
        self.run = run
        super().__init__(
            f"session {session!r} has the open run {run}: wait for it to end, cancel it, "
            f"or send it a message (run.send(...), `playhead send {run} TEXT`)"
        )


class RedactedRun(UsageError):
    """The run came from a redacted export: what was said is gone, so nothing can be decided."""

    def __init__(self, run: str, what: str) -> None:
        self.run = run
        super().__init__(
            f"run {run} is a redacted copy: what was said is gone, so it cannot be {what}"
        )


class RuntimeClosed(UsageError):
    """The runtime was closed; runs that were open go on when a Runtime takes them up again."""

    def __init__(self, what: str = "the runtime is closed") -> None:
        super().__init__(f"{what}: make another Runtime over its log")


class InheritedByFork(UsageError):
    """The runtime was made before this process was forked off, and works in its own process only.

    A fork copies neither the runtime's threads nor its right to write the log.
    """

    def __init__(self, owner: int) -> None:
        self.owner = owner
        """The process that made it."""
        super().__init__(
            f"this Runtime was made in process {owner}, from which this one was forked: make the "
            "Runtime after the fork (in gunicorn's post_fork hook or the app's startup, in the "
            "multiprocessing worker), over a log of its own for each process"
        )


class CalledOnLoop(UsageError):
    """A call that blocks was made on the runtime's own loop, which would wait for itself."""

    def __init__(self) -> None:
        super().__init__(
            "this call would wait for the runtime's own loop, and was made on it (by a watcher, a "
            "model or another callback there): make it from another thread, for example "
            "threading.Thread(target=...).start()"
        )


class ServerUnreachable(UsageError):
    """An MCP server that an agent requires cannot be reached."""


class AdmissionRefused(UsageError):
    """The runtime has as many open runs as it admits; nothing was logged."""


class RunNotFinished(PlayheadError):
    """The run ended without an answer, or is paused."""

    def __init__(self, run: str, status: str, reason: str) -> None:
        self.run = run
        self.status = status
        self.reason = reason
        super().__init__(f"run {run} {status}: {reason} (`playhead why {run}` tells more)")


class ModelError(PlayheadError):
    """A model call failed; the attributes become the fields of ModelFailed."""

    def __init__(
        self,
        error: str,
        message: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.error = error
        self.message = message
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        self.usage = usage
        super().__init__(f"{error}: {message}")


class ToolError(PlayheadError):
    """Raise it in a tool for an expected failure: the model reads the message and the hint.

    `retry_after` (seconds) says that the same call may work later.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        super().__init__(message)


class NotStorable(PlayheadError):
    """A payload would not come back from JSON as it went in; nothing was appended."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        self.why = why
        super().__init__(f"an event {kind} cannot be stored: {why}")


class LogError(PlayheadError):
    """Something about the log; the subclass says what."""


class StorageUnavailable(LogError):
    """The log cannot be written for now: disk full, I/O error, file-size limit, busy file.

    Raised by a log, it says nothing about whether the append is in the file: submit the same append
    again to find out. Raised by a Runtime, it says that a run has waited for the storage too long:
    the run goes on by itself when the storage works again.
    """

    def __init__(
        self, log: str, why: str, then: str = "the same append can be tried again"
    ) -> None:
        self.log = log
        self.why = why
        super().__init__(
            f"{log} cannot be written: {why}. Free disk space, raise the file-size limit, or end "
            f"the program that locks the file; {then}"
        )


class HeadMoved(LogError):
    """The append expected another head; nothing of it was written."""

    def __init__(self, run: str, expected: int, actual: int) -> None:
        self.run = run
        self.expected = expected
        self.actual = actual
        super().__init__(f"run {run} stands at seq {actual}, the append expected {expected}")


class RunTakenOver(LogError):
    """Another writer appended to a run that this process was driving; this process let it go."""

    def __init__(self, run: str, expected: int, actual: int) -> None:
        self.run = run
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"run {run} was driven by this process up to record {expected}, but another Runtime "
            f"has appended to it (it is at record {actual}): what was under way here was cut off, "
            "as in a crash. Let the other Runtime go on, or stop it and call run.resume() here"
        )


class LogOwned(LogError):
    """Another process owns the log."""

    def __init__(self, path: str, owner: str) -> None:
        self.path = path
        self.owner = owner
        super().__init__(
            f"{path} is owned by {owner}: stop that process, or talk to it (playhead cancel, "
            "pause, resume, send and approve do). A server with several workers (uvicorn "
            "--workers, gunicorn -w) needs a log for each worker, under a name that a restarted "
            "worker finds again"
        )


class LogClosed(LogError):
    """The log was closed; nothing was written."""


class LogLost(LogError):
    """The log's file was deleted, moved, replaced or overwritten while it was open."""

    def __init__(self, path: str, what: str) -> None:
        self.path = path
        self.what = what
        super().__init__(
            f"{path} {what} while the log was open, so nothing was written: close the runtime, "
            "put the file back or restore a backup, check it with `playhead verify`, and open it "
            "again"
        )


class LogTooNew(LogError):
    """The file was written by a newer Playhead; it was left untouched."""

    def __init__(self, path: str, found: int, known: int) -> None:
        self.path = path
        self.found = found
        self.known = known
        super().__init__(
            f"{path} has log format {found}; this Playhead knows up to {known}: upgrade Playhead "
            "(the file was not touched)"
        )


class LogDamaged(LogError):
    """A hash, a sequence number or the anchor does not fit; the message names the first place."""


class LogBehindAnchor(LogDamaged):
    """Records that were acknowledged once are not in the file any more."""

    def __init__(self, path: str, anchored: int, found: int) -> None:
        self.path = path
        self.anchored = anchored
        self.found = found
        super().__init__(
            f"{path} ends at position {found}, but its anchor says that {anchored} was reached: "
            "records were lost (an old copy put back, or a damaged WAL). It opens for reading; "
            "`playhead verify --accept-loss` records the loss and lets it be written again"
        )
