"""The program's own log: a line when a tool or model call starts, succeeds or fails.

tool_call.start|success|failure and model_call.start|success|failure, after the record is committed,
through the program's structlog configuration. A program that has not configured structlog gets no
line: its default prints to stdout, which is not ours. The arguments are the event's, so redacted.
"""

import sys
from collections.abc import Sequence
from typing import Any, cast

from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolFailed,
    ToolRefused,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.log.contract import Reader
from playhead.events.logger import configured_structlog
from playhead.events.record import Record
from playhead.events.registry import OUTCOMES
from playhead.events.usage import text_of
from playhead.projections.prompt.tool_result import result_text
from playhead.projections.state.run_state import RunState
from playhead.projections.tracing import semconv
from playhead.projections.tracing.ids import TraceOrigin, origin_of, span_id

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
INFO, WARNING = LEVELS["info"], LEVELS["warning"]
"""A call's start and success; its failure."""

Fields = dict[str, Any]


def log_to_stderr(level: str) -> None:
    """Configure structlog for a program of our own (the CLI): JSON lines on stderr.

    Raises UsageError for a level that is none. Never called when embedded.
    """
    number = LEVELS.get(level.strip().lower())
    if number is None:
        msg = f"PLAYHEAD_LOG_LEVEL is {level!r}: choose {', '.join(LEVELS)}"
        raise UsageError(msg)
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class ProgramLog:
    """An engine's watcher."""

    def __init__(self, log: Reader) -> None:
        self._log = log
        self._requested_calls: dict[tuple[str, int], ToolRequested] = {}
        self._origins: dict[str, TraceOrigin] = {}

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """Write the lines of a turn. What the program's settings raise never harms the run."""
        structlog = configured_structlog()
        if structlog is None:
            return
        try:
            self._committed(structlog, state, records)
        except BaseException as error:  # whatever a processor of the program's raises
            print(f"playhead: the program log failed: {error!r}", file=sys.stderr)  # noqa: T201

    def _committed(self, structlog: Any, state: RunState, records: Sequence[Record]) -> None:
        bound = structlog.get_logger("playhead.calls").bind()
        stdlib: type = structlog.stdlib.BoundLogger
        info = _wants(bound, INFO, stdlib)
        if not info and not _wants(bound, WARNING, stdlib):
            return
        for record in records:
            line = self._line(state, record)
            if line is not None and (info or line[0].endswith("failure")):
                self._write(bound, state, *line)
        if state.ending is not None:
            self._forget(state.run)

    def _write(
        self,
        bound: Any,
        state: RunState,
        name: str,
        seq: int,
        span: int,
        fields: Fields,
    ) -> None:
        where = {
            "session": state.run_started.session,
            "run": state.run,
            "seq": seq,
            "trace_id": f"{self._origin(state.run).trace:032x}",
            "span_id": f"{span:016x}",
        }
        write = bound.warning if name.endswith("failure") else bound.info
        write(name, **where, **fields)

    def _line(self, state: RunState, record: Record) -> tuple[str, int, int, Fields] | None:
        """(event, seq of the intent, span, fields) of a record worth a line."""
        match record.event:
            case ModelCall() | AttemptStarted():
                return self._told(record, "start", {})
            case ToolRequested() as requested:
                self._requested_calls[state.run, record.seq] = requested
                return None
            case ToolRefused() as refused:
                return self._refused(state.run, refused)
            case event if event.kind in OUTCOMES:
                intent = state.ended[record.seq]
                return self._told(intent, *_outcome(event)) if _is_call(intent) else None
            case _:
                return None

    def _told(self, intent: Record, word: str, fields: Fields) -> tuple[str, int, int, Fields]:
        run, event = intent.run, intent.event
        if isinstance(event, ModelCall):
            name, what = f"{semconv.CHAT} {event.model}", "model_call"
            about: Fields = {"model": event.model, "round": event.round, "attempt": event.attempt}
        else:
            assert isinstance(event, AttemptStarted)
            requested = self._requested(run, event.call)
            name, what = f"{semconv.EXECUTE_TOOL} {requested.tool}", "tool_call"
            about = {
                "tool": requested.tool,
                "arguments": requested.arguments,
                "attempt": event.attempt,
            }
        span = span_id(run, intent.seq, name, intent.actor)
        return f"{what}.{word}", intent.seq, span, about | fields

    def _refused(self, run: str, refused: ToolRefused) -> tuple[str, int, int, Fields]:
        """A call that never started has no span: the one of the requested call is used."""
        requested = self._requested(run, refused.call)
        span = span_id(run, refused.call, f"{semconv.PROCESS} {requested.kind}", "tool")
        fields: Fields = {
            "tool": requested.tool,
            "arguments": requested.arguments,
            "error_type": refused.reason,
            "error_msg": refused.message,
        }
        return "tool_call.failure", refused.call, span, fields

    def _requested(self, run: str, call: int) -> ToolRequested:
        requested = self._requested_calls.get((run, call))
        if requested is None:
            read = self._read(run, call).event
            assert isinstance(read, ToolRequested)
            requested = self._requested_calls[run, call] = read
        return requested

    def _origin(self, run: str) -> TraceOrigin:
        origin = self._origins.get(run)
        if origin is None:
            origin = self._origins[run] = origin_of(self._read(run, 1))
        return origin

    def _read(self, run: str, seq: int) -> Record:
        row = next(self._log.read(run, seq - 1, seq))
        return decode(row, self._log.body)._replace(run=run)  # what a fork inherits is its own

    def _forget(self, run: str) -> None:
        self._origins.pop(run, None)
        for key in [key for key in self._requested_calls if key[0] == run]:
            del self._requested_calls[key]


def _wants(bound: Any, level: int, stdlib: type) -> bool:
    """Whether lines of that level go anywhere: known of structlog's own filter and of stdlib's."""
    kind = cast("type[object]", type(bound))
    if issubclass(kind, stdlib):
        return bool(bound.isEnabledFor(level))
    ask = getattr(kind, "is_enabled_for", None)
    return ask is None or bool(ask(bound, level))


def _is_call(intent: Record) -> bool:
    return isinstance(intent.event, ModelCall | AttemptStarted)


def _outcome(event: Event) -> tuple[str, Fields]:
    match event:
        case ModelAnswered():
            return "success", {
                "duration_ms": event.duration_ms,
                "result_chars": len(text_of(event.content)),
                "stop_reason": event.stop_reason,
                "input_tokens": event.usage.total - event.usage.output_tokens,
                "output_tokens": event.usage.output_tokens,
            }
        case ToolSucceeded():
            chars = len(result_text(event.result))
            return "success", {"duration_ms": event.duration_ms, "result_chars": chars}
        case ModelFailed() | ToolFailed():
            return "failure", {
                "duration_ms": event.duration_ms,
                "error_type": event.error,
                "error_msg": event.message,
            }
        case _:
            reason = getattr(event, "reason", None)
            message = "it may or may not have taken effect"
            return "failure", {"duration_ms": None, "error_type": reason, "error_msg": message}
