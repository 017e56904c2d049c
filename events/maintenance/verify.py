"""Checks a log from its first record to its anchor and reports the first fault.

An attacker who can rewrite both the log and its anchor is out of scope.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import from_json

from playhead.events.codec import body_refs, decode
from playhead.events.errors import LogError
from playhead.events.kinds.logs import RunsMoved, StreamsErased
from playhead.events.log.anchor import LogPosition, base_of, last_move
from playhead.events.log.contract import RUNTIME_STREAM, Head, Reader
from playhead.events.record import Stored

LogFault: TypeAlias = Literal[
    "altered", "missing", "missing_body", "altered_body", "missing_run", "lost_tail",
    "other_history", "no_anchor", "unreadable",
]  # fmt: skip

MANY = 100
"""The search ends after this many problems."""


class LogProblem(NamedTuple):
    """One problem, and where it is."""

    fault: LogFault
    message: str
    run: str | None = None
    seq: int | None = None
    position: int | None = None


@dataclass
class VerifyReport:
    """The result of verify."""

    records: int = 0
    runs: int = 0
    end: int = 0
    """The last position in the log."""
    anchored: int | None = None
    """The anchor's position; None without an anchor, and then a lost tail cannot be detected."""
    redacted: int = 0
    """Runs that are redacted copies: their hashes cover the copy, not the original text."""
    erased: int = 0
    """Streams that were erased from the log, each recorded: runs, and memories of namespaces."""
    problems: list[LogProblem] = field(default_factory=list)
    """In the order found; the first is the first faulty place."""
    mark: LogPosition = field(default=LogPosition(), compare=False)
    """The end of the log, as an anchor would record it."""

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def verify(reader: Reader, anchor: LogPosition | None) -> VerifyReport:
    """Read the whole log once and check it against its hashes, its bodies and its anchor."""
    report = VerifyReport(anchored=anchor.position if anchor else None)
    try:
        check = _Check(reader, anchor, report)
        for row in reader.follow():
            if tuple(map(type, row)) not in WELL_FORMED:
                what = f"the record after position {report.end}: a field has the wrong type"
                report.problems.append(LogProblem("altered", what, position=report.end + 1))
                return report
            for problem in check.record(row):
                report.problems.append(problem)
            if len(report.problems) >= MANY:
                return report
        report.problems.extend(check.end())
    except LogError as error:
        report.problems.append(LogProblem("unreadable", str(error), position=report.end + 1))
    return report


def _well_formed() -> Iterator[tuple[type, ...]]:
    """Types of a row's fields: a flipped bit may change them despite the schema."""
    none: type = type(None)
    number: tuple[type, type] = (int, none)
    text: tuple[type, type] = (str, none)
    for cause, command, trace, key, bodies in product(number, text, text, text, text):
        yield (
            int, str, int, int, str, str, cause, bool, command, trace, bool, key, str, int, bytes,
            bodies, bytes,
        )  # fmt: skip


WELL_FORMED = frozenset(_well_formed())


class _Check:
    def __init__(self, reader: Reader, anchor: LogPosition | None, report: VerifyReport) -> None:
        self._reader = reader
        self._anchor = anchor
        self._report = report
        self._heads: dict[str, Head] = {}
        self._counts: dict[str, int] = {}
        """Run -> its own records."""
        self._mark = LogPosition()
        self._move = last_move(reader)
        self._base = base_of(self._move)
        self._parted = self._move is not None
        """Before the position up to which the log was split: gaps are allowed there."""
        self._bodies: set[str] = set()

    def record(self, row: Stored) -> Iterator[LogProblem]:
        if self._parted and row.position > self._base.position:
            yield from self._joined()
        if row.position != self._report.end + 1 and not self._parted:
            yield self._gap(row.position)
        self._report.end = row.position
        self._report.records += 1
        self._mark = self._mark.after(row.position, row.hash)
        yield from self._chain(row)
        if row.kind == "run_started":
            self._report.redacted += _is_redacted(row)
        if row.bodies is not None:
            yield from self._body_of(row)
        if row.run == RUNTIME_STREAM and row.kind == "streams_erased":
            self._report.erased += self._erased(row)
        if self._anchor is not None and row.position == self._anchor.position and not self._parted:
            yield from self._at_anchor(self._anchor)

    def _erased(self, row: Stored) -> int:
        try:
            event = decode(row, self._reader.body).event
        except (LogError, KeyError, ValueError):
            return 0  # it was altered, which the hash check reports
        return len(event.streams) if isinstance(event, StreamsErased) else 0

    def _chain(self, row: Stored) -> Iterator[LogProblem]:
        head = self._heads.get(row.run)
        if head is None:
            self._report.runs += 1
            head = self._begin(row)
        where = (row.run, row.seq, row.position)
        if row.seq != head.seq + 1:
            what = f"run {row.run}: record {head.seq + 1} is missing (next is {row.seq})"
            yield LogProblem("missing", what, row.run, head.seq + 1, row.position)
        elif row.hash != row.computed_hash(head.hash):
            what = f"run {row.run} record {row.seq} (position {row.position}) was altered"
            yield LogProblem("altered", f"{what}: its hash does not match", *where)
        self._heads[row.run] = Head(row.seq, row.hash)
        self._counts[row.run] = self._counts.get(row.run, 0) + 1

    def _begin(self, row: Stored) -> Head:
        stream = self._reader.stream(row.run)
        if stream is None or stream.parent is None or stream.parent_seq is None:
            return Head()
        seq = stream.parent_seq
        before = next(self._reader.read(stream.parent, seq - 1, seq), None)
        return Head(seq, before.hash if before else b"")

    def _body_of(self, row: Stored) -> Iterator[LogProblem]:
        where = (row.run, row.seq, row.position)
        for name, digest in body_refs(row).items():
            if digest in self._bodies:
                continue
            self._bodies.add(digest)
            what = f"run {row.run} record {row.seq}: the body of its field {name!r}"
            try:
                content = self._reader.body(digest)
            except KeyError:
                yield LogProblem("missing_body", f"{what} is missing", *where)
                continue
            if sha256(content).hexdigest() != digest:
                yield LogProblem("altered_body", f"{what} was altered", *where)

    def _joined(self) -> Iterator[LogProblem]:
        """The end of the split part: check what it must hold, and continue from its end."""
        assert self._move is not None
        if self._mark.running.hex() != self._move.kept:
            what = (
                f"up to position {self._base.position} the log does not hold the records that it "
                f"kept when runs were {self._gone()}"
            )
            yield LogProblem("missing", what, position=self._base.position)
        self._parted = False
        self._report.end, self._mark = self._base.position, self._base
        if self._anchor is not None and self._anchor.position == self._base.position:
            yield from self._at_anchor(self._anchor)

    def _gone(self) -> str:
        return f"moved ({self._move.side})" if isinstance(self._move, RunsMoved) else "erased"

    def _gap(self, position: int) -> LogProblem:
        first, last = self._report.end + 1, position - 1
        lost = f"position {first} is" if first == last else f"positions {first} to {last} are"
        return LogProblem("missing", f"{lost} missing", position=first)

    def _at_anchor(self, anchor: LogPosition) -> Iterator[LogProblem]:
        if self._mark != anchor and not self._report.problems:
            what = (
                f"up to position {anchor.position} the log is consistent, but it is not the "
                "history that was anchored: an old copy was restored and written to"
            )
            yield LogProblem("other_history", what, position=anchor.position)

    def end(self) -> Iterator[LogProblem]:
        self._report.mark = self._mark
        for stream in self._reader.streams():
            if stream.id not in self._heads:
                what = f"run {stream.id} is missing: the log names it, but has none of its records"
                yield LogProblem("missing_run", what, stream.id)
        if self._move is None:
            yield from self._lookups()
        anchor, end = self._anchor, self._report.end
        if anchor is None and end:
            what = "there is no anchor: a lost tail of the log cannot be detected"
            yield LogProblem("no_anchor", what, position=end)
        elif anchor is not None and end < anchor.position:
            what = (
                f"the log ends at position {end}, its anchor at {anchor.position}: the last "
                f"{anchor.position - end} records are lost (the tail was cut off, or the file is "
                "an old copy)"
            )
            yield LogProblem("lost_tail", what, position=end + 1)

    def _lookups(self) -> Iterator[LogProblem]:
        """Each run's records must also be found by name: a damaged index hides them silently."""
        for run, count in self._counts.items():
            found = sum(row.run == run for row in self._reader.read(run))
            if found != count:
                what = f"run {run}: it has {count} records, but looking it up finds {found}"
                yield LogProblem("unreadable", f"{what}: an index of the file is damaged", run)


def _is_redacted(row: Stored) -> bool:
    try:
        return bool(from_json(row.data).get("redacted"))
    except ValueError:
        return False  # it was altered, which the hash check reports
