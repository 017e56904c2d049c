"""The executor: works on a step by asking the model and requesting the tool calls that it wants."""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.planning.steps import answer_of_plan, call_of_plan, rejected
from playhead.actors.requests.batches import cancel_batches
from playhead.actors.requests.guardrails import judge, on_verdict
from playhead.actors.requests.next_request import (
    ask,
    ask_after_failure,
    ask_after_refusal,
    budget_neared,
)
from playhead.actors.roles.role import Role, RoleName, heard, outcomes_of
from playhead.events.envelope import stop_text
from playhead.events.event import Address, Event
from playhead.events.kinds.approvals import (
    LoopDetected,
    OutputRuleAsked,
    RouterAsked,
    RuleAnswered,
)
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.context import ContextCompressed
from playhead.events.kinds.guardrails import GuardrailAsked, GuardrailDecided
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import (
    CancelRequested,
    LimitReached,
    MessageReceived,
    RunFailing,
    RunResumed,
    RunStarted,
    TimeReached,
)
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepFinished, StepStarted
from playhead.events.kinds.tool_calls import (
    ATTEMPTS,
    CallAnswered,
    ToolRefused,
    ToolRequested,
    ToolResolved,
)
from playhead.events.record import Record
from playhead.events.usage import text_of
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Step
from playhead.tools.validation.answer import parse_output

EMPTIES = 2
"""How many empty replies in a row are asked again."""

UNFINISHED = {
    "max_tokens": "the reply was cut at max_tokens: raise the agent's max_tokens",
    "refusal": "the model refused to answer",
    "model_context_window_exceeded": "the conversation no longer fits the model's context window",
}
"""Stop reasons that end a step, with their messages."""


DECIDE_FIRST = (LimitReached, LoopDetected, StepFailed, GuardrailDecided)
"""Decisions after which the run may stop: what is held back is judged on a later record."""


class Executor(Role):
    """ReAct: ask, call, observe, ask again, until the model answers."""

    name: ClassVar[RoleName] = "executor"
    hears: ClassVar[frozenset[Address]] = heard(
        RunStarted,
        GuardrailDecided,
        StepStarted,
        OutputRejected,
        MessageReceived,
        RunResumed,
        TimeReached,
        LoopDetected,
        ToolResolved,
        ContextCompressed,
        ToolRefused,
        CallAnswered,
        CancelRequested,
        LimitReached,
        RunFailing,
    ) | outcomes_of((
        ModelRequested, RouterAsked, OutputRuleAsked, GuardrailAsked, *ATTEMPTS, ChildStarted,
    ))  # fmt: skip

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Request tool calls, ask the model, judge what guardrails hold, or end the step."""
        decided = self._decide(state, record)
        if not state.guarded or any(isinstance(each, DECIDE_FIRST) for each in decided):
            return decided
        return [*decided, *judge(state)]

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """Cancel the batches that nobody waits for any more."""
        return cancel_batches(state, record)

    def _decide(self, state: RunState, record: Record) -> Sequence[Event]:
        match record.event, state.asked(record):
            case ModelAnswered() as answered, ModelRequested(step=step):
                if state.unused.get(step) is answered:  # the verdict on the input comes first
                    return budget_neared(state)
                said = _on_reply(state, state.steps[step], answered)
                return [*budget_neared(state), *said]
            case ModelFailed() as failed, ModelRequested(step=step):
                again = ask_after_failure(state, state.steps[step], record, failed)
                return [*budget_neared(state), *again]
            case RuleAnswered() as answered, OutputRuleAsked() as asked:
                return _on_rule(state, asked, answered)
            case RuleAnswered() as answered, GuardrailAsked() as asked:
                return on_verdict(state, asked, answered)
            case GuardrailDecided() as decided, _:
                return _after_verdict(state, decided)
            case _:
                return _go_on_all(state)


def _on_reply(state: RunState, step: Step, reply: ModelAnswered) -> Sequence[Event]:
    if reply.stop_reason == "refusal" and (again := ask_after_refusal(state, step)) is not None:
        return again
    if reply.stop_reason in UNFINISHED:
        why = stop_text(reply.envelope)
        message = UNFINISHED[reply.stop_reason] + (f": {why}" if why else "")
        return [_failed(step, reply.stop_reason, message)]
    if state.guarded and (state.input_waits or _is_judged(state, step)):
        return []
    requested_calls = [
        ToolRequested(step=step.id, tool=str(b["name"]), arguments=b["input"], use=str(b["id"]))  # type: ignore[arg-type]
        for b in reply.content
        if b.get("type") == "tool_use"
    ]
    if requested_calls:
        return requested_calls
    if reply.stop_reason in ("pause_turn", "compaction") or step.unread:
        return ask(state, step.id)
    return _on_answer(state, step, text_of(reply.content))


def _on_answer(state: RunState, step: Step, answer: str) -> Sequence[Event]:
    if not answer.strip():
        if step.empty <= EMPTIES:
            return ask(state, step.id)
        return [_failed(step, "empty_reply", f"{step.empty} empty replies in a row")]
    if state.plan is not None and step.purpose in ("plan", "reason"):
        return [answer_of_plan(state.plan, step, state.agent, answer)]
    if step.agent.output_schema is None:
        return [StepFinished(step=step.id, answer=answer)]
    output, error = parse_output(step.agent.output_schema, answer)
    if error is not None:
        return [rejected(step, error)]
    if step.agent.output_rule:
        return [OutputRuleAsked(step=step.id, output=output)]
    return [StepFinished(step=step.id, answer=answer, output=output)]


def _is_judged(state: RunState, step: Step) -> bool:
    return any(held.on == "answer" and held.step == step.id for held in state.guarded.values())


def _after_verdict(state: RunState, decided: GuardrailDecided) -> Sequence[Event]:
    """Act on what a guardrail has let go."""
    another = decided.about in state.guarded  # which is next
    if another or decided.on != "answer" or decided.step is None:
        return _go_on_all(state)
    step = state.steps[decided.step]
    if decided.verdict == "ask_again":
        return [rejected(step, decided.text or "")]
    return ask(state, step.id) if step.unread else _on_answer(state, step, step.said)


def _on_rule(state: RunState, asked: OutputRuleAsked, answered: RuleAnswered) -> Sequence[Event]:
    """The output type's verdict on an answer."""
    step = state.steps[asked.step]
    if answered.error == "interrupted":
        return [asked]
    if answered.error is not None:
        return [_failed(step, "output_rule", answered.error)]
    if isinstance(answered.answer, str):
        return [rejected(step, answered.answer)]
    if step.unread:
        return ask(state, step.id)
    return [StepFinished(step=step.id, answer=step.said, output=asked.output)]


def _go_on_all(state: RunState) -> Sequence[Event]:
    """After the calls of a round: detect loops, then ask again, for each step that is ready.

    A reply that waited for a verdict on input is acted on first.
    """
    decided: list[Event] = []
    if not state.input_waits:
        for step, reply in state.unused.items():
            decided += _on_reply(state, state.steps[step], reply)
    for step in [name for name in state.ready if name not in state.unused]:
        decided += _go_on(state, step, decided)
        if decided and isinstance(decided[-1], LimitReached):
            break
    return decided


def _go_on(state: RunState, step_id: str, beside: Sequence[Event]) -> Sequence[Event]:
    step = state.steps[step_id]
    if step.problem is not None:
        return [_failed(step, "unresolved", step.problem)]
    if step.purpose == "tool" and state.plan is not None:
        return [call_of_plan(state.plan, step)]
    if step.outage is not None:  # the same round continues: its calls were checked before
        return ask(state, step_id, attempt=step.attempt + 1, why="an outage", beside=beside)
    if step.handed is not None and not step.unread:
        return _on_handoff(state, step)
    loop = step.loop_guard.loop(step_id, state.agent.loops)
    return ask(state, step_id, beside=beside) if loop is None else [loop]


def _on_handoff(state: RunState, step: Step) -> Sequence[Event]:
    """The agent that took over has answered: its answer is checked like a reply's."""
    rules = (each.event for each in state.open.values())
    judged = any(isinstance(each, OutputRuleAsked) and each.step == step.id for each in rules)
    return [] if judged else _on_answer(state, step, step.said)


def _failed(step: Step, reason: str, message: str) -> StepFailed:
    return StepFailed(step=step.id, reason=reason, message=message)
