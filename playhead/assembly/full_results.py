"""Complete results of earlier calls, for a run that reads the rest of a shortened one."""

from collections.abc import Iterator

from playhead.events.codec import decode
from playhead.events.errors import ToolError
from playhead.events.event import Json
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import AttemptStarted, ToolSucceeded
from playhead.events.log.contract import Reader

KINDS = ("tool_started", "memory_tool_started", "tool_succeeded", "guardrail_decided")


def whole_result(log: Reader, run: str, key: str) -> Json:
    """The result of a call, as guardrails have left it; `key` is "run:call".

    A run may read its own results and those of the runs it continues: its session's past and the
    parents of forks. Raises ToolError for anything else.
    """
    owner, _, call = key.strip().rpartition(":")
    if call.isdecimal() and owner in _lineage(log, run):
        for found in _results(log, owner, int(call)):
            return found
    msg = f"there is no result {key[:80]!r} in this conversation"
    raise ToolError(msg, hint="Use the key that the cut result says, as it stands there.")


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


def _results(log: Reader, run: str, call: int) -> Iterator[Json]:
    """The result of the call, once the guardrails have allowed or replaced it."""
    attempts, results = set[int](), dict[int, Json]()
    for row in log.read(run, after=call):
        event = decode(row, log.body).event if row.kind in KINDS else None
        match event:
            case AttemptStarted() if event.call == call:
                attempts.add(row.seq)
            case ToolSucceeded() if row.cause in attempts:
                results[row.seq] = event.result
                if not _is_guarded(log, run):
                    break
            case GuardrailDecided(verdict=verdict) if verdict != "allow" and event.about in results:
                results[event.about] = event.text
            case _:
                pass
    yield from results.values()


def _is_guarded(log: Reader, run: str) -> bool:
    started = next((decode(row, log.body).event for row in log.read(run, to=1)), None)
    return isinstance(started, RunStarted) and bool(started.agent.guardrails)
