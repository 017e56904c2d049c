"""One attempt of a tool call on its worker: arguments in, an event out, never an exception.

Whatever a tool raises or returns becomes a message that the model can act on. Tracebacks go to the
program's log, never to the model, and the values of secrets go to neither.
"""

import asyncio
import inspect
import math
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from itertools import islice
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import to_json

from playhead.events.errors import ToolError
from playhead.events.event import Json
from playhead.events.kinds.tool_calls import (
    ToolDeferred,
    ToolFailed,
    ToolInputRequired,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from playhead.events.logger import ProgramLogger
from playhead.events.spec.tool import Deferral
from playhead.tools.content import to_content
from playhead.tools.context import (
    CallDeferred,
    InputRequired,
    OutcomeUnknown,
    Secret,
    ToolContext,
)
from playhead.tools.definition.dependencies import Dependency
from playhead.tools.definition.signature import EVERY, Signature
from playhead.tools.execution.provide import Swallowed, provide, provide_async
from playhead.tools.execution.secrets import SecretMask, SecretMissing
from playhead.tools.result import ResultRefused, clean_text, first_problems, to_result
from playhead.tools.tool import AnyTool

log = ProgramLogger("playhead.tool")

Answer: TypeAlias = (
    ToolSucceeded | ToolFailed | ToolOutcomeUnknown | ToolDeferred | ToolInputRequired
)
Monotonic: TypeAlias = Callable[[], float]
"""Seconds since some fixed moment; called from several threads."""

ITEMS = 1_000_000
"""The most that a generator may yield."""

LINE = 500
"""Characters of an unexpected exception that the model sees."""


class ArgumentsRefused(Exception):
    """The arguments do not fit the function's types; the message names the field."""


class Attempt:
    """One attempt; `perform` or `perform_async` is called once, on the worker's thread."""

    def __init__(
        self,
        tool: AnyTool,
        arguments: Mapping[str, Json],
        context: ToolContext,
        monotonic: Monotonic,
    ) -> None:
        self.tool = tool
        self.arguments = arguments
        self.context = context
        self.monotonic = monotonic
        self.began = monotonic()
        self._secrets = SecretMask()
        self._context = context
        given = tool.signature.given.items()
        self._depends = {name: each for name, each in given if isinstance(each, Dependency)}
        self._left = ExitStack()
        """What is cleaned up once what it returned has been awaited."""
        self._awaited: Any = None

    def perform(self) -> Answer | None:
        """Call a sync tool. None when it returned something to await: then `perform_async`."""
        self._start()
        try:
            with ExitStack() as stack:
                provided = provide(self._depends, self._context, self._secrets, stack)
                value = self.tool.function(**self._keywords(provided))
                if inspect.isawaitable(value) or inspect.isasyncgen(value):
                    self._awaited, self._left = value, stack.pop_all()
                    return None
                return self._succeeded(value)
            return self._failed(Swallowed())
        except BaseException as error:  # a tool must not end its thread
            return self._failed(error)

    async def perform_async(self) -> Answer:
        """Call an async tool, or await what `perform` has begun."""
        try:
            async with AsyncExitStack() as stack:
                stack.push(self._left)
                value, self._awaited = self._awaited, None
                if value is None:
                    self._start()
                    needed, context = self._depends, self._context
                    provided = await provide_async(needed, context, self._secrets, stack)
                    value = self.tool.function(**self._keywords(provided))
                return self._succeeded(await _whole(value))
            return self._failed(Swallowed())
        except BaseException as error:  # a tool must not end its loop
            return self._failed(error)

    def _start(self) -> None:
        self.began = self.monotonic()
        if self.tool.signature.asks:
            self._context = self.context.starting(
                time.time(), self.tool.spec.timeout, self._progressed
            )

    def _progressed(self, text: str, done: float | None, total: float | None) -> None:
        try:
            masked = self._secrets.mask(clean_text(str(text)))
        except Exception as error:  # the object's own __str__
            log_safely("progress.left_out", tool=self.tool.spec.name, error=type(error).__name__)
        else:
            self.context.on_progress(str(masked), done, total)

    def late(self, answer: Answer | None) -> None:
        """Nobody waits for this answer any more: write it to the program's log."""
        if answer is None:
            if inspect.iscoroutine(self._awaited):
                self._awaited.close()
            self._left.close()
            return
        if isinstance(answer, ToolFailed) and answer.error == "cancelled":
            return
        log_safely(
            "tool_call.late",
            tool=self.tool.spec.name,
            run=self.context.run,
            call=self.context.call,
            attempt=self.context.attempt,
            outcome=answer.kind,
            error=answer.message if isinstance(answer, ToolFailed) else None,
        )

    def _keywords(self, provided: Mapping[str, Any]) -> dict[str, Any]:
        signature = self.tool.signature
        try:
            model = signature.arguments.model_validate_json(to_json(self.arguments))
        except ValidationError as error:
            raise ArgumentsRefused(first_problems(error)) from error
        except ValueError as error:
            msg = f"the arguments are not JSON: {error}"
            raise ArgumentsRefused(msg) from error
        keywords = _given(model, signature)
        if signature.context is not None:
            keywords[signature.context] = self._context
        for name, source in signature.given.items():
            if isinstance(source, Secret):
                keywords[name] = self._secrets.resolve(source, self.context)
        return {**keywords, **provided}

    def _succeeded(self, value: object) -> Answer:
        if self.tool.spec.deferred is not None:
            return self._deferred(CallDeferred(), value)
        if inspect.isgenerator(value):
            value = _not_too_many(list(islice(value, ITEMS + 1)))
        took = milliseconds(self.began, self.monotonic)
        content = to_content(value)
        if content is not None:
            return ToolSucceeded(content=self._secrets.mask_blocks(content), duration_ms=took)
        result = to_result(value, self.tool.signature.result)
        return ToolSucceeded(result=self._secrets.mask(result), duration_ms=took)

    def _deferred(self, how: CallDeferred, returned: object = None) -> ToolDeferred:
        if returned is not None:
            msg = (
                f"it returned a {type(returned).__name__}, but it is declared with deferred=, and "
                "its answer comes later: return None, or raise CallDeferred(note)"
            )
            raise ResultRefused(msg)
        usual = self.tool.spec.deferred or Deferral()
        expires = usual.expires if how.expires is None else how.expires
        if expires is not None and not 0 < expires < math.inf:
            msg = f"CallDeferred(expires={expires!r}) must be a positive number of seconds"
            raise ResultRefused(msg)
        told = usual.if_expired if how.if_expired is None else how.if_expired
        return ToolDeferred(
            call=self.context.call,
            about=how.about,
            note=None if how.note is None else str(self._secrets.mask(clean_text(how.note))),
            expires=expires,
            if_expired=None if told is None else str(self._secrets.mask(clean_text(told))),
            counts=usual.counts if how.counts is None else how.counts,
            answer_schema=None if how.about == "time" else self.tool.signature.answer_schema(),
            duration_ms=milliseconds(self.began, self.monotonic),
        )

    def _asking(self, asked: InputRequired) -> ToolInputRequired:
        questions = self._secrets.mask(to_result(asked.questions, None))
        if asked.state is not None and clean_text(asked.state) != asked.state:
            msg = "its state contains a NUL or half of a surrogate pair, so it cannot be kept"
            raise ResultRefused(msg)
        return ToolInputRequired(
            questions=questions if isinstance(questions, dict) else {},
            state=asked.state,
            bound=asked.bound,
            duration_ms=milliseconds(self.began, self.monotonic),
        )

    def _failed(self, error: BaseException) -> Answer:
        try:
            if isinstance(error, CallDeferred):
                return self._deferred(error)
            if isinstance(error, InputRequired):
                return self._asking(error)
        except ResultRefused as refused:
            error = refused
        if isinstance(error, OutcomeUnknown) and self.tool.spec.effect == "once":
            return ToolOutcomeUnknown(reason="disconnected")
        failed = self._explained(error)
        if isinstance(error, (*self.tool.transient, OutcomeUnknown)):
            failed = failed.model_copy(update={"retryable": True})
        return self._secrets.mask_failure(failed)

    def _explained(self, error: BaseException) -> ToolFailed:
        took = milliseconds(self.began, self.monotonic)
        match error:
            case SecretMissing():
                return _secret_missing(self.tool.spec.name, error, took)
            case ToolError():
                return _expected(error, took)
            case ArgumentsRefused():
                return ToolFailed(
                    error="invalid_arguments",
                    message=clean_text(str(error)),
                    hint="Nothing was done. Correct the arguments and call again.",
                    duration_ms=took,
                )
            case asyncio.CancelledError() if self.context.is_cancelled():
                return ToolFailed(error="cancelled", message="cancelled", duration_ms=took)
            case _:
                return self._unexpected(error, took)

    def _unexpected(self, error: BaseException, took: float) -> ToolFailed:
        spec = self.tool.spec
        log_safely(
            "tool_call.traceback",
            tool=spec.name,
            run=self.context.run,
            call=self.context.call,
            attempt=self.context.attempt,
            traceback=self._secrets.mask(traceback_of(error)),
        )
        if isinstance(error, ResultRefused):
            fault = f"{spec.name} returned a result that is not valid: {_text(error)}"
            hint = "This is a fault of the tool, not of your call."
            done = "" if spec.effect == "read" else " The call itself was carried out."
            return ToolFailed(
                error="invalid_result", message=fault[:LINE], hint=hint + done, duration_ms=took
            )
        name = clean_text(type(error).__name__)
        return ToolFailed(
            error=name,
            message=f"{name}: {_text(error)}".removesuffix(": ")[:LINE],
            hint=f"{spec.name} failed without an explanation. Try other arguments, or continue "
            "without it.",
            duration_ms=took,
        )


def _given(model: Any, signature: Signature) -> dict[str, Any]:
    """The validated arguments as keywords."""
    if signature.raw is not None:
        return dict(model.root) if signature.raw == EVERY else {signature.raw: model.root}
    given = model.model_fields_set
    return {
        name: getattr(model, field)
        for name, field in signature.fields.items()
        if field in given or name in signature.required
    }


async def _whole(value: Any) -> object:
    """What an async tool gives in the end; for an async generator, the list of what it yields."""
    if not inspect.isasyncgen(value):
        return await value
    items: list[Any] = []
    async for each in value:
        items.append(each)
        _not_too_many(items)
    return items


def _not_too_many(items: list[Any]) -> list[Any]:
    if len(items) > ITEMS:
        msg = f"it yields more than {ITEMS} items"
        raise ResultRefused(msg)
    return items


def _expected(error: ToolError, took: float) -> ToolFailed:
    """As the tool put it; a value of the wrong type is fixed or dropped."""
    after = error.retry_after
    known = isinstance(after, int | float) and 0 <= after < float("inf")
    return ToolFailed(
        error=clean_text(type(error).__name__),
        message=_safely(error.message),
        hint=None if error.hint is None else _safely(error.hint),
        retry_after=after if known else None,
        retryable=True if known else None,
        duration_ms=took,
    )


def _secret_missing(tool: str, error: SecretMissing, took: float) -> ToolFailed:
    return ToolFailed(
        error="secret_missing",
        message=f"{tool} needs the secret {error.name}, which is not set where this run executes",
        hint="Nothing was done. Continue without this tool, and say what is missing.",
        duration_ms=took,
    )


def _safely(value: object) -> str:
    """Any object as text, even one whose `str()` raises."""
    try:
        return clean_text(str(value))
    except BaseException:  # whatever a hostile __str__ does
        return f"({type(value).__name__} that cannot be displayed)"


def _text(error: BaseException) -> str:
    return " ".join(_safely(error).split())


def traceback_of(error: BaseException) -> str:
    """The traceback as text, for the program's log."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # whatever a hostile __str__ does
        return f"(a traceback of {type(error).__name__} that cannot be displayed)"


def log_safely(event: str, **fields: object) -> None:
    """Write to the program's log; a logger that fails must not fail the call."""
    try:
        log.warning(event, **fields)
    except BaseException:  # log processors are the user's code
        traceback.print_exc()


def milliseconds(began: float, monotonic: Monotonic) -> float:
    """Milliseconds since `began`."""
    return round((monotonic() - began) * 1000, 3)
