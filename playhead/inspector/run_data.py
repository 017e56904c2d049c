"""One run, kept up to date: its rows, and its state at any of its records."""

import json
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from playhead.actors.engine.load_state import load_session
from playhead.events.codec import decode
from playhead.events.event import Event
from playhead.events.kinds.runs import RunFailed, RunStarted
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.projections.history.reasons import Reason, reasons
from playhead.projections.history.record_rows import Row, RunRows
from playhead.projections.history.story import StoryEntry, story
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.prompt.compression import ContextPiece
from playhead.projections.prompt.context import NOT_RUN
from playhead.projections.state.calls.approvals import OpenApproval, open_approvals
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.projections.state.snapshot import AWAITED

Message = dict[str, Any]


class MessageText(NamedTuple):
    """One message of the context."""

    message: Message
    new: bool
    """It came with the record that is shown."""
    sources: tuple[int, ...]
    """The records that said it."""


class StateAt(NamedTuple):
    """A run as it stood after one of its records."""

    record: Record
    status: str
    step: str | None
    """Whose context it is."""
    context: list[MessageText]
    gone: int
    """Messages that the record took out of the context."""
    open: list[Row]
    """What was under way."""
    causes: list[Row]
    """What led to the record, the nearest first."""
    effects: list[Row]
    """What it led to directly."""


class Reading:
    """A run in memory. Safe from any thread."""

    def __init__(self, reader: Reader, run: str) -> None:
        self.run = run
        self.records: list[Record] = []
        self.table = RunRows()
        self.metrics = RunMetrics(run=run, own=True)
        self._reader = reader
        self._lock = threading.RLock()
        self._state: RunState | None = None

    @property
    def rows(self) -> list[Row]:
        """A row for each record, by seq - 1."""
        return self.table.rows

    @property
    def started(self) -> RunStarted | None:
        """The first record's event; None for a run of another version of Playhead."""
        first = self.records[0].event if self.records else None
        return first if isinstance(first, RunStarted) else None

    @property
    def ending(self) -> Event | None:
        """The last record's event, if it ended the run."""
        return self.records[-1].event if self.metrics.ended else None

    @property
    def span(self) -> tuple[int, int]:
        """The times of the first and of the last record."""
        return (self.records[0].at, self.records[-1].at) if self.records else (0, 0)

    def reasons(self) -> list[Reason]:
        """What explains that the run failed, most telling first; empty for any other run."""
        if not isinstance(self.ending, RunFailed):
            return []
        with self._lock:
            return reasons(self.records)

    def story(self) -> list[StoryEntry]:
        """The story so far."""
        with self._lock:
            return story(self.records)

    def catch_up(self) -> list[Row]:
        """Read what was appended since; the rows that changed, in order."""
        changed: dict[int, Row] = {}
        with self._lock:
            for row in self._reader.read(self.run, len(self.records)):
                record = decode(row, self._reader.body)
                self.records.append(record)
                self.metrics.fold(record)
                changed.update((each.seq, each) for each in self.table.fold(record))
        return [changed[seq] for seq in sorted(changed)]

    def changed_since(self, after: int) -> list[Row]:
        """The rows after the first `after`, and those before them that have ended since then."""
        with self._lock:
            rows = self.rows[after:]
            if not after or not rows:
                return rows
            since = self.rows[after - 1].at
            ended = [r for r in self.rows[:after] if r.bar and r.end is not None and r.end >= since]
            return [*ended, *rows]

    def approvals(self) -> list[OpenApproval]:
        """What waits for a person now."""
        with self._lock:
            if not self.metrics.approvals or self.metrics.ended:
                return []
            return open_approvals(self._state_at(len(self.records)))

    def at(self, seq: int) -> StateAt:
        """The run as it stood after a record. Raises IndexError for one that it has not."""
        if not 1 <= seq <= len(self.records):
            raise IndexError(seq)
        with self._lock:
            record = self.records[seq - 1]
            state = self._state_at(seq - 1)
            known = {each for each, _ in _messages(state, _step(state, record))}
            fold(state, record)
            step = _step(state, record)
            after = _messages(state, step)
            said = [_said(each, piece.sources, each not in known) for each, piece in after]
            gone = len(known - {each for each, _ in after})
            status, open_ = state.status, [self.rows[n - 1] for n in sorted(state.open)]
        causes = list(self._causes(record))
        effects = [self.rows[n - 1] for n in self.table.effects.get(seq, ())]
        return StateAt(record, status, step, said, gone, open_, causes, effects)

    def _causes(self, record: Record) -> Iterator[Row]:
        cause = record.cause
        while cause:
            yield self.rows[cause - 1]
            cause = self.rows[cause - 1].cause

    def _state_at(self, seq: int) -> RunState:
        """Going forward, the kept state is folded further; going back, the run is folded again."""
        if self._state is None or self._state.head.seq > seq:
            started = self.started
            past = load_session(self._reader, started.past) if started is not None else None
            self._state = RunState(self.run, past)
        for record in self.records[self._state.head.seq : seq]:
            fold(self._state, record)
        return self._state


def _said(text: bytes, sources: tuple[int, ...], new: bool) -> MessageText:
    """A message of the context; results that are still awaited are not new yet."""
    message: Message = json.loads(text)
    content = message["content"]
    blocks = cast("list[Message]", content) if isinstance(content, list) else []
    awaited = [block for block in blocks if block.get("content") == NOT_RUN]
    for block in awaited:
        block |= {"content": AWAITED, "is_error": False}
    return MessageText(message, new and len(awaited) < max(1, len(blocks)), sources)


def _step(state: RunState, record: Record) -> str | None:
    """The step that a record is about; else the one that was begun last."""
    named = getattr(record.event, "step", None)
    if named in state.steps:
        return str(named)
    return next(reversed(state.steps), None)


def _messages(state: RunState, step: str | None) -> list[tuple[bytes, ContextPiece]]:
    found = state.steps.get(step or "")
    return [] if found is None else found.context.closed()
