"""Promises about decisions: requested calls, rounds, pauses, approvals, and what the model is told.

Each function is one promise: it yields a line for each violation.
"""

from collections.abc import Iterator
from typing import Any

from playhead.actors.engine.load_state import load_state
from playhead.events.event import Event, Intent
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested, RuleAnswered
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.forks import ForkChecked
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.model_calls import ModelAnswered, ModelRequested
from playhead.events.kinds.runs import (
    CancelRequested,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    TimeReached,
)
from playhead.events.kinds.steps import StepStarted
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    CallAnswered,
    ToolDeferred,
    ToolInputRequired,
    ToolRefused,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, OUTCOMES
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.simulation.faults.ground_truth import uses
from playhead.simulation.faults.valid_request import invalid_request
from playhead.simulation.invariants.evidence import Evidence, Promise, spec_of

WHOLE = ("tool_use", "end_turn", "stop_sequence")
"""Stop reasons of complete replies."""


def one_request_per_tool_use(e: Evidence) -> Iterator[str]:
    """Each tool_use of a complete reply is requested at most once, and nothing else is."""
    for run, records in e.records.items():
        for reply in records:
            if not isinstance(reply.event, ModelAnswered):
                continue
            asked = [(str(b["id"]), b["name"]) for b in uses(reply.event.content)]
            requested_call = [
                (r.event.use, r.event.tool)
                for r in records
                if r.cause == reply.seq and isinstance(r.event, ToolRequested)
            ]
            if requested_call and requested_call != asked:
                yield f"{run} {reply.seq}: asked for {asked}, requested {requested_call}"


def requests_come_from_replies(e: Evidence) -> Iterator[str]:
    """Calls are only requested by a complete reply, or by a plan's step that is a call.

    On the reply's own record; after a verdict on input, if the reply had to wait for one.
    """
    for records in e.records.values():
        last: dict[str, int] = {}
        judged = 0
        for record in records:
            if isinstance(record.event, ModelAnswered):
                last[getattr(records[(record.cause or 1) - 1].event, "step", "")] = record.seq
            elif isinstance(record.event, GuardrailDecided) and record.event.on == "input":
                judged = record.seq
            elif isinstance(record.event, ToolRequested):
                reply = last.get(record.event.step, 0)
                asked = record.event.use is not None and _asks(records, reply, record.event)
                planned = record.event.use is None and record.event.step in _planned(records)
                if not planned and not (asked and (record.cause == reply or judged > reply)):
                    cause = records[(record.cause or 1) - 1].event.kind
                    yield f"{record.run} {record.seq} was requested by {cause}"


def _asks(records: list[Record], reply: int, requested: ToolRequested) -> bool:
    """Whether the record is a whole reply that asks for the call."""
    event = records[reply - 1].event if reply else None
    if not isinstance(event, ModelAnswered) or event.stop_reason not in WHOLE:
        return False
    return any(block.get("id") == requested.use for block in event.content)


def _planned(records: list[Record]) -> set[str]:
    """The plan steps that are one call each."""
    events = (record.event for record in records)
    return {e.step for e in events if isinstance(e, StepStarted) and e.purpose == "tool"}


def paired_calls(e: Evidence) -> Iterator[str]:
    """In an ended run every requested call was refused or has its last outcome."""
    for run, records in e.records.items():
        if not records or records[-1].event.kind not in ENDINGS:
            continue
        requested_calls = {r.seq for r in records if isinstance(r.event, ToolRequested)}
        ended = {getattr(r.event, "call", 0) for r in records if r.event.kind == "tool_refused"}
        ended |= {
            getattr(records[(r.cause or 1) - 1].event, "call", 0)
            for r in records
            if r.event.kind in OUTCOMES
        }
        if requested_calls - ended:
            yield f"{run}: calls {sorted(requested_calls - ended)} have no end"


def nothing_is_decided_in_a_pause(e: Evidence) -> Iterator[str]:
    """A paused run decides nothing, unless it must end."""
    for run, records in e.records.items():
        paused = False
        for record in records:
            match record.event:
                case RunPaused():
                    paused = not record.held or paused
                case RunResumed():
                    paused = paused and record.held
                case CancelRequested() | TimeReached(due="max_seconds"):
                    paused = False
                case Intent() | ToolRequested() if paused and record.origin == "decided":
                    yield f"{run} {record.seq}: {record.event.kind} in a pause"
                case _:
                    pass


def a_round_waits_for_its_calls(e: Evidence) -> Iterator[str]:
    """The model is asked again only when every call of its last reply has ended."""
    for run, records in e.records.items():
        open_calls: dict[int, str] = {}
        for record in records:
            match record.event:
                case ToolRequested(step=step):
                    open_calls[record.seq] = step
                case ToolRefused(call=call):
                    open_calls.pop(call, None)
                case ModelRequested(step=step) if step in open_calls.values():
                    yield f"{run} {record.seq}: asked while calls of {step} are open"
                case _ if record.event.kind in OUTCOMES:
                    open_calls.pop(_ended_call(records, record), None)
                case _:
                    pass


def _ended_call(records: list[Record], outcome: Record) -> int:
    """The call that an outcome ends; 0 if it ends none."""
    intent = records[(outcome.cause or 1) - 1].event
    if isinstance(intent, ChildStarted):
        return intent.call
    waits = isinstance(outcome.event, ToolInputRequired)
    ends = isinstance(intent, AttemptStarted) and not waits and not _tried_again(records, outcome)
    return intent.call if isinstance(intent, AttemptStarted) and ends else 0


def _tried_again(records: list[Record], outcome: Record) -> bool:
    intent = records[(outcome.cause or 1) - 1].event
    assert isinstance(intent, AttemptStarted)
    return any(
        isinstance(r.event, AttemptStarted)
        and (r.event.call, r.event.attempt) == (intent.call, intent.attempt + 1)
        for r in records[outcome.seq :]
    )


def no_start_without_approval(e: Evidence) -> Iterator[str]:
    """A call that needs approval starts only with one, given in time for exactly what was shown."""
    for run, records in e.records.items():
        asked: dict[int, ApprovalRequested] = {}
        given: set[int] = set()
        for record in records:
            _note_approval(record, asked, given)
            if isinstance(record.event, AttemptStarted) and record.event.call not in given:
                spec = spec_of(records, record.event.call)
                always = spec.approval is not None and spec.approval.when == "always"
                if always or record.event.call in asked:
                    yield f"{run} {record.seq}: {spec.name} started without approval"


def no_going_on_without_an_answer(e: Evidence) -> Iterator[str]:
    """A call whose tool asked a person goes on only with an answer to exactly that, or too late."""
    for run, records in e.records.items():
        asked: dict[int, str | None] = {}
        """Call -> the hash of its open question; None: its tool has asked, and nobody was told."""
        for record in records:
            event = record.event
            if isinstance(event, AttemptStarted) and event.call in asked:
                yield f"{run} {record.seq}: call {event.call} goes on without an answer"
            _note_question(records, event, record.cause, asked)


def _note_question(
    records: list[Record], event: Event, cause: int | None, asked: dict[int, str | None]
) -> None:
    match event:
        case ToolInputRequired():
            asked[getattr(records[(cause or 1) - 1].event, "call", 0)] = None
        case ApprovalRequested(about="input", call=int(call), binding=binding):
            asked[call] = binding
        case ApprovalDecided(call=int(call), binding=binding) if asked.get(call) == binding:
            del asked[call]
        case TimeReached(due="approval", call=int(call)):
            asked.pop(call, None)
        case _:
            pass


def _note_approval(record: Record, asked: dict[int, ApprovalRequested], given: set[int]) -> None:
    match record.event:
        case ApprovalRequested(about="input"):
            pass
        case ApprovalRequested(call=int(call)) as request:
            asked[call] = request
        case ApprovalDecided(call=int(call), approved=True, binding=binding):
            if call in asked and asked[call].binding == binding:
                given.add(call)
        case TimeReached(due="approval", call=int(call)) if call in asked and call not in given:
            # It has expired: a later approval does not count.
            asked[call] = asked[call].model_copy(update={"binding": "lapsed"})
        case _:
            pass


def valid_request_at_every_prefix(e: Evidence) -> Iterator[str]:
    """After each record, the request that would be sent is valid for the API."""
    for run, records in e.records.items():
        state = _begin(e, run)
        for record in records:
            fold(state, record)
            for step in state.steps.values():
                wrong = invalid_request(step.context.request("m").body)
                if wrong is not None:
                    yield f"{run} {record.seq}: {wrong}"
                    return


def _begin(e: Evidence, run: str) -> RunState:
    return RunState(run, load_state(e.log, run, 0).past)


def the_model_is_told_the_truth(e: Evidence) -> Iterator[str]:
    """A request states the outcome of each call: its result, or that there is none."""
    for run, records in e.records.items():
        state = _begin(e, run)
        became: dict[tuple[str, str], bool] = {}
        for record in records:
            fold(state, record)
            _note_result(records, record, became)
            if isinstance(record.event, ModelRequested):
                body = state.request_of(record.event).body
                for block in _results(body):
                    failed = became.get((record.event.step, str(block["tool_use_id"])))
                    if failed is not None and failed != bool(block.get("is_error")):
                        yield f"{run} {record.seq}: told {block} of a call with error={failed}"


def _call_ended_by(records: list[Record], record: Record) -> int | None:
    """The call that the record may be the end of."""
    event = record.event
    if event.kind in OUTCOMES:
        return getattr(records[(record.cause or 1) - 1].event, "call", None)
    if isinstance(event, TimeReached) and event.due == "wait":
        wait = records[(event.wait or 1) - 1].event
        return wait.call if isinstance(wait, AnswerAwaited) else None
    return event.call if isinstance(event, ToolRefused | CallAnswered) else None


def _note_result(
    records: list[Record], record: Record, became: dict[tuple[str, str], bool]
) -> None:
    if isinstance(record.event, GuardrailDecided) and record.event.verdict == "ask_again":
        _withhold(records, record.event, became)
        return
    call = _call_ended_by(records, record)
    if call is not None and not isinstance(record.event, RuleAnswered | ForkChecked):
        requested = records[call - 1].event
        if isinstance(requested, ToolRequested) and requested.use is not None:
            failed = _failed(records, record, call)
            if failed is not None:
                became[requested.step, requested.use] = failed


def _failed(records: list[Record], record: Record, call: int) -> bool | None:
    """Whether a call has failed by its end; None if the record is not its end."""
    match record.event:
        case ChildFinished(status=status):
            return status != "finished"
        case ToolSucceeded():
            return False
        case CallAnswered(error=error):
            return error is not None
        case TimeReached(wait=int(wait)):
            awaited = records[wait - 1].event
            return not isinstance(awaited, AnswerAwaited) or awaited.about != "time"
        case event:
            before = (r.event for r in records[: record.seq - 1])
            answers = [e for e in before if isinstance(e, CallAnswered) and e.call == call]
            early = not isinstance(event, ToolRefused) and bool(answers)
            return None if early or isinstance(event, ToolDeferred | ToolInputRequired) else True


def _withhold(
    records: list[Record], decided: GuardrailDecided, became: dict[tuple[str, str], bool]
) -> None:
    """A guardrail has put its message in the place of a result."""
    if decided.on == "result":
        call = _call_ended_by(records, records[decided.about - 1])
        requested = records[(call or 1) - 1].event
        if isinstance(requested, ToolRequested) and requested.use is not None:
            became[requested.step, requested.use] = True


def nothing_is_done_before_a_verdict(e: Evidence) -> Iterator[str]:
    """No reply's call is requested while input is judged; no unjudged answer finishes a run.

    The answer of an agent that took over is judged by that agent's guardrails, in its own run.
    """
    for run, records in e.records.items():
        state = _begin(e, run)
        judged: dict[int, set[str]] = {}
        for record in records:
            match record.event:
                case ToolRequested(use=str()) if state.input_waits:
                    yield f"{run} {record.seq}: a call, while input waits for its verdict"
                case GuardrailDecided(on="answer", verdict="allow" | "replace") as decided:
                    judged.setdefault(decided.about, set()).add(decided.guardrail)
                case RunFinished(agent=None):
                    rules = {r.name for r in state.agent.guardrails if r.on == "answer"}
                    if rules and rules not in judged.values():
                        yield f"{run} {record.seq}: finished with an answer that was not judged"
                case _:
                    pass
            fold(state, record)


def _results(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        yield from (b for b in message["content"] if b["type"] == "tool_result")


def no_plan_without_its_review(e: Evidence) -> Iterator[str]:
    """If plans are reviewed, no step of a plan starts before the plan is approved."""
    for run, records in e.records.items():
        first = records[0].event
        approved = not isinstance(first, RunStarted) or first.agent.plan.review != "always"
        for record in records:
            match record.event:
                case ApprovalDecided(call=call, approved=True):
                    about = records[call - 1].event.kind
                    approved = approved or about in ("plan_proposed", "plan_revised")
                case StepStarted(purpose="tool" | "reason" | "synthesize") if not approved:
                    yield f"{run} {record.seq}: a step of a plan that nobody approved"
                case _:
                    pass


def no_pause_hides_a_bug(e: Evidence) -> Iterator[str]:
    """A run paused by a role's bug reports that until it continues, even if it is paused again."""
    for run, records in e.records.items():
        raised: int | None = None
        for record in records:
            match record.event:
                case RunPaused(role=str()):
                    raised = record.seq
                case RunResumed() if not record.held:
                    raised = None
                case _ if record.event.kind in ENDINGS:
                    raised = None
                case _:
                    pass
        paused = None if raised is None else load_state(e.log, run).paused
        if raised is not None and (paused is None or paused.role is None):
            yield f"{run} {raised}: a role raised, and nobody is told"


DECISION_PROMISES: tuple[Promise, ...] = (
    one_request_per_tool_use, requests_come_from_replies, paired_calls,
    nothing_is_decided_in_a_pause, no_going_on_without_an_answer,
    a_round_waits_for_its_calls, no_pause_hides_a_bug, no_start_without_approval,
    no_plan_without_its_review, valid_request_at_every_prefix, the_model_is_told_the_truth,
    nothing_is_done_before_a_verdict,
)  # fmt: skip
