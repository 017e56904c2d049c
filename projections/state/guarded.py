"""Texts that wait for the verdicts of guardrails: what is held back, and how it is released.

A held message is not part of the conversation, a held result is not told, and a held reply is not
acted on until the last verdict on it. Earlier guardrails come first, and later ones judge the text
that earlier ones have left.
"""

from collections.abc import Iterable

from playhead.events.event import Block, Event
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.guardrails import GuardrailAsked, GuardrailDecided
from playhead.events.kinds.model_calls import ModelAnswered, ModelRequested
from playhead.events.kinds.runs import MessageReceived, RunStarted
from playhead.events.kinds.tool_calls import ToolFailed, ToolSucceeded
from playhead.events.record import Record
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.guardrails import GuardrailSpec, Place
from playhead.projections.prompt.tool_result import READ_RESULT, RenderedResult, result_text
from playhead.projections.state.run_state import FoldFunction, RunState, tool_of
from playhead.projections.state.step_state import Guarded, Step, Stop, ToolCall

OURS = frozenset({"timeout", "interrupted", "cancelled", "changed"})
"""Failures of calls in our own words."""

ANSWERS = ("react", "direct", "synthesize")
"""Purposes of steps whose answer may be the run's."""

CUT = frozenset({"max_tokens", "refusal", "model_context_window_exceeded"})
"""Stop reasons of replies that are not used at all."""

NO_ANSWER = CUT | {"pause_turn"}


def guard_input(state: RunState, record: Record) -> bool:
    """A goal or a message has arrived; returns whether it is held back."""
    rules = sorted(_rules(state, "input"), key=lambda rule: rule.beside)
    if not rules or not isinstance(record.event, RunStarted | MessageReceived):
        return False
    if not state.input_waits:
        _hold_replies(state)
    text, first = input_text(record.event), rules[0]
    state.guarded[record.seq] = Guarded(
        "input", record.seq, text, rules, said=record, released=first.beside
    )
    return not first.beside


def _hold_replies(state: RunState) -> None:
    """Replies that arrived in a pause are not acted on yet: they wait for the message too."""
    for record in state.held:
        reply, asked = record.event, state.asked(record)
        held = record.seq in state.guarded
        if isinstance(reply, ModelAnswered) and isinstance(asked, ModelRequested) and not held:
            _leave_unused(state, asked.step, reply)


def _leave_unused(state: RunState, step: str, reply: ModelAnswered) -> None:
    if reply.stop_reason not in CUT:
        state.unused[step] = reply


def input_text(event: RunStarted | MessageReceived) -> str:
    """The text of a goal or message, and that of the content that comes with it."""
    text = event.goal if isinstance(event, RunStarted) else event.text
    text = "" if event.ordered else text  # its content has it
    return "\n".join(filter(None, [text, *map(_written, event.content or ())]))


def guard_result(state: RunState, call: ToolCall, outcome: Event, seq: int) -> bool:
    """A call has ended; returns whether its outcome is held back."""
    tool = call.requested.tool
    rules = [r for r in _rules(state, "result") if r.tools is None or tool in r.tools]
    text = outcome_text(outcome) if rules else None
    if text is None:
        return False
    step = call.requested.step
    state.guarded[seq] = Guarded("result", seq, text, rules, step, call=call, outcome=outcome)
    return True


def guard_reply(state: RunState, step: Step, record: Record, reply: ModelAnswered) -> None:
    """A model has answered: hold the reply while input is judged, and an answer until it is."""
    rules = _rules(state, "answer") if is_answer(step, reply) else []
    if rules:
        state.guarded[record.seq] = Guarded("answer", record.seq, step.said, rules, step.id)
    elif state.input_waits:
        _leave_unused(state, step.id, reply)


def is_answer(step: Step, reply: ModelAnswered) -> bool:
    """Whether the reply would be an answer of the run: text, no calls, whole."""
    if step.purpose not in ANSWERS or step.unread or reply.stop_reason in NO_ANSWER:
        return False
    return bool(step.said.strip()) and not any(b.get("type") == "tool_use" for b in reply.content)


def _rules(state: RunState, on: Place) -> list[GuardrailSpec]:
    return [rule for rule in state.agent.guardrails if rule.on == on]


def outcome_text(outcome: Event) -> str | None:
    """What the model would read of a call's outcome; None if it is only words of our own."""
    match outcome:
        case ToolSucceeded(content=content) if content:
            return "\n".join(filter(None, map(_written, content)))
        case ToolSucceeded(result=result):
            return result_text(result)
        case ToolFailed(error=error, message=message, hint=hint) if error not in OURS:
            return message if hint is None else f"{message}\n{hint}"
        case ChildFinished(status="finished", output=output, answer=answer):
            return result_text(answer if output is None else output)
        case ChildFinished(message=str(message)):
            return message
        case _:
            return None


def _written(block: Block) -> str:
    """The text of a content block, which for documents lies in their source."""
    source = block.get("source")
    data = source.get("data") if isinstance(source, dict) and source.get("type") == "text" else None
    return str(block.get("text") or data or "")


def _replaced(outcome: Event, text: str) -> Event:
    match outcome:
        case ToolSucceeded():
            return outcome.model_copy(update={"result": text, "content": None})
        case ToolFailed():
            return outcome.model_copy(update={"message": text, "hint": None})
        case ChildFinished(status="finished"):
            return outcome.model_copy(update={"answer": text, "output": None})
        case _:
            return outcome.model_copy(update={"message": text})


def _asked(state: RunState, _: Record, event: GuardrailAsked) -> None:
    state.guarded[event.about].asked = True


def _decided(state: RunState, record: Record, event: GuardrailDecided) -> None:
    guarded, text = state.guarded[event.about], event.text or ""
    guarded.asked = False
    del guarded.left[0]
    match event.verdict:
        case "block":
            del state.guarded[event.about]
            _block(state, guarded, text)
            return
        case "replace":
            guarded.text, guarded.replaced = text, True
        case "ask_again":
            guarded.left.clear()
            if guarded.outcome is not None:
                guarded.outcome = ToolFailed(error="guardrail", message=text)
        case "allow":
            pass
    _release(state, record, guarded)
    if not guarded.left:
        del state.guarded[event.about]


def _block(state: RunState, guarded: Guarded, message: str) -> None:
    """The run stops; what its session's later runs read ends before it."""
    state.blocked = True
    if state.stop is None:
        goal = guarded.said is not None and isinstance(guarded.said.event, RunStarted)
        state.stop = Stop("failed", "guardrail", message, cancels=goal)


def _release(state: RunState, record: Record, guarded: Guarded) -> None:
    """Use what was held back, if nothing that comes before its use is left."""
    match guarded:
        case Guarded(on="input", released=False, said=Record() as said):
            if not guarded.left or guarded.left[0].beside:
                guarded.released = True
                _let_in(state, record, said, guarded)
        case Guarded(on="result", left=[], call=ToolCall() as call, outcome=Event() as outcome):
            if guarded.replaced and not _withheld(outcome):
                outcome = _replaced(outcome, guarded.text)
            tell_outcome(state, call, outcome, guarded.about)
        case Guarded(on="answer", left=[], replaced=True, text=text):
            step = state.steps[guarded.step]
            step.said = text
            step.context.replace_reply(text, guarded.about)
        case _:
            pass


def _withheld(outcome: Event) -> bool:
    return isinstance(outcome, ToolFailed) and outcome.error == "guardrail"


def _let_in(state: RunState, record: Record, said: Record, guarded: Guarded) -> None:
    event = said.event
    update: dict[str, object] = {}
    if guarded.replaced:
        content = getattr(event, "content", None) or ()
        update = {"content": tuple(_unwritten(content)) or None, "ordered": None}
    if isinstance(event, RunStarted):
        if guarded.replaced:
            goal = {"goal": guarded.text}
            state.started = state.run_started.model_copy(update={**update, **goal})
        state.goal_released = record.seq
    else:
        if guarded.replaced:
            said = said._replace(event=event.model_copy(update={**update, "text": guarded.text}))
        hear_message(state, said)


def _unwritten(content: Iterable[Block]) -> Iterable[Block]:
    """The blocks whose text was not judged, because they have none."""
    return (block for block in content if not _written(block))


def hear_message(state: RunState, record: Record) -> None:
    """A message becomes part of the conversation."""
    event = record.event
    assert isinstance(event, MessageReceived)
    if state.plan is not None or not state.steps:
        state.said.append(record)
    state.hear(record.seq, "" if event.ordered else event.text, event.content or ())


def _hand_over(step: Step, handoff: ToolSpec, ended: ChildFinished) -> None:
    """The answer of the agent that took over is the step's."""
    if ended.status == "finished" and handoff.agent is not None:
        step.handed, step.said = ended.agent or handoff.agent.name, ended.answer


def tell_outcome(state: RunState, call: ToolCall, outcome: Event, seq: int) -> None:
    """A call's outcome becomes part of its step's conversation."""
    step = state.steps[call.requested.step]
    step.calls -= 1
    step.outcome = outcome
    if call.spec is not None and call.spec.handoff and isinstance(outcome, ChildFinished):
        _hand_over(step, call.spec, outcome)
    shown = RenderedResult(
        f"{call.run}:{call.seq}", call.spec, tool_of(step.agent, READ_RESULT) is not None
    )
    step.context.resulted(call.seq, outcome, seq, shown)
    step.loop_guard.add(call.requested.tool, call.arguments, outcome)
    if not step.calls:
        state.ready[step.id] = None
        step.loop_guard.end_round()


GUARDRAILS: dict[type[Event], FoldFunction] = {
    GuardrailAsked: _asked,
    GuardrailDecided: _decided,
}
