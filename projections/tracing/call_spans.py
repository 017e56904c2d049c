"""The spans of effects: model calls, tool calls, searches of the memory, from intent to outcome."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from playhead.events.event import Event
from playhead.events.kinds.model_calls import (
    ModelAnswered,
    ModelCall,
    ModelFailed,
    ModelRequested,
)
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolDeferred,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from playhead.events.record import Record
from playhead.events.usage import Usage
from playhead.projections.tracing import content, semconv
from playhead.projections.tracing.ids import span_id
from playhead.projections.tracing.span import NANO, Attributes, SpanData, begun, error_of


class RequestedCallSpan(NamedTuple):
    """A tool call, as the model requested it or a person changed it."""

    tool: str
    use: str
    """The model's id of the call."""
    arguments: Mapping[str, object] | None
    """Only where content is captured."""


class EffectSpan(NamedTuple):
    """An effect under way."""

    intent: Record
    parent: int
    """The span that it hangs on."""
    prompt: str | None
    """Of a model call; only where content is captured."""
    requested: RequestedCallSpan | None
    """Of a tool call."""

    @property
    def name(self) -> str:
        """Of its span."""
        event = self.intent.event
        if self.requested is not None:
            return f"{semconv.EXECUTE_TOOL} {self.requested.tool}"
        if isinstance(event, ModelCall):
            return f"{semconv.CHAT} {event.model}"
        return semconv.EFFECTS.get(event.kind) or f"{semconv.PERFORM} {event.kind}"

    @property
    def span_kind(self) -> Literal["client", "internal"]:
        """Of its span."""
        return "client" if isinstance(self.intent.event, ModelCall) else "internal"

    def id(self, run: str) -> int:
        """Of its span, known before the span has ended."""
        return span_id(run, self.intent.seq, self.name, self.intent.actor)


class EffectSpans(NamedTuple):
    """What the spans of one run's effects have in common."""

    run: str
    conversation: str
    content: bool
    """Whether prompts, arguments, results and error messages go onto the spans."""

    def span(self, effect: EffectSpan, outcome: Record) -> SpanData:
        """The span of an effect that has ended."""
        intent, event, name = effect.intent, outcome.event, effect.name
        error, description = error_of(event)
        attributes = {semconv.SEQ: intent.seq, **self._about(effect, event)}
        if error is not None:
            attributes[semconv.ERROR_TYPE] = error
        return SpanData(
            name, effect.span_kind, effect.id(self.run), effect.parent,
            begun(intent, outcome) * NANO, outcome.at * NANO, attributes,
            failed=error is not None, description=description if self.content else None,
        )  # fmt: skip

    def _about(self, effect: EffectSpan, outcome: Event) -> Attributes:
        match effect.intent.event:
            case ModelCall() as asked:
                return self._chat(asked, effect.prompt) | self._reply(outcome)
            case AttemptStarted() as started if effect.requested is not None:
                return self._tool(started, effect.requested, outcome)
            case event:
                return {semconv.OPERATION: semconv.EFFECTS.get(event.kind, event.kind)}

    def _chat(self, asked: ModelCall, prompt: str | None) -> Attributes:
        attributes: Attributes = {
            semconv.OPERATION: semconv.CHAT,
            semconv.PROVIDER_NAME: semconv.provider(asked.model),
            semconv.REQUEST_MODEL: asked.model,
            semconv.CONVERSATION: self.conversation,
            semconv.ROUND: asked.round,
            semconv.ATTEMPT: asked.attempt,
        }
        if not isinstance(asked, ModelRequested):
            attributes[semconv.PURPOSE] = asked.kind.removesuffix("_requested")
        if prompt is not None:
            attributes[semconv.INPUT_MESSAGES] = prompt
        return attributes

    def _reply(self, outcome: Event) -> Attributes:
        match outcome:
            case ModelAnswered():
                attributes: Attributes = {
                    semconv.RESPONSE_MODEL: outcome.model,
                    semconv.FINISH_REASONS: (outcome.stop_reason,),
                    **_used(outcome.usage),
                }
                if self.content:
                    said = content.reply(outcome.content, outcome.stop_reason)
                    attributes[semconv.OUTPUT_MESSAGES] = said
                return attributes
            case ModelFailed(status=int(status)):
                return {semconv.HTTP_STATUS: status}
            case _:
                return {}

    def _tool(
        self, started: AttemptStarted, requested: RequestedCallSpan, outcome: Event
    ) -> Attributes:
        attributes: Attributes = {
            semconv.OPERATION: semconv.EXECUTE_TOOL,
            semconv.TOOL: requested.tool,
            semconv.TOOL_TYPE: "function",
            semconv.TOOL_CALL: requested.use,
            semconv.ATTEMPT: started.attempt,
        }
        match outcome:
            case (
                ToolSucceeded(confined=str(by))
                | ToolFailed(confined=str(by))
                | ToolOutcomeUnknown(confined=str(by))
                | ToolDeferred(confined=str(by))
            ):
                attributes[semconv.CONFINED] = by
            case _:
                pass
        if requested.arguments is not None:
            attributes[semconv.TOOL_ARGUMENTS] = content.plain(requested.arguments)
        if isinstance(outcome, ToolSucceeded) and self.content:
            attributes[semconv.TOOL_RESULT] = content.plain(outcome.result)
        return attributes


def _used(usage: Usage) -> Attributes:
    return {
        semconv.INPUT_TOKENS: usage.input_total,
        semconv.OUTPUT_TOKENS: usage.output_tokens,
        semconv.CACHE_READ: usage.cache_read_input_tokens,
        semconv.CACHE_WRITE: usage.cache_creation_input_tokens,
    }
