"""The exception tree. Catch `PlayheadError` for everything that this package raises on purpose.

PlayheadError
|-- UsageError            the caller's mistake: what was wrong and what to do instead
|   |-- AnswerRefused         an answer to a deferred call that does not apply; says why
|   |-- UnknownRun            no run has that id
|   |-- SessionBusy           a run of that session is still open
|   |-- ServerUnreachable     an MCP server that an agent requires does not answer
|   |-- RedactedRun           its text was removed: it can only be inspected
|   |-- RuntimeClosed         the runtime was already closed
|   |-- InheritedByFork       the runtime belongs to the process that this one was forked from
|   |-- CalledOnLoop          a blocking call from a callback on the runtime's own loop
|   `-- AdmissionRefused      too many runs are open; nothing was logged
|-- RunNotFinished        `run()` ended without an answer; carries the reason
|-- ModelError            a model call failed; carries the facts for deciding on a retry
|-- ToolError             raised by a tool for an expected failure, shown to the model
|-- NotStorable           a payload would not survive the round trip through JSON
`-- LogError              the log
    |-- StorageUnavailable    the log cannot be written at present; it is tried again
    |-- HeadMoved             the append expected another head; nothing was written
    |-- RunTakenOver          another writer continues the run; this process dropped it
    |-- LogOwned              another process owns the log
    |-- LogClosed             appended after close
    |-- LogLost               its file was deleted or replaced while it was open
    |-- LogTooNew             written by a newer format; left untouched
    `-- LogDamaged            a hash, a sequence or the anchor does not match
            `-- LogBehindAnchor       acknowledged records are missing
"""

from typing import Any

from playhead.events.usage import Usage


class PlayheadError(Exception):
    """Everything that Playhead raises on purpose: `except PlayheadError`."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the message and the attributes, so that unpickling does not call the constructor."""
        return _unpickled, (type(self), self.args), self.__dict__


def _unpickled(kind: type[PlayheadError], args: tuple[Any, ...]) -> PlayheadError:
    return kind.__new__(kind, *args)


class UsageError(PlayheadError):
    """The caller asked for something impossible; the message says what to do instead."""


class AnswerRefused(UsageError):
    """An answer to a deferred call does not apply: nothing was recorded."""

    def __init__(self, reason: str, call: int, message: str) -> None:
        self.call = call
        self.reason = reason
        """not_waiting: no such call, or its tool answered by itself. too_early: its tool is still
        at work, and is not declared with `deferred=`. answered: it has its answer.
        expired: its time has passed. run_ended: its run ended, or is stopping, without it.
        wrong_type: the answer does not fit the tool's return annotation."""
        super().__init__(message)


class UnknownRun(UsageError):
    """No run in the log has that id, or several ids begin with it."""

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
    """The run came from a redacted export: its text was removed, so nothing can be decided."""

    def __init__(self, run: str, what: str) -> None:
        self.run = run
        super().__init__(
            f"run {run} is a redacted copy: its text was removed, so it cannot be {what}"
        )


class RuntimeClosed(UsageError):
    """The runtime was closed; open runs continue when another Runtime resumes them."""

    def __init__(self, what: str = "the runtime is closed") -> None:
        super().__init__(f"{what}: create another Runtime over its log")


class InheritedByFork(UsageError):
    """The runtime was created before this process was forked, and only works in its own process.

    A fork copies neither the runtime's threads nor its right to write to the log.
    """

    def __init__(self, owner: int) -> None:
        self.owner = owner
        """The process that created it."""
        super().__init__(
            f"this Runtime was made in process {owner}, from which this one was forked: make the "
            "Runtime after the fork (in gunicorn's post_fork hook or the app's startup, in the "
            "multiprocessing worker), over a log of its own for each process"
        )


class CalledOnLoop(UsageError):
    """A blocking call was made on the runtime's own loop, and would deadlock."""

    def __init__(self) -> None:
        super().__init__(
            "this call would wait for the runtime's own loop, and was made on it (by a watcher, a "
            "model or another callback there): make it from another thread, for example "
            "threading.Thread(target=...).start()"
        )


class ServerUnreachable(UsageError):
    """An MCP server that an agent requires cannot be reached."""


class AdmissionRefused(UsageError):
    """The runtime has reached its limit of open runs; nothing was logged."""


class RunNotFinished(PlayheadError):
    """The run ended without an answer, or is paused."""

    def __init__(self, run: str, status: str, reason: str) -> None:
        self.run = run
        self.status = status
        self.reason = reason
        super().__init__(f"run {run} {status}: {reason} (`playhead why {run}` says more)")


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
        batch: str | None = None,
    ) -> None:
        self.batch = batch
        self.error = error
        self.message = message
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        self.usage = usage
        super().__init__(f"{error}: {message}")


class ToolError(PlayheadError):
    """Raise it in a tool for an expected failure: the model reads the message and the hint.

    `retry_after` (seconds) means that the same call may succeed later.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        super().__init__(message)


class NotStorable(PlayheadError):
    """A payload would change in a round trip through JSON; nothing was appended."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        self.why = why
        super().__init__(f"an event {kind} cannot be stored: {why}")


class LogError(PlayheadError):
    """A problem with the log; the subclass says which."""


class StorageUnavailable(LogError):
    """The log cannot be written at present: disk full, I/O error, file-size limit, busy file.

    Raised by a log, it does not say whether the append is in the file: submit the same append
    again to find out. Raised by a Runtime, it says that a run has waited for the storage too long:
    the run continues by itself when the storage works again.
    """

    def __init__(
        self, log: str, why: str, then: str = "the same append can be tried again"
    ) -> None:
        self.log = log
        self.why = why
        super().__init__(
            f"{log} cannot be written: {why}. Free disk space, raise the file-size limit, end the "
            f"program that locks the file, or start the database; {then}"
        )


class HeadMoved(LogError):
    """The append expected another head; nothing was written."""

    def __init__(self, run: str, expected: int, actual: int) -> None:
        self.run = run
        self.expected = expected
        self.actual = actual
        super().__init__(f"run {run} stands at seq {actual}, the append expected {expected}")


class RunTakenOver(LogError):
    """Another writer appended to a run that this process was driving; this process dropped it."""

    def __init__(self, run: str, expected: int, actual: int) -> None:
        self.run = run
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"run {run} was driven by this process up to record {expected}, but another Runtime "
            f"has appended to it (it is at record {actual}): what was under way here was cut off, "
            "as in a crash. Let the other Runtime continue, or stop it and call run.resume() here"
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
    """A hash, a sequence number or the anchor does not match; the message names the first place."""


class LogBehindAnchor(LogDamaged):
    """Acknowledged records are missing from the file."""

    def __init__(self, path: str, anchored: int, found: int) -> None:
        self.path = path
        self.anchored = anchored
        self.found = found
        super().__init__(
            f"{path} ends at position {found}, but its anchor says that {anchored} was reached: "
            "records were lost (an old copy restored, or a damaged WAL). It opens for reading; "
            "`playhead verify --accept-loss` records the loss and allows writing again"
        )
