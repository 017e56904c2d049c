"""Advances a plan: starts the steps that can start, retries failed ones or plans around them.

`advance` derives the next events from the plan's current state and is idempotent. A step starts in
the turn in which its last dependency ends, within the rules' concurrency. Once a step has failed
for good, no new steps start: running ones are awaited, because their results are kept, and then the
rest is planned again.
"""

from collections.abc import Sequence

from playhead.actors.planning.validate import binding_of, wants_review
from playhead.actors.requests.budget_shares import step_share
from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.kinds.plans import PlanProposed, PlanRevised, PlanStep
from playhead.events.kinds.runs import RunFailed, RunFinished
from playhead.events.kinds.steps import StepFailed, StepFinished, StepStarted
from playhead.projections.plan.plan import OWN, PLANNING, Plan
from playhead.projections.plan.references import Unresolved, as_text
from playhead.projections.state.run_state import RunState

FINAL = frozenset({"unknown", "denied", "invalid_arguments", "unknown_tool", "unresolved", "share"})
"""Failures that a retry would meet again, or that a person must look at."""


def advance(state: RunState, plan: Plan) -> Sequence[Event]:
    """The next events of the plan in its current state."""
    if plan.planning:
        return []
    if not plan.reviewed and not plan.begun:
        reviewing = _review(state, plan)
        if reviewing is not None:
            return reviewing
    broken = [failed for failed in plan.failed.values() if not _may_retry(state, plan, failed)]
    if broken:
        return [] if plan.running else [_around(state, plan, broken)]
    free = state.agent.plan.concurrency - len(plan.running)
    wanted = [*plan.failed, *plan.ready][: max(0, free)]
    if wanted:
        return [_start(state, plan, name) for name in wanted]
    return [_finish(state, plan)] if plan.left == 0 else []


def ask_for_plan(state: RunState) -> StepStarted:
    """The step in which the model is asked for a plan."""
    askings = 0 if state.plan is None else state.plan.askings
    return StepStarted(
        step=PLANNING, task=state.run_started.goal, task_type="complex_planning", purpose="plan",
        attempt=askings + 1,
    )  # fmt: skip


def planned(plan: Plan, finished: StepFinished) -> Event:
    """The plan that the planning step produced."""
    output = finished.output
    assert isinstance(output, dict)
    given = output["steps"]
    assert isinstance(given, list)
    steps = tuple(PlanStep.model_validate(step) for step in given)
    if not plan.kept and not plan.failed:
        return PlanProposed(steps=steps)
    why = [f"{failed.step} failed: {failed.message}" for failed in plan.failed.values()]
    if plan.denied is not None:
        why.append(f"denied: {plan.denied}")
    return PlanRevised(steps=steps, kept=plan.staying(steps), reason="; ".join(why))


def _review(state: RunState, plan: Plan) -> Sequence[Event] | None:
    """What the review of the plan requires next; None if there is nothing to wait for."""
    rules = state.agent.plan
    if plan.lapsed and plan.waits is not None:
        return [RunFailed(reason="denied", message="nobody approved the plan in time")]
    if plan.waits is not None:
        return []
    if plan.denied is not None:
        if plan.denials >= rules.proposals:
            message = f"{plan.denials} plans were denied, the last one: {plan.denied}"
            return [RunFailed(reason="denied", message=message)]
        return [ask_for_plan(state)]
    if not wants_review(rules, plan.steps):
        return None
    expires = rules.review_expires
    return [
        ApprovalRequested(
            about="plan", call=plan.seq, binding=binding_of(plan.steps),
            expires_at=None if expires is None else state.at + int(expires * 1_000_000),
        )
    ]  # fmt: skip


def _may_retry(state: RunState, plan: Plan, failed: StepFailed) -> bool:
    """Whether the same step may be retried: only if it did nothing but read."""
    node = plan.nodes[failed.step]
    tries = state.agent.plan.step_retries + 1
    return not node.had_side_effects and failed.reason not in FINAL and node.attempt < tries


def _around(state: RunState, plan: Plan, broken: Sequence[StepFailed]) -> Event:
    rules = state.agent.plan
    if rules.on_failure == "replan" and plan.revisions < rules.replans:
        return ask_for_plan(state)
    first = broken[0]
    return RunFailed(reason=first.reason, message=f"step {first.step}: {first.message}")


def _start(state: RunState, plan: Plan, name: str) -> StepStarted:
    node = plan.nodes[name]
    own = node.step.tool in OWN
    return StepStarted(
        step=name,
        task=plan.task(name),
        purpose=node.step.tool if own else "tool",  # type: ignore[arg-type]
        attempt=node.attempt + 1,
        limits=step_share(state) if own else None,
        problem=node.problem or _unresolved(plan, name),
    )


def _unresolved(plan: Plan, name: str) -> str | None:
    try:
        plan.arguments(name)
    except Unresolved as error:
        return str(error)
    return None


def _finish(state: RunState, plan: Plan) -> Event:
    final = plan.final
    assert final is not None
    output = final.result if state.agent.output_schema is not None else None
    return RunFinished(answer=final.answer or as_text(final.result), output=output)
