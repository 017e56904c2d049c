"""The executor: works on a step by asking the model and wishing the tool calls it asks for."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.backoff import not_before
from playhead.actors.role import Job, Role, RoleName
from playhead.actors.world import World
from playhead.events.errors import ModelError
from playhead.events.event import Block, Event
from playhead.events.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.events.request import Request
from playhead.events.runs import LimitReached
from playhead.events.spec import text_of
from playhead.events.steps import OutputRejected, StepFailed, StepFinished
from playhead.events.tool_calls import ToolRequested
from playhead.projections.run_state import RunState, Step
from playhead.tools.outputs import parse_output

REJECTIONS = 2
"""How often in a row an answer may miss the output schema before the step fails."""

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
        "tool_resolved",
        "model_answered", "model_failed",
        "tool_succeeded", "tool_failed", "tool_outcome_unknown", "tool_refused",
    })  # fmt: skip

    def __init__(self, world: World | None = None) -> None:
        self._world = world
        self._slots = asyncio.Semaphore(world.in_flight) if world is not None else None

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Wish tools, ask the model, or end the step."""
        if not state.may_start:
            return []
        match record.event:
            case ModelAnswered() as answered:
                return _on_reply(state, state.step_of(record), answered)
            case ModelFailed() as failed:
                return _on_failure(state, state.step_of(record), record, failed)
            case _:
                return [event for step in list(state.ready) for event in _go_on(state, step)]

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Ask the model once."""
        assert isinstance(job, Request)
        assert self._world is not None
        assert self._slots is not None
        world, run, seq = self._world, intent.run, intent.seq
        async with self._slots:
            began = world.monotonic()
            try:
                reply = await world.model(agent).reply(
                    job, lambda text: world.on_text(run, seq, text)
                )
            except ModelError as error:
                world.on_text(run, seq, "")
                return _model_failed(error, _ms(world.monotonic() - began))
            except Exception as error:  # a Model of the user's own may raise anything
                world.on_text(run, seq, "")
                fault = ModelError(type(error).__name__, str(error)[:1000] or repr(error)[:1000])
                return _model_failed(fault, _ms(world.monotonic() - began))
            took = _ms(world.monotonic() - began)
        if not all(map(_whole_call, reply.content)):
            world.on_text(run, seq, "")
            error = ModelError("malformed_reply", "a tool call without id, name or input object")
            return _model_failed(error, took)
        return ModelAnswered(
            content=reply.content, stop_reason=reply.stop_reason, usage=reply.usage,
            model=reply.model, request_id=reply.request_id, duration_ms=took,
        )  # fmt: skip

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """An interrupted call may be asked again; a cancelled one is not wanted any more."""
        message = f"the model call was {reason} before its reply was whole"
        return ModelFailed(error=reason, message=message, retryable=reason == "interrupted")


def _whole_call(block: Block) -> bool:
    if block.get("type") != "tool_use":
        return True
    named = isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
    return named and isinstance(block.get("input"), dict)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _model_failed(error: ModelError, took: float) -> ModelFailed:
    return ModelFailed(
        error=error.error, message=error.message, status=error.status,
        retryable=error.retryable, retry_after=error.retry_after, duration_ms=took,
    )  # fmt: skip


def _on_reply(state: RunState, step: Step, reply: ModelAnswered) -> Sequence[Event]:
    if reply.stop_reason in UNFINISHED:
        return [_failed(step, reply.stop_reason, UNFINISHED[reply.stop_reason])]
    wishes = [
        ToolRequested(step=step.id, tool=str(b["name"]), arguments=b["input"], use=str(b["id"]))  # type: ignore[arg-type]
        for b in reply.content
        if b.get("type") == "tool_use"
    ]
    if wishes:
        return wishes
    if reply.stop_reason == "pause_turn" or step.unread:
        return _ask(state, step.id)
    return _on_answer(state, step, text_of(reply.content))


def _on_answer(state: RunState, step: Step, answer: str) -> Sequence[Event]:
    if not answer.strip():
        if step.empty <= EMPTIES:
            return _ask(state, step.id)
        return [_failed(step, "empty_reply", f"{step.empty} empty replies in a row")]
    if state.agent.output_schema is None:
        return [StepFinished(step=step.id, answer=answer)]
    output, error = parse_output(state.agent.output_schema, answer)
    if error is None:
        return [StepFinished(step=step.id, answer=answer, output=output)]
    if step.rejected < REJECTIONS:
        return [OutputRejected(step=step.id, error=error)]
    return [_failed(step, "invalid_output", error)]


def _on_failure(
    state: RunState, step: Step, record: Record, failed: ModelFailed
) -> Sequence[Event]:
    retry = state.agent.model.retry
    if not failed.retryable or step.attempt >= retry.attempts:
        tried = "" if step.attempt == 1 else f" (tried {step.attempt} times)"
        return [_failed(step, failed.error, failed.message + tried)]
    wait = None
    if failed.error != "interrupted":
        wait = not_before(record, step.attempt, retry, failed.retry_after)
    return _ask(state, step.id, attempt=step.attempt + 1, wait=wait)


def _ask(
    state: RunState, step_id: str, *, attempt: int = 1, wait: int | None = None
) -> Sequence[Event]:
    step = state.steps[step_id]
    round_ = step.round + (attempt == 1)
    request = step.context.request(state.agent.model.model)
    reserve = _reserve(state, step, len(request.tail))
    over = _over_limit(state, round_, reserve)
    if over is not None:
        return [over]
    return [
        ModelRequested(
            step=step.id, round=round_, attempt=attempt, model=request.model,
            request=request.hash, reserved_tokens=reserve, not_before=wait,
        )
    ]  # fmt: skip


def _go_on(state: RunState, step_id: str) -> Sequence[Event]:
    """After the calls of a round: look for loops, then ask again."""
    loop = state.steps[step_id].trail.loop(step_id, state.agent.loops)
    if loop is None:
        return _ask(state, step_id)
    return [loop]


def _reserve(state: RunState, step: Step, tail: int) -> int:
    """At most this many tokens: what the last request used, a token per byte since, the reply."""
    known, at_size = step.tokens
    return known + (step.context.size - at_size) + tail + state.agent.model.max_tokens


def _over_limit(state: RunState, round_: int, reserve: int) -> LimitReached | None:
    limits, spent = state.limits, state.spent
    wanted = (
        ("max_steps", limits.max_steps, round_),
        ("max_model_calls", limits.max_model_calls, spent.model_calls + 1),
        ("max_tokens", limits.max_tokens, spent.tokens_at_most + reserve),
    )
    for limit, maximum, total in wanted:
        if maximum is not None and total > maximum:
            return LimitReached(limit=limit, maximum=maximum, wanted=total)
    return None


def _failed(step: Step, reason: str, message: str) -> StepFailed:
    return StepFailed(step=step.id, reason=reason, message=message)
