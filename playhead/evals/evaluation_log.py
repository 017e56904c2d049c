"""The evaluations of a log: their streams, read and written."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from playhead.actors.append import Statement, submit_all
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.log.contract import Log, Reader
from playhead.events.record import Record
from playhead.projections.evaluation.report import Report, report

if TYPE_CHECKING:
    from concurrent.futures import Future

STREAMS = "evaluation/"
ONLINE = "online"
"""The stream of what was judged of runs as they ended."""


def evaluations(reader: Reader) -> list[str]:
    """The ids of a log's evaluations, oldest first."""
    names = (stream.id.removeprefix(STREAMS) for stream in reader.streams(STREAMS))
    return [name for name in names if name != ONLINE]


def find_evaluation(reader: Reader, given: str) -> str | None:
    """The evaluation with that id, or with an id that begins so; None if there is none.

    Raises UsageError if there are several.
    """
    if given == ONLINE:
        return None
    if reader.stream(f"{STREAMS}{given}") is not None:
        return given
    found = [name for name in evaluations(reader) if given and name.startswith(given)]
    if len(found) > 1:
        msg = f"{given!r} is the beginning of several evaluations: {', '.join(found[:3])}"
        raise UsageError(msg)
    return found[0] if found else None


def evaluation_records(reader: Reader, evaluation: str) -> Iterator[Record]:
    """The records of one evaluation."""
    return (decode(row, reader.body) for row in reader.read(f"{STREAMS}{evaluation}"))


def evaluation_report(reader: Reader, evaluation: str) -> Report:
    """The report of an evaluation, as far as it has come. Raises UsageError if there is none."""
    found = find_evaluation(reader, evaluation)
    if found is None:
        known = ", ".join(evaluations(reader)[-3:]) or "none"
        msg = f"there is no evaluation {evaluation!r} (evaluations: {known})"
        raise UsageError(msg)
    return report(found, evaluation_records(reader, found))


class EvaluationLog:
    """Writes the evaluations of one log; any thread may append."""

    def __init__(self, log: Log, redact: Callable[[Event], Event]) -> None:
        self.log = log
        self._redact = redact

    def append(self, evaluation: str, event: Event) -> None:
        """Record an event of an evaluation, redacted; returns when it is durable."""
        position = self.submit(evaluation, event).result()
        if isinstance(position, Exception):
            raise position

    def submit(self, evaluation: str, event: Event) -> "Future[int | Exception]":
        """As `append`, without waiting: the position, or the error."""
        said = Statement(self._redact(event), "runtime")
        at = time.time_ns() // 1000
        stream = f"{STREAMS}{evaluation}"
        return submit_all(self.log, [said], at, stream=stream, kind="evaluation")
