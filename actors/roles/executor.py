"""The executor: works on a step by asking the model and wishing the tool calls it asks for."""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.performing.services import Rule, Services
from playhead.actors.planning.steps import answer_of_plan, call_of_plan, rejected
from playhead.actors.requests.next_request import (
    ask,
    ask_after_failure,
    ask_after_refusal,
    budget_neared,
)
from playhead.actors.roles.role import Job, Role, RoleName
from playhead.events.errors import ModelError
from playhead.events.event import Block, Event
from playhead.events.kinds.approvals import RuleAnswered, RuleAsked
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import LimitReached
from playhead.events.kinds.steps import StepFailed, StepFinished
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import Reply, Request
from playhead.events.record import Record
from playhead.events.usage import text_of
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Step
from playhead.tools.calls.user_functions import ask_output, ask_router
from playhead.tools.validation.answer import parse_output

program_log = ProgramLogger("playhead.model")

EMPTIES = 2
"""How many empty replies in a row are asked again."""

UNFINISHED = {
    "max_tokens": "the reply was cut at max_tokens: raise the agent's max_tokens",
    "refusal": "the model refused to answer",
    "model_context_window_exceeded": "the conversation no longer fits the model's context window",
}
"""Stop reasons that end a step, each with what people are told."""


class Executor(Role):
    """ReAct: ask, call, observe, ask again, until the model answers."""

    name: ClassVar[RoleName] = "executor"
    handles: ClassVar[frozenset[str]] = frozenset({
        "step_started", "output_rejected", "message_received", "run_resumed", "loop_detected",
        "tool_resolved", "context_compressed",
        "model_answered", "model_failed", "rule_answered",
        "tool_succeeded", "tool_succeeded:memory", "tool_failed", "tool_outcome_unknown",
        "tool_refused", "child_finished",
    })  # fmt: skip

    def __init__(self, services: Services | None = None) -> None:
        self._services = services

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Wish tools, ask the model, or end the step."""
        if not state.may_start:
            return []
        match record.event:
            case ModelAnswered() as answered:
                said = _on_reply(state, state.step_of(record), answered)
                return [*budget_neared(state), *said]
            case ModelFailed() as failed:
                again = ask_after_failure(state, state.step_of(record), record, failed)
                return [*budget_neared(state), *again]
            case RuleAnswered() as answered if (asked := _asked(state, record)).rule != "router":
                return [] if asked.rule != "output" else _on_rule(state, asked, answered)
            case _:
                return _go_on_all(state)

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Ask the model once, or a function of the user's about it."""
        assert self._services is not None
        if isinstance(intent.event, RuleAsked):
            return await _perform_rule(self._services, intent.event, agent)
        assert isinstance(job, Request)
        assert isinstance(intent.event, ModelRequested)
        services, asked, began = self._services, intent.event, None
        patient, tokens = asked.fallbacks == 0, asked.reserved_tokens
        try:
            async with services.admission.turn(
                intent.run, asked.endpoint, asked.model, tokens, patient=patient
            ) as call:
                began = services.monotonic()
                reply = await self._ask(intent, job, agent)
                call.tokens = reply.usage.total
        except ModelError as error:
            services.on_text(intent.run, intent.seq, "")
            return _model_failed(
                error, None if began is None else _ms(services.monotonic() - began)
            )
        if asked.purpose == "step":
            _watch_cache(services, intent, job, reply, agent)
        return ModelAnswered(
            content=reply.content, stop_reason=reply.stop_reason, usage=reply.usage,
            model=reply.model, request_id=reply.request_id,
            duration_ms=_ms(services.monotonic() - began),
        )  # fmt: skip

    async def _ask(self, intent: Record, request: Request, agent: str) -> Reply:
        assert self._services is not None
        services, asked = self._services, intent.event
        beside = isinstance(asked, ModelRequested) and asked.purpose != "step"

        def on_text(text: str) -> None:
            if not beside:
                services.on_text(intent.run, intent.seq, text)

        model = services.endpoint(request.endpoint) if request.endpoint else services.model(agent)
        if model is None:
            message = f"this Runtime knows no endpoint {request.endpoint!r}: give it endpoints="
            raise ModelError(error="unreachable", message=message)
        try:
            reply = await model.reply(request, on_text)
        except ModelError:
            raise
        except Exception as error:  # a Model of the user's own may raise anything
            said = str(error)[:1000] or repr(error)[:1000]
            raise ModelError(type(error).__name__, said) from error
        if not all(map(_whole_call, reply.content)):
            message = "a tool call without id, name or input object"
            raise ModelError(error="malformed_reply", message=message)
        return reply

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """An interrupted call may be asked again; a cancelled one is not wanted any more."""
        if isinstance(intent.event, RuleAsked):
            return RuleAnswered(error=reason)
        message = f"the model call was {reason} before its reply was whole"
        return ModelFailed(error=reason, message=message, retryable=reason == "interrupted")


def _whole_call(block: Block) -> bool:
    if block.get("type") != "tool_use":
        return True
    named = isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
    return named and isinstance(block.get("input"), dict)


def _asked(state: RunState, answered: Record) -> RuleAsked:
    asked = state.intent_of(answered)
    assert isinstance(asked, RuleAsked)
    return asked


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _model_failed(error: ModelError, took: float | None) -> ModelFailed:
    return ModelFailed(
        error=error.error, message=error.message, status=error.status,
        retryable=error.retryable, retry_after=error.retry_after, duration_ms=took,
        usage=error.usage,
    )  # fmt: skip


def _watch_cache(
    services: Services, intent: Record, request: Request, reply: Reply, agent: str
) -> None:
    """Warn when what the cache should have held was not read from it."""
    now = services.monotonic()
    missed = services.cache_watch.answered(agent, intent.run, request, reply.usage, now)
    if missed is not None:
        program_log.warning(
            "cache.missed", agent=agent, run=intent.run, seq=intent.seq, model=request.model,
            expected=missed.expected, read=missed.read, differs=missed.block,
        )  # fmt: skip


async def _perform_rule(services: Services, asked: RuleAsked, agent: str) -> RuleAnswered:
    rule: Rule = "router" if asked.rule == "router" else "output"
    function = services.rule(agent, rule)
    if function is None:
        return RuleAnswered(error=f"the agent has no {rule} any more")
    if rule == "router":
        return await ask_router(function, asked.subject, services.workers)
    return await ask_output(function, asked.subject, services.workers)


def _on_reply(state: RunState, step: Step, reply: ModelAnswered) -> Sequence[Event]:
    if reply.stop_reason == "refusal" and (again := ask_after_refusal(state, step)) is not None:
        return again
    if reply.stop_reason in UNFINISHED:
        return [_failed(step, reply.stop_reason, UNFINISHED[reply.stop_reason])]
    requested_calls = [
        ToolRequested(step=step.id, tool=str(b["name"]), arguments=b["input"], use=str(b["id"]))  # type: ignore[arg-type]
        for b in reply.content
        if b.get("type") == "tool_use"
    ]
    if requested_calls:
        return requested_calls
    if reply.stop_reason == "pause_turn" or step.unread:
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
        return [RuleAsked(rule="output", step=step.id, subject=output)]
    return [StepFinished(step=step.id, answer=answer, output=output)]


def _on_rule(state: RunState, asked: RuleAsked, answered: RuleAnswered) -> Sequence[Event]:
    """What the type of the output says of an answer; the router's word is in the state."""
    step = state.steps[asked.step or ""]
    if answered.error == "interrupted":
        return [asked]
    if answered.error is not None:
        return [_failed(step, "output_rule", answered.error)]
    if isinstance(answered.answer, str):
        return [rejected(step, answered.answer)]
    if step.unread:
        return ask(state, step.id)
    return [StepFinished(step=step.id, answer=step.said, output=asked.subject)]


def _go_on_all(state: RunState) -> Sequence[Event]:
    """After the calls of a round: look for loops, then ask again; for each step that is ready."""
    decided: list[Event] = []
    for step in list(state.ready):
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
    loop = step.loop_guard.loop(step_id, state.agent.loops)
    return ask(state, step_id, beside=beside) if loop is None else [loop]


def _failed(step: Step, reason: str, message: str) -> StepFailed:
    return StepFailed(step=step.id, reason=reason, message=message)
