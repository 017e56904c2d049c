"""Performs one attempt of a model call: waits until it may send, sends, receives a whole reply."""

from dataclasses import replace
from typing import cast

from pydantic_core import PydanticSerializationError, to_json

from playhead.actors.performing.services import Services, Work
from playhead.events.errors import ModelError
from playhead.events.event import Block, Json
from playhead.events.kinds.model_calls import (
    ModelAnswered,
    ModelCall,
    ModelFailed,
    ModelRequested,
)
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import BatchJob, Model, OnText, Reply, Request
from playhead.projections.state.run_state import RunState
from playhead.tools.result import repaired

program_log = ProgramLogger("playhead.model")


def request_of(state: RunState, asked: ModelCall) -> Request:
    """The request as it was rendered when the call was decided."""
    return state.request_of(asked)


async def perform_model_call(
    services: Services, work: Work[ModelCall, Request]
) -> ModelAnswered | ModelFailed:
    """Ask the model once."""
    asked, intent, began = work.event, work.intent, None
    patient, tokens = asked.fallbacks == 0 and not asked.waited, asked.reserved_tokens
    try:
        if not asked.batch:  # one that asks about a batch is paid for with it
            await services.admission.within_quotas(intent.run, intent.seq)
        async with services.admission.turn(
            intent.run, asked.endpoint, asked.model, tokens, patient=patient
        ) as call:
            began = services.monotonic()
            reply = await _ask(services, work)
            call.tokens = reply.usage.total
    except ModelError as error:
        services.on_text(intent.run, intent.seq, "")
        return ModelFailed(
            error=error.error, message=error.message, status=error.status,
            retryable=error.retryable, retry_after=error.retry_after,
            duration_ms=None if began is None else _ms(services.monotonic() - began),
            usage=error.usage, batch=error.batch,
        )  # fmt: skip
    if isinstance(asked, ModelRequested):
        _watch_cache(services, work, reply)
    return ModelAnswered(
        content=reply.content, stop_reason=reply.stop_reason, usage=reply.usage,
        model=reply.model, request_id=reply.request_id,
        duration_ms=_ms(services.monotonic() - began), envelope=dict(reply.envelope),
    )  # fmt: skip


async def _ask(services: Services, work: Work[ModelCall, Request]) -> Reply:
    request, intent = work.job, work.intent
    streams = isinstance(work.event, ModelRequested)

    def on_text(text: str) -> None:
        if streams:
            services.on_text(intent.run, intent.seq, text)

    endpoint = request.endpoint
    model = services.endpoint(endpoint) if endpoint else services.model(work.run, request.model)
    if model is None:
        message = f"this Runtime knows no endpoint {endpoint!r}: give it endpoints="
        raise ModelError(error="unreachable", message=message)
    try:
        reply = await _reply(model, work, on_text)
    except ModelError:
        raise
    except Exception as error:  # a user's Model may raise anything
        said = str(error)[:1000] or repr(error)[:1000]
        raise ModelError(type(error).__name__, said) from error
    if not all(map(_whole_call, reply.content)):
        message = "a tool call without id, name or input object"
        raise ModelError(error="malformed_reply", message=message)
    envelope = reply.envelope and cast("dict[str, Json]", repaired(dict(reply.envelope)))
    return replace(reply, content=tuple(map(_mended, reply.content)), envelope=envelope)


async def _reply(model: Model, work: Work[ModelCall, Request], on_text: OnText) -> Reply:
    asked, intent = work.event, work.intent
    if asked.batch is None:
        return await model.reply(work.job, on_text)
    by_batch = getattr(model, "reply_in_batch", None)
    if by_batch is None:
        message = f"{type(model).__name__} has no batches: leave out Route(batch=True)"
        raise ModelError(error="no_batches", message=message)
    since = intent.at - BATCH_DAY if asked.batch_lost else None
    job = BatchJob(asked.batch_job, asked.batch, since, asked.batch_cancel)
    return cast("Reply", await by_batch(work.job, job))


BATCH_DAY = 26 * 3600 * 1_000_000
"""Microseconds: a batch ends within a day of its submission."""


def _mended(block: Block) -> Block:
    """Repairs its text so that a log can store it, like the text of tool results."""
    try:
        if b"\\u0000" not in to_json(block):
            return block
    except PydanticSerializationError:  # half of a surrogate pair, or nothing that JSON can hold
        pass
    return cast("Block", repaired(block))


def _whole_call(block: Block) -> bool:
    if block.get("type") != "tool_use":
        return True
    named = isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
    return named and isinstance(block.get("input"), dict)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _watch_cache(services: Services, work: Work[ModelCall, Request], reply: Reply) -> None:
    """Warn if an expected cache hit did not happen."""
    intent, request, now = work.intent, work.job, services.monotonic()
    missed = services.cache_watch.answered(work.agent, intent.run, request, reply.usage, now)
    if missed is not None:
        program_log.warning(
            "cache.missed", agent=work.agent, run=intent.run, seq=intent.seq, model=request.model,
            expected=missed.expected, read=missed.read, differs=missed.block,
        )  # fmt: skip


def model_cut_off(asked: ModelCall, _: Request, reason: str) -> ModelFailed:
    """An interrupted call may be repeated; a cancelled one is no longer needed."""
    message = f"the model call was {reason} before its reply was whole"
    again, batch = reason == "interrupted", asked.batch or None
    return ModelFailed(error=reason, message=message, retryable=again, batch=batch)


def model_broken(word: str, message: str) -> ModelFailed:
    """Only a call with an unstorable reply is repeated."""
    return ModelFailed(error=word, message=message, retryable=word == "unstorable")
