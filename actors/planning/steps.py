"""The executor's part in a plan: calls that the plan itself makes, and answers that it needs."""

from playhead.actors.planning.validate import parse_plan
from playhead.events.event import Event, Json
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepFinished
from playhead.events.kinds.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.spec.agent import AgentSpec
from playhead.projections.plan.plan import Plan
from playhead.projections.plan.references import Reference, Unresolved, follow
from playhead.projections.state.step_state import Step
from playhead.tools.validation.answer import structured

REJECTIONS = 2
"""How many answers in a row may have the wrong form before the step fails."""

MAYBE = "the call was cut off ({reason}): it may or may not have taken effect"


def call_of_plan(plan: Plan, step: Step) -> Event:
    """A plan step's call; once the call has ended, the step's end."""
    match step.outcome:
        case None:
            arguments, tool = plan.arguments(step.id), plan.nodes[step.id].step.tool
            return ToolRequested(step=step.id, tool=tool, arguments=arguments)
        case ToolSucceeded(result=None, content=content) if content:
            return StepFinished(step=step.id, answer="", output=list(content))
        case ToolSucceeded(result=result):
            return StepFinished(step=step.id, answer="", output=result)
        case ChildFinished(status="finished", output=output, answer=answer):
            return StepFinished(
                step=step.id, answer="", output=answer if output is None else output
            )
        case ChildFinished(reason=reason, message=message):
            return _failed(step, reason or "child", message or "the agent did not finish")
        case ToolOutcomeUnknown(reason=reason):
            return _failed(step, "unknown", MAYBE.format(reason=reason))
        case (
            ToolFailed(error=reason, message=message) | ToolRefused(reason=reason, message=message)
        ):
            return _failed(step, reason, message)
        case other:
            return _failed(step, "no_result", other.kind)


def answer_of_plan(plan: Plan, step: Step, agent: AgentSpec, answer: str) -> Event:
    """A proposed plan or a step's result: accepted, or rejected with the reason."""
    if step.purpose == "plan":
        steps, fault = parse_plan(answer, agent, plan)
        if fault is not None:
            return rejected(step, fault, agent.plan.proposals - 1)
        proposed: list[Json] = [each.model_dump(mode="json", exclude_none=True) for each in steps]
        return StepFinished(step=step.id, answer="", output={"steps": proposed})
    wanted, output = plan.wanted_as(step.id), structured(answer)
    if wanted is not None and not isinstance(_at(output, wanted), list):
        return rejected(step, f"Answer with JSON and nothing else: {wanted.text} must be a list.")
    return StepFinished(step=step.id, answer=answer, output=output)


def _at(output: Json, wanted: Reference) -> Json:
    try:
        return follow(output, wanted)
    except Unresolved:
        return None


def rejected(step: Step, error: str, most: int = REJECTIONS) -> Event:
    """Ask again, a limited number of times."""
    if step.rejected < most:
        return OutputRejected(step=step.id, error=error)
    word = "invalid_plan" if step.purpose == "plan" else "invalid_output"
    return _failed(step, word, error)


def _failed(step: Step, reason: str, message: str) -> StepFailed:
    return StepFailed(step=step.id, reason=reason, message=message)
