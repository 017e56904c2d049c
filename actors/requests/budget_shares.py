"""Budget shares: how much of a run's remaining limits a step of a plan or a child may use. Pure.

A step's share keeps it from using up what other steps need; the run's own limits apply as well. A
child's share is reserved for it, so that parent and children together never exceed a limit.
"""

from collections.abc import Mapping

from playhead.events.kinds.model_calls import ModelCall
from playhead.events.kinds.steps import StepFailed
from playhead.events.spec.agent import Limits
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Step

LEAST = 3
"""Rounds that a step may always use, if the run has them: to call a tool and to answer."""

COUNTED = ("max_steps", "max_model_calls", "max_tool_calls", "max_tokens")


def step_share(state: RunState) -> Limits:
    """An equal share for each model step of the plan that has not started."""
    assert state.plan is not None
    parts, left = max(1, state.plan.awaiting_budget), _left(state)
    rounds = int(left["max_steps"] or 0)

    def part(name: str) -> int | None:
        rest = left[name]
        return None if rest is None else max(1, int(rest) // parts)

    return Limits(
        max_steps=max(1, rounds // parts, min(LEAST, rounds)),
        max_model_calls=part("max_model_calls"),
        max_tool_calls=part("max_tool_calls"),
        max_tokens=part("max_tokens"),
    )


def child_share(state: RunState, own: Limits, parts: int) -> Limits | str:
    """A child's share, at most its agent's own limits; or the limit that leaves nothing for it.

    `parts`: the number of shares needed now, including the run's own.
    """
    left = _left(state)
    shares: dict[str, float | None] = {}
    for name in (*COUNTED, "max_cost"):
        rest, wanted = left[name], getattr(own, name)
        if rest is not None:
            rest = rest / parts if name == "max_cost" else int(rest) // parts
            if rest <= 0 and name != "max_tool_calls":
                return name
            rest = max(rest, 0)
        shares[name] = min((x for x in (rest, wanted) if x is not None), default=None)
    return own.model_copy(update={**shares, "max_seconds": _seconds(state, own)})


def _seconds(state: RunState, own: Limits) -> float | None:
    """Wall-clock time is not divided: the remaining time is available to all."""
    if state.limits.max_seconds is None:
        return own.max_seconds
    used = (state.at - state.first_at - state.waited) / 1_000_000
    left = max(0.0, state.limits.max_seconds - used)
    return left if own.max_seconds is None else min(left, own.max_seconds)


def _left(state: RunState) -> Mapping[str, float | None]:
    """What is neither used nor reserved for open calls, children or running steps."""
    limits, spent = state.limits, state.spent
    used: Mapping[str, float] = {
        "max_steps": spent.steps_at_most,
        "max_model_calls": spent.model_calls_at_most,
        "max_tool_calls": spent.tool_calls_at_most,
        "max_tokens": spent.tokens_at_most,
        "max_cost": spent.cost_at_most / PICODOLLARS,
    }
    left: dict[str, float | None] = {}
    for name, count in used.items():
        maximum = getattr(limits, name)
        kept = sum(_unused(step, name) for step in _under_way(state))
        left[name] = None if maximum is None else max(0, maximum - count - kept)
    return left


def _under_way(state: RunState) -> list[Step]:
    plan = state.plan
    return [] if plan is None else [state.steps[name] for name in plan.running]


def _unused(step: Step, limit: str) -> float:
    """What a running step may still use of its share."""
    share = None if step.limits is None else getattr(step.limits, limit)
    return 0 if share is None else max(0, share - _used(step)[limit])


def _used(step: Step) -> Mapping[str, int]:
    return {
        "max_steps": step.round,
        "max_model_calls": step.model_calls,
        "max_tool_calls": step.tool_calls,
        "max_tokens": step.tokens,
        "max_cost": 0,
    }


def over_share(step: Step, asked: ModelCall) -> StepFailed | None:
    """Why a step of a plan may not ask again, although its run could."""
    if step.limits is None:
        return None
    wanted = (
        ("max_steps", asked.round),
        ("max_model_calls", step.model_calls + 1),
        ("max_tokens", step.tokens + asked.reserved_tokens),
    )
    for name, total in wanted:
        maximum = getattr(step.limits, name)
        if maximum is not None and total > maximum:
            message = f"its share of {name} was {maximum}, and it would have needed {total}"
            return StepFailed(step=step.id, reason="share", message=message)
    return None
