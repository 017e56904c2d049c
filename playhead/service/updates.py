"""A run as a page shows it: text as it streams in, steps, tools, approvals, the end.

One stream of typed values, made from the run's records and its text. `to_sse` writes a value as a
server-sent event.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import ClassVar, Literal, TypeAlias

from pydantic_core import from_json

from playhead.events.event import Data, Event, Json
from playhead.events.kinds import approvals, child_runs, runs, steps, tool_calls, waits
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.guardrails import Place, VerdictName
from playhead.projections.prompt.tool_result import content_text, result_text
from playhead.projections.state.calls.deferred import answered, unanswered
from playhead.projections.state.guarded import outcome_text
from playhead.service.subscriptions import Listening, Piece, ToolProgress
from playhead.tools.validation.answer import misfit


class Update(Data):
    """One thing to show. `type` says which."""

    RECORDED: ClassVar[bool] = True
    """Whether it is made from a record, and comes again when the stream is read again."""

    type: str
    seq: int
    """Of its record; of text and partial output, that of the model request. From 1."""


class TextUpdate(Update):
    """A piece of the model's text."""

    RECORDED = False
    type: Literal["text"] = "text"
    text: str


class TextDiscarded(Update):
    """The attempt failed, or a guardrail took the text back: remove the text of this request."""

    RECORDED = False
    type: Literal["text_discarded"] = "text_discarded"


class OutputUpdate(Update):
    """The structured answer so far: it fits the output's schema, but for what is still missing."""

    RECORDED = False
    type: Literal["output"] = "output"
    output: Json


class StepUpdate(Update):
    """A step of the run; a run without a plan has one, called main."""

    type: Literal["step"] = "step"
    step: str
    state: Literal["started", "finished", "failed"]
    text: str = ""
    """The task, or why it failed."""


ToolState: TypeAlias = Literal[
    "requested", "started", "waiting", "finished", "answered", "failed", "expired", "refused",
    "unknown",
]  # fmt: skip


class ToolUpdate(Update):
    """A tool call. `started` comes once for each attempt.

    A call whose answer comes later is `waiting` until it is `answered` (`failed` if the answer is a
    failure), or `expired` if no answer came in time. The tool `wait` is `waiting`, then `finished`.
    """

    type: Literal["tool"] = "tool"
    call: int
    """The same for all updates of one call; `run.approve` takes it."""
    tool: str
    state: ToolState
    arguments: dict[str, Json] | None = None
    """When requested."""
    text: str | None = None
    """The result, the error or the refusal; while it is waiting, the note of `CallDeferred`. None
    for results that a guardrail judges."""
    expires_at: int | None = None
    """While it is waiting: when that ends without an answer; microseconds since the epoch."""


class ProgressUpdate(Update):
    """How far a tool says that its call is."""

    RECORDED = False
    type: Literal["progress"] = "progress"
    call: int
    """Also the `seq`."""
    tool: str
    text: str
    done: float | None = None
    total: float | None = None
    """`done` of `total`, in any unit."""


class GuardrailUpdate(Update):
    """A guardrail's verdict on the input, on a tool's result or on the answer."""

    type: Literal["guardrail"] = "guardrail"
    guardrail: str
    on: Place
    verdict: VerdictName
    text: str | None = None
    """The message, or what replaces the judged text; None when it is allowed."""
    call: int | None = None
    """Of a result: the call that gave it."""


class ApprovalUpdate(Update):
    """A call, or a plan, waits for a person; or a person has decided."""

    type: Literal["approval"] = "approval"
    call: int
    state: Literal["waiting", "approved", "denied", "expired"]
    about: Literal["call", "plan", "input"] = "call"
    """`input`: the call's tool asks a person something."""
    questions: dict[str, Json] | None = None
    """What it asks, by key: `message`, and the `requestedSchema` of the answer or a `url`."""
    tool: str = ""
    arguments: dict[str, Json] | None = None
    expires_at: int | None = None
    """Microseconds since the epoch."""
    reason: str | None = None


class RunUpdate(Update):
    """The run as a whole, before its end."""

    type: Literal["run"] = "run"
    state: Literal["started", "paused", "resumed", "model_down", "cancelling"]
    text: str = ""


class MessageUpdate(Update):
    """Somebody has sent the open run a message."""

    type: Literal["message"] = "message"
    text: str


class EndUpdate(Update):
    """The run has ended; nothing follows."""

    type: Literal["end"] = "end"
    status: Literal["finished", "failed", "cancelled"]
    answer: str | None = None
    output: Json = None
    agent: str | None = None
    """Who answered, if the conversation was handed over."""
    reason: str | None = None
    """A machine-readable code, such as `max_steps` or `guardrail`."""
    message: str | None = None


def to_sse(update: Update) -> str:
    """A server-sent event: `event` is the type, `data` the value as JSON, `id` its seq.

    Text has no id, so the Last-Event-ID with which a browser comes back is that of a record: give
    it to `run.updates(after=...)`.
    """
    number = f"id: {update.seq}\n" if update.RECORDED else ""
    return f"{number}event: {update.type}\ndata: {update.model_dump_json()}\n\n"


class Updates:
    """The updates of one run, with `for` or `async for`, until it ends.

    Raises what `run.events()` raises.
    """

    def __init__(self, listen: Callable[[], Listening[Piece]], after: int) -> None:
        self._listen = listen
        self._after = after

    def __iter__(self) -> Iterator[Update]:
        """Listens from the moment when the first one is requested."""
        made = _Maker(self._after)
        for item in self._listen():
            yield from made.of(item)

    async def __aiter__(self) -> AsyncIterator[Update]:
        made = _Maker(self._after)
        async for item in self._listen():
            for update in made.of(item):
                yield update


class _Maker:
    """Makes updates of records and text, in order."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._judges_results = False
        self._partial: _PartialOutput | None = None
        self._tools: dict[int, str] = {}
        self._arguments: dict[int, dict[str, Json]] = {}
        self._calls: dict[int, int] = {}
        """Seq of an attempt, of its outcome, or of a wait -> the call."""
        self._early: dict[int, tool_calls.CallAnswered] = {}
        """Call -> the answer that came while its attempt was under way."""
        self._deferred: dict[int, tool_calls.ToolDeferred] = {}

    def of(self, item: Piece) -> list[Update]:
        if isinstance(item, Record):
            made = self._record(item)
            return [made] if made is not None and item.seq > self._after else []
        if isinstance(item, ToolProgress):
            call, tool = item.call, self._tools.get(item.call, "")
            return [ProgressUpdate(seq=call, tool=tool, **item._asdict())]
        if item.discarded:
            if self._partial is not None:
                self._partial.forget(item.request)
            return [TextDiscarded(seq=item.request)]
        updates: list[Update] = [TextUpdate(seq=item.request, text=item.text)]
        output = None if self._partial is None else self._partial.add(item.request, item.text)
        return updates if output is None else [*updates, output]

    def _record(self, record: Record) -> Update | None:
        seq, event = record.seq, record.event
        if isinstance(event, runs.RunStarted):
            self._judges_results = any(g.on == "result" for g in event.agent.guardrails)
            if event.agent.output_schema is not None:
                self._partial = _PartialOutput(event.agent.output_schema)
            return RunUpdate(seq=seq, state="started", text=event.goal)
        if event.kind in ENDINGS:
            return _end(seq, event)
        return (
            self._tool(record)
            or self._waiting(seq, event)
            or self._verdict(seq, event)
            or self._approval(seq, event)
            or _step(seq, event)
            or _run(seq, event)
        )

    def _tool(self, record: Record) -> ToolUpdate | None:
        seq, event = record.seq, record.event
        match event:
            case tool_calls.ToolRequested(tool=tool, arguments=arguments):
                self._tools[seq], self._arguments[seq] = tool, arguments
                return self._call(seq, seq, "requested", arguments=arguments)
            case tool_calls.AttemptStarted(call=call) | child_runs.ChildStarted(call=call):
                self._calls[seq] = call
                return self._call(seq, call, "started")
            case tool_calls.ToolRefused(call=call, message=message):
                return self._call(seq, call, "refused", text=message)
            case _ if record.cause in self._calls and record.origin == "effect":
                call = self._calls[seq] = self._calls[record.cause]
                if call in self._early and not isinstance(event, tool_calls.ToolSucceeded):
                    return self._answer(seq, self._early[call])
                if isinstance(event, tool_calls.ToolDeferred):
                    self._deferred[call] = event
                return self._outcome(seq, call, event)
            case _:
                return None

    def _waiting(self, seq: int, event: Event) -> ToolUpdate | None:
        match event:
            case waits.AnswerAwaited(call=call, note=note, until=until):
                self._calls[seq] = call
                return self._call(seq, call, "waiting", text=note, expires_at=until)
            case tool_calls.CallAnswered(call=call) if call in self._deferred:
                return self._answer(seq, event)
            case tool_calls.CallAnswered(call=call):
                self._early[call] = event
                return None
            case runs.TimeReached(due="wait", wait=int(wait)) if wait in self._calls:
                call = self._calls[seq] = self._calls[wait]
                made = self._outcome(seq, call, unanswered(self._deferred[call]))
                return made and _renamed(made, failed="expired")
            case _:
                return None

    def _answer(self, seq: int, event: tool_calls.CallAnswered) -> ToolUpdate | None:
        self._calls[seq] = event.call
        made = self._outcome(seq, event.call, answered(event))
        return made and _renamed(made, finished="answered")

    def _verdict(self, seq: int, event: Event) -> GuardrailUpdate | None:
        if not isinstance(event, GuardrailDecided):
            return None
        call = self._calls.get(event.about) if event.on == "result" else None
        return GuardrailUpdate(
            seq=seq, guardrail=event.guardrail, on=event.on, verdict=event.verdict,
            text=event.text, call=call,
        )  # fmt: skip

    def _outcome(self, seq: int, call: int, event: Event) -> ToolUpdate | None:
        guarded = self._judges_results
        text = None if guarded else outcome_text(event)
        match event:
            case tool_calls.ToolSucceeded(content=content, result=result):
                if not guarded:
                    text = content_text(content) if content else result_text(result)
                return self._call(seq, call, "finished", text=text)
            case child_runs.ChildFinished(status="finished"):
                return self._call(seq, call, "finished", text=text)
            case tool_calls.ToolFailed(error=error, message=message):
                return self._call(seq, call, "failed", text=error if guarded else message)
            case child_runs.ChildFinished(status=status):
                return self._call(seq, call, "failed", text=text or status)
            case tool_calls.ToolOutcomeUnknown(reason=reason):
                return self._call(seq, call, "unknown", text=reason)
            case _:
                return None

    def _call(
        self,
        seq: int,
        call: int,
        state: ToolState,
        *,
        arguments: dict[str, Json] | None = None,
        text: str | None = None,
        expires_at: int | None = None,
    ) -> ToolUpdate:
        return ToolUpdate(
            seq=seq, call=call, tool=self._tools.get(call, ""), state=state, arguments=arguments,
            text=text, expires_at=expires_at,
        )  # fmt: skip

    def _approval(self, seq: int, event: Event) -> ApprovalUpdate | None:
        match event:
            case approvals.ApprovalRequested(call=call, about=about, expires_at=expires):
                return ApprovalUpdate(
                    seq=seq, call=call, state="waiting", about=about, expires_at=expires,
                    questions=event.questions,
                    tool=self._tools.get(call, ""), arguments=self._arguments.get(call),
                )  # fmt: skip
            case approvals.ApprovalDecided(call=call, approved=approved, reason=reason):
                state: Literal["approved", "denied"] = "approved" if approved else "denied"
                return ApprovalUpdate(
                    seq=seq, call=call, state=state, reason=reason, tool=self._tools.get(call, "")
                )
            case runs.TimeReached(due="approval", call=int(call)):
                tool = self._tools.get(call, "")
                return ApprovalUpdate(seq=seq, call=call, state="expired", tool=tool)
            case _:
                return None


def _renamed(update: ToolUpdate, **states: ToolState) -> ToolUpdate:
    return update.model_copy(update={"state": states.get(update.state, update.state)})


def _step(seq: int, event: Event) -> StepUpdate | None:
    match event:
        case steps.StepStarted(step=step, task=task):
            return StepUpdate(seq=seq, step=step, state="started", text=task)
        case steps.StepFinished(step=step):
            return StepUpdate(seq=seq, step=step, state="finished")
        case steps.StepFailed(step=step, message=message):
            return StepUpdate(seq=seq, step=step, state="failed", text=message)
        case _:
            return None


def _run(seq: int, event: Event) -> Update | None:
    match event:
        case runs.MessageReceived(text=text):
            return MessageUpdate(seq=seq, text=text)
        case runs.RunPaused(reason=reason):
            return RunUpdate(seq=seq, state="paused", text=reason)
        case runs.RunResumed(reason=reason):
            return RunUpdate(seq=seq, state="resumed", text=reason)
        case waits.OutageWaitStarted(message=message):
            return RunUpdate(seq=seq, state="model_down", text=message)
        case runs.CancelRequested(reason=reason):
            return RunUpdate(seq=seq, state="cancelling", text=reason)
        case _:
            return None


def _end(seq: int, event: Event) -> EndUpdate:
    match event:
        case runs.RunFinished(answer=answer, output=output, agent=agent):
            return EndUpdate(seq=seq, status="finished", answer=answer, output=output, agent=agent)
        case runs.RunFailed(reason=reason, message=message):
            return EndUpdate(seq=seq, status="failed", reason=reason, message=message)
        case _:
            return EndUpdate(
                seq=seq, status="cancelled", reason="cancelled",
                message=getattr(event, "reason", None),
            )  # fmt: skip


class _PartialOutput:
    """The structured answers that stream in, each as far as it is there and fits."""

    def __init__(self, schema: dict[str, Json]) -> None:
        relaxed = _relaxed(schema)
        assert isinstance(relaxed, dict)
        self._schema: dict[str, Json] = relaxed
        self._text: dict[int, str] = {}
        self._last: dict[int, Json] = {}

    def forget(self, request: int) -> None:
        self._text.pop(request, None)
        self._last.pop(request, None)

    def add(self, request: int, text: str) -> OutputUpdate | None:
        said = self._text[request] = self._text.get(request, "") + text
        try:
            value: Json = from_json(_fenceless(said), allow_partial="trailing-strings")
        except ValueError:
            return None
        if value in (None, "", {}, []) or value == self._last.get(request):
            return None
        if misfit(self._schema, value) is not None:
            return None
        self._last[request] = value
        return OutputUpdate(seq=request, output=value)


LOWER_BOUNDS = frozenset(
    {"required", "minItems", "minProperties", "minLength", "dependentRequired"}
)


def _relaxed(schema: Json) -> Json:
    """The schema without demands that only the whole answer can meet."""
    if isinstance(schema, dict):
        return {
            key: value if key in ("enum", "const", "default") else _relaxed(value)
            for key, value in schema.items()
            if key not in LOWER_BOUNDS or isinstance(value, dict)
        }
    return [_relaxed(each) for each in schema] if isinstance(schema, list) else schema


def _fenceless(text: str) -> str:
    said = text.lstrip()
    return said.removeprefix("```json").removeprefix("```") if said.startswith("```") else said
