"""Measures of the runs in a log, and of the runs under way in this process.

`read_measures` looks at any log. `LiveMeasures` is an engine's watcher: it folds what is committed,
and tells its listeners each record with the measure before it, each turn, and each run's end.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, Protocol

from playhead.events.kinds.codec import decode
from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.projections.metrics.measure import Measure
from playhead.projections.metrics.view import MeasuresView, find_measures
from playhead.projections.state.run_state import RunState
from playhead.projections.stored.view import Views, views_path

if TYPE_CHECKING:
    from pathlib import Path

P = ParamSpec("P")

program_log = ProgramLogger("playhead.metrics")


class Measures(NamedTuple):
    """Runs in a window of time, and those before it, which baselines are taken from."""

    runs: list[Measure]
    before: list[Measure]


def read_measures(reader: Reader, since: int | None = None) -> Measures:
    """The measures of a log: of open runs and of those that ended since (microseconds).

    Kept in `<log>.views`, so that only what was appended since the last look is read; in memory
    where there is no file, or its folder cannot be written.
    """
    path: Path | None = getattr(reader, "path", None)
    writable = path is not None and os.access(path.parent, os.W_OK)
    where = views_path(path) if path is not None and writable else ":memory:"
    views = Views(reader, where, [MeasuresView()])
    try:
        views.catch_up()
        found = find_measures(views.connection)
    finally:
        views.close()
    early = [m for m in found if m.ended and since is not None and m.last_at < since]
    late = [m for m in found if not m.ended or since is None or m.last_at >= since]
    return Measures(late, early)


class Listener(Protocol):
    """Who wants to know. What it raises harms neither the run nor the other listeners."""

    def record(self, measure: Measure, record: Record) -> None:
        """A record was committed; the measure does not hold it yet."""
        ...

    def folded(self, measure: Measure) -> None:
        """A turn was committed; the measure holds it."""
        ...

    def ended(self, measure: Measure) -> None:
        """A run has ended; the measure is whole."""
        ...


class LiveMeasures:
    """An engine's watcher that folds the runs of this process."""

    def __init__(self, log: Reader, listeners: Sequence[Listener]) -> None:
        self._log = log
        self._listeners = listeners
        known = read_measures(log).runs
        self.open = {measure.run: measure for measure in known if not measure.ended}
        """The runs under way, those of earlier processes included."""

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """Fold a turn."""
        run = state.run
        measure = self.open.get(run)
        if measure is None:
            measure = self.open[run] = self._before(run, records[0].seq)
        for record in records:
            for listener in self._listeners:
                self._tell(listener.record, measure, record)
            measure.fold(record)
        if measure.ended:
            del self.open[run]
        for listener in self._listeners:
            self._tell(listener.folded, measure)
            if measure.ended:
                self._tell(listener.ended, measure)

    def _before(self, run: str, seq: int) -> Measure:
        """The run as it stood before a record: one that was taken up is folded from the log."""
        measure = Measure(run=run)
        for row in self._log.read(run, 0, seq - 1):
            measure.fold(decode(row, self._log.body))
        return measure

    def _tell(self, say: Callable[P, None], *args: P.args, **more: P.kwargs) -> None:
        try:
            say(*args, **more)
        except Exception as error:
            program_log.exception("metrics.failed", error=str(error))
