"""Open approvals, as a person needs to see them."""

from typing import Literal, NamedTuple

from playhead.events.event import Json
from playhead.events.kinds.plans import PlanStep
from playhead.projections.state.run_state import RunState


class OpenApproval(NamedTuple):
    """One call, or one plan, that starts only if a person agrees; or what a tool asks a person."""

    run: str
    call: int
    """The seq of its ToolRequested."""
    tool: str
    arguments: dict[str, Json]
    effect: str
    binding: str
    """The hash that a decision must carry, of exactly this request."""
    goal: str
    expires_at: int | None
    """Microseconds since the epoch."""
    about: Literal["call", "plan", "input"] = "call"
    plan: tuple[PlanStep, ...] = ()
    """The steps of a plan under review; `call` is the seq of the record that contains it."""
    rule_error: str | None = None
    """The error of the tool's approval rule: its answer is unknown."""
    questions: dict[str, Json] | None = None
    """What the tool asks, by key: `message`, and the `requestedSchema` of the answer or a `url`."""


def open_approvals(state: RunState) -> list[OpenApproval]:
    """The run's open requests, oldest first; none once it is stopping."""
    if not state.may_start:
        return []
    return _open_review(state) + [
        OpenApproval(
            state.run, call.seq, call.requested.tool, call.arguments,
            "once" if call.spec is None else call.spec.effect,
            call.waits.binding, state.run_started.goal, call.waits.expires_at,
            "input" if call.waits.about == "input" else "call",
            rule_error=call.waits.rule_error, questions=call.waits.questions,
        )
        for call in state.calls.values()
        if call.waits is not None
    ]  # fmt: skip


def _open_review(state: RunState) -> list[OpenApproval]:
    plan = state.plan
    if plan is None or plan.waits is None or plan.lapsed:
        return []
    waits, goal = plan.waits, state.run_started.goal
    return [
        OpenApproval(
            state.run, waits.call, "plan", {}, "read", waits.binding, goal, waits.expires_at,
            "plan", plan.steps,
        )
    ]  # fmt: skip
