"""Text of replies that streams in before a guardrail's verdict: held back, or given and discarded.

The verdict is in the log before any held text is given. Text beside tool calls is no answer: no
guardrail judges it, so it is never given where answers are held back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.events.spec.guardrails import GuardrailSpec
from playhead.projections.state.run_state import RunState

Given = tuple[int, str]
"""The seq of the ModelRequested, and a piece of text; an empty one: discard the earlier ones."""


@dataclass(slots=True)
class _Reply:
    """One reply's text so far."""

    holds: bool
    pieces: list[str] = field(default_factory=list[str])
    answered: int = 0
    """The seq of the ModelAnswered; 0 until it is there."""


class HeldText:
    """The text of runs with guardrails on input beside the model call, or on the answer."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[int, _Reply]] = {}

    def piece(self, run: str, request: int, text: str) -> bool:
        """Note a piece of text; returns whether it is held back."""
        reply = self._runs.get(run, {}).get(request)
        if reply is None:
            return False
        if text:
            reply.pieces.append(text)
        else:
            reply.pieces.clear()
        return reply.holds

    def committed(self, state: RunState, records: Sequence[Record]) -> Iterable[Given]:
        """A turn is in the log: the text that may, or must, now be given."""
        if state.started is None or not state.agent.guardrails:
            return ()
        given = [each for record in records for each in self._on(state, record)]
        given += self._let_go(state)
        if state.ending is not None:
            self._runs.pop(state.run, None)
        return given

    def _on(self, state: RunState, record: Record) -> Iterable[Given]:
        replies = self._runs.setdefault(state.run, {})
        match record.event:
            case ModelRequested():
                judges = [rule for rule in state.agent.guardrails if _judges(rule, state)]
                if judges:
                    replies[record.seq] = _Reply(any(rule.stream == "hold" for rule in judges))
            case ModelAnswered() as answered if record.cause in replies:
                replies[record.cause].answered = record.seq
                if _calls(answered) and any(map(_holds_answers, state.agent.guardrails)):
                    replies[record.cause].pieces.clear()
            case ModelFailed() if record.cause is not None:
                replies.pop(record.cause, None)
            case GuardrailDecided() as decided if decided.verdict != "allow":
                yield from _disallowed(decided, replies)
            case _:
                pass

    def _let_go(self, state: RunState) -> Iterable[Given]:
        """The text of replies on which no verdict is awaited any more."""
        replies = {} if state.input_waits else self._runs.get(state.run, {})
        for request, reply in list(replies.items()):
            if reply.answered and reply.answered not in state.guarded:
                del replies[request]
                if reply.holds:
                    yield from ((request, piece) for piece in reply.pieces if piece)


def _judges(rule: GuardrailSpec, state: RunState) -> bool:
    return rule.on == "answer" or (rule.beside and state.input_waits)


def _holds_answers(rule: GuardrailSpec) -> bool:
    return rule.on == "answer" and rule.stream == "hold"


def _calls(answered: ModelAnswered) -> bool:
    return any(block.get("type") == "tool_use" for block in answered.content)


def _disallowed(decided: GuardrailDecided, replies: Mapping[int, _Reply]) -> Iterable[Given]:
    """Discard what was given already; what follows is held back."""
    for request, reply in replies.items():
        if decided.about == reply.answered or decided.verdict == "block":
            if not reply.holds and reply.pieces:
                yield request, ""
            reply.holds = True
            reply.pieces = [decided.text or ""] if decided.verdict == "replace" else []
