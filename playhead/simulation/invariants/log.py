"""Promises about the log, whatever happened to the processes that wrote it.

Each function is one promise: it yields a line for each violation.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from playhead.actors.replay import replay
from playhead.events.kinds.runs import RunStarted, TimeReached
from playhead.events.maintenance.verify import verify
from playhead.events.registry import ENDINGS, INTENTS, OUTCOMES
from playhead.simulation.invariants.evidence import Evidence, Promise

if TYPE_CHECKING:
    from playhead.events.record import Record

MOST_RECORDS = 3000
"""Maximum number of records of one run; more means that it spins."""


def dense_seqs(e: Evidence) -> Iterator[str]:
    """A run's records are numbered from 1 without gaps, and time never decreases."""
    for run, records in e.records.items():
        if [r.seq for r in records] != list(range(1, len(records) + 1)):
            yield f"{run}: {[r.seq for r in records]}"
        if any(a.at > b.at for a, b in pairwise(records)):
            yield f"{run}: time goes back"


def chain_and_anchor(e: Evidence) -> Iterator[str]:
    """Every hash matches, and so does a file's anchor."""
    for problem in verify(e.log, e.anchor).problems:
        if problem.fault != "no_anchor" or e.anchor is not None:
            yield problem.message


def survivors_are_a_prefix(e: Evidence) -> Iterator[str]:
    """All committed records are there, in commit order, and nothing else."""
    for run, hashes in e.ledger.committed.items():
        found = [r.hash for r in e.records.get(run, [])]
        if found != hashes:
            yield f"{run}: {len(hashes)} were committed, {len(found)} are there"


def acknowledged_means_present(e: Evidence) -> Iterator[str]:
    """Everything that was acknowledged is in the log."""
    for run, seq in e.ledger.acknowledged.items():
        if len(e.records.get(run, [])) < seq:
            yield f"{run}: {seq} was acknowledged"
    for command in e.ledger.told:
        if not e.log.has_command(command):
            yield f"{command} was acknowledged"


def one_outcome_per_attempt(e: Evidence) -> Iterator[str]:
    """An intent has at most one outcome, of its kind; in an ended run, exactly one."""
    for run, records in e.records.items():
        intents = {r.seq: r for r in records if r.event.kind in INTENTS}
        ended: Counter[int] = Counter()
        for record in records:
            if record.event.kind not in OUTCOMES:
                continue
            intent = intents.get(record.cause or 0)
            if intent is None or record.event.kind not in INTENTS[intent.event.kind]:
                yield f"{run} {record.seq} ends nothing"
            ended[record.cause or 0] += 1
        yield from (f"{run} {seq} has {n} outcomes" for seq, n in ended.items() if n > 1)
        if records and records[-1].event.kind in ENDINGS and len(ended) < len(intents):
            yield f"{run} ended with open intents {sorted(set(intents) - set(ended))}"


def nothing_after_the_end(e: Evidence) -> Iterator[str]:
    """The ending record is a run's last."""
    for run, records in e.records.items():
        ends = [r.seq for r in records if r.event.kind in ENDINGS]
        if ends and ends != [records[-1].seq]:
            yield f"{run} ends at {ends} of {len(records)}"


def no_spin(e: Evidence) -> Iterator[str]:
    """No run writes endlessly."""
    for run, records in e.records.items():
        if len(records) > MOST_RECORDS:
            yield f"{run} has {len(records)} records"


def a_due_time_is_reached_once(e: Evidence) -> Iterator[str]:
    """The same due time of the same call is recorded once."""
    for run, records in e.records.items():
        reached = Counter(
            (r.event.due, r.event.call, r.event.wait)
            for r in records
            if isinstance(r.event, TimeReached)
        )
        yield from (f"{run}: {due} was reached {n} times" for due, n in reached.items() if n > 1)


def everything_ends(e: Evidence) -> Iterator[str]:
    """Once the faults have stopped, every run ends."""
    if e.liveness:
        for run, records in e.records.items():
            if records and records[-1].event.kind not in ENDINGS:
                yield f"{run} stands still after {records[-1].seq} {records[-1].event.kind}"


def replay_gives_the_same_records(e: Evidence) -> Iterator[str]:
    """Deciding the same turns again from the log alone gives the same records."""
    for run in e.records:
        found = replay(e.log, run).divergence
        if found is not None:
            yield f"{run} diverges at {found.seq}: {found.field} {found.error or ''}"


def sessions_take_turns(e: Evidence) -> Iterator[str]:
    """A session has one open run at a time, and each run continues where the last one ended."""
    open_run: dict[str, str] = {}
    last: dict[str, Record] = {}
    for record in sorted(e.all(), key=lambda r: r.position):
        if isinstance(record.event, RunStarted) and record.event.session is not None:
            session, past = record.event.session, record.event.past
            if session in open_run:
                yield f"{record.run} began while {open_run[session]} was open"
            open_run[session] = record.run
            before = last.get(session)
            if (past.hash if past else None) != (before.hash.hex() if before else None):
                yield f"{record.run} does not go on from {before.run if before else 'nothing'}"
        elif record.event.kind in ENDINGS:
            for session in [s for s, run in open_run.items() if run == record.run]:
                last[session] = record
                del open_run[session]


def no_internal_error(e: Evidence) -> Iterator[str]:
    """Failures in the simulated world have their own error codes; an internal error is our bug."""
    for record in e.all():
        if getattr(record.event, "error", None) == "internal_error":
            yield f"{record.run} {record.seq}: {getattr(record.event, 'message', '')}"


LOG_PROMISES: tuple[Promise, ...] = (
    dense_seqs, chain_and_anchor, survivors_are_a_prefix, acknowledged_means_present,
    one_outcome_per_attempt, nothing_after_the_end, no_spin, a_due_time_is_reached_once,
    everything_ends, replay_gives_the_same_records, sessions_take_turns, no_internal_error,
)  # fmt: skip
