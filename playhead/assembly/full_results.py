"""Complete results of earlier calls, for a run that reads the rest of a shortened one."""

from collections.abc import Iterator
from typing import NamedTuple

from playhead.events.codec import decode
from playhead.events.errors import ToolError
from playhead.events.event import Json
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    CallAnswered,
    ToolDeferred,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.log.contract import Reader
from playhead.events.log.run_agent import agent_of
from playhead.projections.state.calls.deferred import answered

KINDS = frozenset(
    {
        "tool_started", "memory_tool_started", "call_answered",
        "tool_succeeded", "tool_deferred", "tool_failed", "tool_outcome_unknown",
    }
)  # fmt: skip
"""Of records that begin or end a call."""


class Ended(NamedTuple):
    """How a call has ended."""

    seq: int
    outcome: ToolSucceeded | ToolFailed


def whole_result(log: Reader, run: str, key: str) -> Json:
    """The result of a call, as guardrails have left it; `key` is "run:call".

    A run may read its own results and those of the runs it continues: its session's past and the
    parents of forks. Raises ToolError for anything else, and while a guardrail judges the result.
    """
    owner, _, digits = key.strip().rpartition(":")
    if digits.isdecimal() and owner in _lineage(log, run):
        for view in dict.fromkeys((run, owner)):  # a fork's own end of the call comes first
            tool = _tool_of(log, view, owner, int(digits))
            ended = None if tool is None else _end_of(log, view, int(digits))
            if tool is not None and ended is not None and isinstance(ended.outcome, ToolSucceeded):
                return _as_judged(log, view, tool, ended, ended.outcome.result)
    raise _missing(key)


def _missing(key: str) -> ToolError:
    msg = f"there is no result {key[:80]!r} in this conversation"
    return ToolError(msg, hint="Use the key that the cut result says, as it stands there.")


def _lineage(log: Reader, run: str) -> set[str]:
    found, waiting = set[str](), [run]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.add(each)
        stream = log.stream(each)
        if stream is not None and stream.parent is not None and stream.parent_seq is not None:
            waiting.append(stream.parent)
        for row in log.read(each, to=1):
            event = decode(row, log.body).event
            if isinstance(event, RunStarted) and event.past is not None:
                waiting.append(event.past.run)
    return found


def _tool_of(log: Reader, view: str, owner: str, call: int) -> str | None:
    """The tool of a call of the owner, if a run's records have it."""
    for row in log.read(view, call - 1, call):
        event = decode(row, log.body).event if row.run == owner else None
        return event.tool if isinstance(event, ToolRequested) else None
    return None


def _end_of(log: Reader, run: str, call: int) -> Ended | None:
    """The end of a call: a result, or an answer that came later, or early, during an attempt."""
    attempts, deferred = set[int](), False
    early: CallAnswered | None = None
    for row in log.read(run, after=call):
        event = decode(row, log.body).event if row.kind in KINDS else None
        match event:
            case AttemptStarted() if event.call == call:
                attempts.add(row.seq)
            case CallAnswered() if event.call == call and deferred:
                return Ended(row.seq, answered(event))
            case CallAnswered() if event.call == call:
                early = event
            case ToolSucceeded() if row.cause in attempts:
                return Ended(row.seq, event)
            case ToolDeferred() | ToolFailed() | ToolOutcomeUnknown() if row.cause in attempts:
                if early is not None:
                    return Ended(row.seq, answered(early))
                deferred = isinstance(event, ToolDeferred)
            case _:
                pass
    return None


def _as_judged(log: Reader, run: str, tool: str, ended: Ended, result: Json) -> Json:
    rules = agent_of(log, run, ended.seq).guardrails
    left = sum(rule.on == "result" and (not rule.tools or tool in rule.tools) for rule in rules)
    for decided in _verdicts(log, run, ended.seq) if left else ():
        if decided.verdict == "ask_again":
            return decided.text
        left -= decided.verdict != "block"
        result = decided.text if decided.verdict == "replace" else result
    if left:
        msg = f"the result of this call of {tool} is not released: a guardrail judges it"
        raise ToolError(msg, hint="Wait for the result of the call itself.")
    return result


def _verdicts(log: Reader, run: str, about: int) -> Iterator[GuardrailDecided]:
    for row in log.read(run, after=about):
        event = decode(row, log.body).event if row.kind == "guardrail_decided" else None
        if isinstance(event, GuardrailDecided) and event.about == about:
            yield event
