"""Waiting for a run's end: what it gave, and what it took, counted as its records come."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import NamedTuple, TypeAlias

from playhead.events.errors import RunNotFinished, UsageError
from playhead.events.event import Event, Json
from playhead.events.kinds.codec import ENDINGS
from playhead.events.kinds.runs import RunFinished
from playhead.events.record import Record
from playhead.projections.metrics.metrics import RunMetrics
from playhead.service.subscriptions import Hub, Item, Piece

Records: TypeAlias = Callable[[str, int], Iterator[Record]]
"""(run, seq) -> its records after that one, as far as they are in the log."""


class Ended(NamedTuple):
    """What a run gave that has reached its goal."""

    answer: str
    output: Json
    metrics: RunMetrics


class Waiting:
    """One caller who waits for one run."""

    def __init__(self, run: str, records: Records) -> None:
        """Read what is in the log already: on the caller's thread, for it may be much."""
        self.answer: Future[Ended] = Future()
        """RunNotFinished when the run has no answer."""
        self._run = run
        self._records = records
        self._metrics = RunMetrics()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._catch_up()

    def begin(self, hub: Hub, settled: Callable[[str], Event | None]) -> None:
        """Listen from now on. Called on the loop: no turn is told between reading and listening."""
        self._catch_up()
        self._unsubscribe = hub.subscribe(self._run, self._hear)
        event = settled(self._run)
        if event is not None:
            self._settle(event)

    def _catch_up(self) -> None:
        for record in self._records(self._run, self._metrics.seq):
            self._metrics.fold(record)

    def _hear(self, item: Item) -> None:
        if isinstance(item, Piece) or self.answer.done():
            return
        if item is None:
            closed = f"the runtime was closed before run {self._run} ended"
            self.answer.set_exception(UsageError(closed))
            return
        self._metrics.fold(item)
        if item.event.kind in ENDINGS or item.event.kind == "run_paused":
            self._settle(item.event)

    def _settle(self, event: Event) -> None:
        self._unsubscribe()
        if self.answer.done():
            return
        if isinstance(event, RunFinished):
            self.answer.set_result(Ended(event.answer, event.output, self._metrics))
            return
        status = ENDINGS.get(event.kind, "paused")
        message = getattr(event, "message", None) or getattr(event, "reason", "")
        self.answer.set_exception(RunNotFinished(self._run, status, str(message)))
