"""How texts are judged: guardrails given as data decide here, functions are asked. Pure.

The order: a goal or message, then the model's reply; a requested call is checked, its approval is
asked for, its result is judged; the answer is judged before its schema is checked.
"""

from collections.abc import Sequence
from hashlib import sha256

from pydantic import ValidationError

from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.kinds.guardrails import GuardrailAsked, GuardrailDecided
from playhead.events.spec.guardrails import GuardrailSpec, Verdict
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Guarded
from playhead.tools.validation.guardrails import verdict_on

NOBODY = "nobody can be asked again about input"
STARTED = "the model has read the text already, beside the guardrail"


def judge(state: RunState) -> Sequence[Event]:
    """The next verdicts on what is held back. At most one is decided here, as it may stop the run.

    An answer is judged once no input waits.
    """
    asked = list[Event]()
    for guarded in state.guarded.values():
        if guarded.asked or (guarded.on == "answer" and state.input_waits):
            continue
        rule = guarded.left[0]
        if not rule.function:
            return [_decided(guarded, rule, verdict_on(rule, guarded.text))]
        digest = sha256(guarded.text.encode()).hexdigest()
        asked.append(
            GuardrailAsked(guardrail=rule.name, on=rule.on, about=guarded.about, text=digest)
        )
    return asked


def on_verdict(state: RunState, asked: GuardrailAsked, answered: RuleAnswered) -> Sequence[Event]:
    """The verdict of a function; one that gives none blocks."""
    if answered.error == "interrupted":
        return [asked]
    guarded = state.guarded.get(asked.about)
    if guarded is None:
        return []
    rule = guarded.left[0]
    if answered.error is not None:
        return [_failed(guarded, rule, answered.error)]
    verdict = _read(answered.answer)
    if isinstance(verdict, str):
        return [_failed(guarded, rule, verdict)]
    return [_decided(guarded, rule, verdict)]


def _read(answer: Json) -> Verdict | str:
    try:
        return Verdict.model_validate(answer)
    except ValidationError:
        return "its verdict cannot be read"


def unusable(rule: GuardrailSpec, verdict: str) -> str | None:
    """Why the verdict cannot be carried out where the guardrail stands; None if it can."""
    if rule.on == "input" and verdict == "ask_again":
        return NOBODY
    return STARTED if rule.beside and verdict == "replace" else None


def _decided(guarded: Guarded, rule: GuardrailSpec, verdict: Verdict) -> GuardrailDecided:
    fault = unusable(rule, verdict.verdict)
    if fault is not None:
        return _failed(guarded, rule, f"it said {verdict.verdict}, but {fault}")
    return GuardrailDecided(
        guardrail=rule.name, on=rule.on, about=guarded.about, step=guarded.step or None,
        verdict=verdict.verdict, text=None if verdict.verdict == "allow" else verdict.text,
    )  # fmt: skip


def _failed(guarded: Guarded, rule: GuardrailSpec, error: str) -> GuardrailDecided:
    return GuardrailDecided(
        guardrail=rule.name, on=rule.on, about=guarded.about, step=guarded.step or None,
        verdict="block", text=f"guardrail {rule.name} gave no verdict: {error}", error=error,
    )  # fmt: skip
