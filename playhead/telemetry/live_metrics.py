"""Metrics of the runs in a log, and of the runs under way in this process.

`read_run_metrics` reads any log. `LiveMetrics` watches an engine: it folds what is committed, and
tells its listeners about each record (with the metrics before it), each turn, and each run's end.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, ParamSpec, Protocol

from playhead.events.codec import decode
from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.metrics.view import RunMetricsView, find_run_metrics
from playhead.projections.state.run_state import RunState
from playhead.projections.stored.view import Views

P = ParamSpec("P")

program_log = ProgramLogger("playhead.metrics")


class RunsInWindow(NamedTuple):
    """Runs in a window of time, and those before it, which baselines are taken from."""

    runs: list[RunMetrics]
    before: list[RunMetrics]


def read_run_metrics(reader: Reader, since: int | None = None) -> RunsInWindow:
    """The metrics of the runs in a log that are open or ended since (microseconds).

    Kept in a stored view, so that only what was appended since the last look is read.
    """
    with Views.of(reader, [RunMetricsView()]) as views:
        found = find_run_metrics(views.connection)
    early = [m for m in found if m.ended and since is not None and m.last_at < since]
    late = [m for m in found if not m.ended or since is None or m.last_at >= since]
    return RunsInWindow(late, early)


class Listener(Protocol):
    """Receives metrics. An exception in it harms neither the run nor the other listeners."""

    def record(self, metrics: RunMetrics, record: Record) -> None:
        """A record was committed; the metrics do not count it yet."""
        ...

    def folded(self, metrics: RunMetrics) -> None:
        """A turn was committed; the metrics count it."""
        ...

    def ended(self, metrics: RunMetrics) -> None:
        """A run has ended; the metrics are complete."""
        ...


class LiveMetrics:
    """An engine's watcher that folds the runs of this process."""

    def __init__(self, log: Reader, listeners: Sequence[Listener]) -> None:
        self._log = log
        self._listeners = listeners
        known = read_run_metrics(log).runs
        self.open = {metrics.run: metrics for metrics in known if not metrics.ended}
        """The runs under way, those of earlier processes included."""

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """Fold a turn."""
        run = state.run
        metrics = self.open.get(run)
        if metrics is None:
            metrics = self.open[run] = self._before(run, records[0].seq)
        for record in records:
            for listener in self._listeners:
                self._tell(listener.record, metrics, record)
            metrics.fold(record)
        if metrics.ended:
            del self.open[run]
        for listener in self._listeners:
            self._tell(listener.folded, metrics)
            if metrics.ended:
                self._tell(listener.ended, metrics)

    def _before(self, run: str, seq: int) -> RunMetrics:
        """The run as it stood before a record: one that was taken up is folded from the log."""
        metrics = RunMetrics(run=run, own=True)
        for row in self._log.read(run, 0, seq - 1):
            metrics.fold(decode(row, self._log.body))
        return metrics

    def _tell(self, say: Callable[P, None], *args: P.args, **more: P.kwargs) -> None:
        try:
            say(*args, **more)
        except BaseException as error:  # an instrument or a reader of the program's
            program_log.exception("metrics.failed", error=str(error))
