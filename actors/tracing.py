"""Traces of running runs, and of any run in a log: the same spans, from the same records.

A turn's spans go to the sink once the turn is committed. A run that this process resumes is folded
from the log first, and the spans of its last minute are emitted again: a killed process may not
have sent them, and duplicates are harmless because their ids derive from the log.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from playhead.actors.engine.load_state import load_session
from playhead.actors.replay import pure_roles
from playhead.actors.roles.role import ORDER
from playhead.events.codec import decode
from playhead.events.errors import UnknownRun, UsageError
from playhead.events.event import Address
from playhead.events.kinds.model_calls import ModelCall
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.projections.tracing.call_spans import EffectSpan
from playhead.projections.tracing.span import SpanData
from playhead.projections.tracing.trace import Handlers, Trace

AGAIN = 60_000_000_000
"""Nanoseconds: on resumption, spans that ended this shortly before the run's last record are
emitted again. A batch of spans waits five seconds by default before it is sent."""

AGAIN_AT_MOST = 1000
"""Spans emitted at a time, because the queue behind the sink is bounded."""

program_log = ProgramLogger("playhead.spans")


def handlers() -> Handlers:
    """Which roles see which kinds, in the roles' order."""
    roles = pure_roles()
    addresses = frozenset[Address]().union(*(role.hears for role in roles.values()))
    return {heard: tuple(n for n in ORDER if heard in roles[n].hears) for heard in addresses}


class Sink(Protocol):
    """Receives spans."""

    def wants(self, trace: Trace) -> bool:
        """Whether the run is sampled; asked once per run and process, before any work is done."""
        ...

    def emit(self, trace: Trace, spans: Sequence[SpanData]) -> None:
        """Take ended spans. Called on the runtime's loop, so it must not block."""
        ...

    def enter(self, trace: Trace, effect: EffectSpan | None) -> None:
        """Make an effect's span the current one in this context; None: the run is not sampled."""
        ...


class Tracing:
    """An engine's watcher that turns committed records into spans."""

    def __init__(self, log: Reader, sink: Sink, *, content: bool) -> None:
        """`content`: whether spans contain prompts, arguments, results and error messages."""
        self._log = log
        self._sink = sink
        self._content = content
        self._handlers = handlers()
        self._traces: dict[str, Trace | None] = {}
        """Trace of each run; None for a run that is not sampled."""
        self._unsampled: dict[str, Trace] = {}

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """Emit the spans that ended with a turn. A failure here never harms the run."""
        run = state.run
        try:
            if run not in self._traces:
                self._traces[run] = self._begin(records[0])
            trace = self._traces[run]
            if trace is not None:
                requests = _requests(state, records, self._content)
                self._sink.emit(trace, trace.fold(records, requests))
        except BaseException as error:  # the program's trace provider may raise anything
            program_log.exception("trace.failed", run=run, error=str(error))
            self._traces[run] = None
        if state.ending is not None:
            self._traces.pop(run, None)
            self._unsampled.pop(run, None)

    def entering(self, run: str, seq: int) -> None:
        """In the context of an effect: spans that it makes hang below its own."""
        trace = self._traces.get(run)
        effect = None if trace is None else trace.effect(seq)
        trace = self._unsampled.get(run) if trace is None else trace
        if trace is None or (effect is None and run not in self._unsampled):
            return  # such as an effect that was under way when this process took the run up
        try:
            self._sink.enter(trace, effect)
        except BaseException as error:  # the program's trace provider may raise anything
            program_log.exception("trace.failed", run=run, error=str(error))

    def _begin(self, record: Record) -> Trace | None:
        """The run's trace as it was before this record; None if it is not traced."""
        first = record if record.seq == 1 else next(_records(self._log, record.run, 1), None)
        if first is None or not isinstance(first.event, RunStarted):
            return None
        trace = Trace(first, self._handlers, content=self._content)
        if not self._sink.wants(trace):
            self._unsampled[record.run] = trace
            return None
        if record.seq > 1:
            self._sink.emit(trace, self._again(trace, record.seq - 1))
        return trace

    def _again(self, trace: Trace, to: int) -> list[SpanData]:
        """Fold a run up to a record; returns the spans of its last minute."""
        spans: list[SpanData] = []
        last = 0
        for turn, requests in _told_turns(self._log, trace, to, self._content):
            spans += trace.fold(turn, requests)
            last = turn[0].at * 1000
            if len(spans) > 2 * AGAIN_AT_MOST:
                del spans[:-AGAIN_AT_MOST]
        return [span for span in spans[-AGAIN_AT_MOST:] if span.end >= last - AGAIN]


def recorded_trace(
    log: Reader, run: str, *, content: bool = False
) -> tuple[Trace, Iterator[list[SpanData]]]:
    """A run's trace from the log alone: the trace, and its spans turn by turn.

    Raises UnknownRun, LogDamaged while reading, and UsageError for a stream that is not a run.
    """
    first = next(_records(log, run, 1), None)
    if first is None:
        raise UnknownRun.named(run)
    if not isinstance(first.event, RunStarted):
        msg = f"{run!r} is not a run that this Playhead can trace"
        raise UsageError(msg)
    trace = Trace(first, handlers(), content=content)
    turns = _told_turns(log, trace, None, content)
    return trace, (trace.fold(turn, requests) for turn, requests in turns)


def _told_turns(
    log: Reader, trace: Trace, to: int | None, content: bool
) -> Iterator[tuple[Sequence[Record], Mapping[int, Request] | None]]:
    """A run's turns; if content is captured, with the requests that are open after each."""
    state = RunState(trace.run, load_session(log, trace.started.past)) if content else None
    for turn in _turns(_records(log, trace.run, to)):
        if state is not None:
            for record in turn:
                fold(state, record)
        yield turn, None if state is None else _requests(state, turn, content)


def _requests(
    state: RunState, turn: Sequence[Record], content: bool
) -> Mapping[int, Request] | None:
    """The requests that a turn decided, as they are sent; None if content is not captured."""
    if not content:
        return None
    asked = ((record.seq, record.event) for record in turn)
    return {seq: state.request_of(e) for seq, e in asked if isinstance(e, ModelCall)}


def _turns(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Each record from outside or from an effect, with the records decided on it."""
    turn: list[Record] = []
    for record in records:
        if turn and record.origin != "decided":
            yield turn
            turn = []
        turn.append(record)
    if turn:
        yield turn


def _records(log: Reader, run: str, to: int | None) -> Iterator[Record]:
    """A run's records; a fork's inherited past counts as its own, in a separate trace."""
    return (decode(row, log.body)._replace(run=run) for row in log.read(run, 0, to))
