"""Forking: a new run that points to another run's past up to a record. Nothing is copied.

The fork is one held record on the parent's head at that point, so it costs the same at record 10
and at record 100,000. The process that resumes it folds the past and decides from there.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from playhead.events.codec import decode, seal
from playhead.events.errors import RedactedRun, UnknownRun, UsageError
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import AttemptStarted
from playhead.events.log.contract import Append, Head, Log, Reader
from playhead.events.record import Record, Stored
from playhead.events.registry import ENDINGS, OUTCOMES
from playhead.events.version import VERSION

NEAR = 32
"""Records read around a cut at first; more if a turn is longer."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a fork leaves its parent."""

    parent: str
    at: int
    """The last record that they share."""
    undecided: int | None
    """That record, if the decision on it is made again."""
    hash: bytes
    """Hash of that record."""
    moment: int
    """Time of that record: microseconds since the epoch."""

    def forked(self, **changes: Any) -> RunForked:
        """The first event of a fork from here, with these fields set."""
        return RunForked(
            parent=self.parent, at=self.at, undecided=self.undecided, code=VERSION, **changes
        )


def fork_run(log: Log, cut: Cut, fork: str, at: int, forked: RunForked | None = None) -> None:
    """Start a fork; it is in the log when this returns. Must not be called on the log's thread.

    Args:
        log: the log that holds the parent.
        cut: where the fork leaves its parent, from `cut_at` or `cut_before_result`.
        fork: the id of the new run.
        at: now, in microseconds since the epoch.
        forked: its first event, with the changes from there on; no changes by default.

    Raises UsageError (RedactedRun for a redacted run) and LogError.
    """
    forked = forked or cut.forked()
    _check(log, cut, forked)
    head = Head(cut.at, cut.hash)
    record = Record(
        fork, cut.at + 1, max(at, cut.moment), "user", "outside", None, forked, held=True
    )
    row, bodies = seal(record, head.hash)
    done: Future[int | Exception] = Future()
    log.submit(Append(fork, head, (row,), bodies, "run", cut.parent, cut.at), done.set_result)
    outcome = done.result()
    if isinstance(outcome, Exception):
        raise outcome


def cut_at(log: Reader, run: str, at: int | None = None) -> Cut:
    """The last place up to record `at` (the run's end by default) where a fork can be cut.

    That is after a complete turn, or after its opening record, whose turn is then decided again;
    for an ended run, this is the last turn. Raises UnknownRun and UsageError.
    """
    end = log.head(run).seq
    if end == 0:
        raise UnknownRun.named(run)
    wanted = end if at is None else at
    if not 1 <= wanted <= end:
        msg = f"run {run} has the records 1 to {end}: there is no record {at} to fork after"
        raise UsageError(msg)
    here, following = _turn_of(log, run, wanted)
    last = here[-1]
    if last.origin != "decided" and last.kind == "run_resumed" and wanted > 1:
        return cut_at(log, run, wanted - 1)  # it released held records, which come before it
    if last.kind not in ENDINGS and (following is None or following.origin != "decided"):
        return Cut(run, last.seq, None, last.hash, last.at)
    trigger = here[0]
    if trigger.kind == "run_resumed":
        return cut_at(log, run, trigger.seq - 1)
    return Cut(run, trigger.seq, trigger.seq, trigger.hash, trigger.at)


def cut_before_result(log: Reader, run: str, call: int) -> Cut:
    """The place right before a call's last outcome, so that it can be given a different one."""
    outcome = started = None
    for row in log.read(run, call):
        event = decode(row, log.body).event if row.kind.endswith("_started") else None
        if isinstance(event, AttemptStarted | ChildStarted) and event.call == call:
            started = row.seq
        elif row.kind in OUTCOMES and row.cause is not None and row.cause == started:
            outcome = row.seq
    if outcome is None:
        msg = f"run {run}: record {call} is not a tool call with a result (`playhead show {run}`)"
        raise UsageError(msg)
    return cut_at(log, run, outcome - 1)


def _turn_of(log: Reader, run: str, seq: int) -> tuple[list[Stored], Stored | None]:
    """The records of a turn up to `seq`, its opening record first, and the record after `seq`."""
    near = NEAR
    while True:
        rows = list(log.read(run, max(0, seq - near), seq + 1))
        following = rows.pop() if rows[-1].seq > seq else None
        trigger = next((n for n in reversed(range(len(rows))) if rows[n].origin != "decided"), None)
        if trigger is not None:
            return rows[trigger:], following
        near *= 4


def _check(log: Reader, cut: Cut, forked: RunForked) -> None:
    first = decode(next(log.read(cut.parent, 0, 1)), log.body).event
    if isinstance(first, RunStarted) and first.redacted:
        raise RedactedRun(cut.parent, "forked")
    if forked.messages and cut.undecided == 1:
        msg = "before the first step nobody listens to a message: start a run with another goal"
        raise UsageError(msg)
    for given in forked.results:
        row = next(log.read(cut.parent, given.call - 1, given.call), None)
        if row is None or row.kind != "tool_requested" or row.seq > cut.at:
            msg = f"the fork at record {cut.at} of run {cut.parent} has no open call {given.call}"
            raise UsageError(msg)
