"""Why an answer to a deferred call was refused, looked up in the log once it was."""

from playhead.events.codec import decode
from playhead.events.errors import AnswerRefused
from playhead.events.kinds.runs import TimeReached
from playhead.events.kinds.tool_calls import CallAnswered, ToolRequested
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.log.contract import Reader


def why_refused(log: Reader, run: str, refused: AnswerRefused) -> AnswerRefused:
    """The same refusal, with what became of the call, as far as the log says it."""
    if refused.reason not in ("not_waiting", "run_ended"):
        return refused
    call, requested, waits = refused.call, False, set[int]()
    named = f"call {call} of run {run}"
    for row in log.read(run, call - 1):
        match decode(row, log.body).event:
            case ToolRequested() if row.seq == call:
                requested = True
            case AnswerAwaited(call=awaited) if awaited == call:
                waits.add(row.seq)
            case CallAnswered(call=answered) if answered == call:
                return AnswerRefused("answered", call, f"{named} has its answer already")
            case TimeReached(wait=wait) if wait in waits:
                return AnswerRefused("expired", call, f"{named}: its time for an answer has passed")
            case _:
                pass
    if not requested:
        text = f"run {run} has no call {call}: `playhead waits` lists what waits"
        return AnswerRefused("not_waiting", call, text)
    return refused
