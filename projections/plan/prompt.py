"""What the model is told when it is asked for a plan, and when it works on a step of one.

Part of the context format: a released format is frozen.
"""

from collections.abc import Iterator

from pydantic_core import to_json

from playhead.events.event import Block, Json
from playhead.events.kinds.steps import StepPurpose, StepStarted
from playhead.events.spec.agent import AgentSpec, ToolSpec
from playhead.projections.plan.plan import Plan, PlanNode
from playhead.projections.plan.references import as_text

RESULT_CHARS = 2000
"""A longer result is cut where the planner reads it; steps get it whole."""

PLANNER = """\
You split a goal into the steps of a plan. You do not reach the goal yourself: the steps are run by
a program, each as soon as the steps that it depends on are done, and at the same time where they do
not depend on each other. Answer with JSON only: {"steps": [...]}. Each step has
- id: a short name of letters, digits, _ and -.
- description: what the step is to reach, in one sentence.
- tool: the name of a tool below; or reason (you work on the description yourself, with the tools);
  or synthesize (you write the answer from what the steps gave; the last step).
- arguments: a JSON object. For a tool, its arguments by its schema. For reason and synthesize, what
  to work with, by any names.
- depends_on: ids of steps that must be done first. A reference makes its step one of them.
- for_each: a reference to a list, or nothing: the step is done once for each element, at most
  <items> of them, and ${item} is the element. The result of such a step is the list of its results.
A reference is ${id}, or ${id.name[0].name} for a part of the result. A string that is nothing but a
reference stands for that value itself. Refer only to results whose shape is known: that of a reason
step is text, unless its description asks for a JSON list or object and nothing else.
Use at most <steps> steps. Do not make steps depend on each other without need. Work that is the
same for each of several things is one step with for_each, or a step for each thing."""

STEP = "You work on one step of a plan. Answer with the result of the step and nothing else."

SYNTHESIS = "The steps of a plan are done. Answer the goal from what they gave, and nothing else."

AS_LIST = "Answer with a JSON list and nothing else: the next step is done once for each element."

AS_JSON = "Answer with JSON and nothing else: later steps read {wanted} of it."

STRING: dict[str, Json] = {"type": "string"}


def agent_of(agent: AgentSpec, purpose: StepPurpose, *, final: bool) -> AgentSpec:
    """The agent as it works on a step of this purpose: its words, its tools, its form of answer."""
    match purpose:
        case "plan":
            rules = agent.plan
            words = PLANNER.replace("<items>", str(rules.for_each_items))
            words = words.replace("<steps>", str(rules.max_steps))
            return _as(agent, words, output_schema=plan_schema(agent))
        case "direct":
            return agent.model_copy(update={"tools": ()})
        case "synthesize":
            return _as(agent, SYNTHESIS, output_schema=agent.output_schema if final else None)
        case "reason":
            return _as(agent, STEP, tools=agent.tools, output_schema=None)
        case _:
            return agent


def _as(
    agent: AgentSpec,
    words: str,
    *,
    tools: tuple[ToolSpec, ...] = (),
    output_schema: dict[str, Json] | None,
) -> AgentSpec:
    instructions = f"{agent.instructions}\n\n{words}" if agent.instructions else words
    change = {
        "instructions": instructions, "tools": tools, "output_schema": output_schema,
        "output_rule": agent.output_rule and output_schema is agent.output_schema,
    }  # fmt: skip
    return agent.model_copy(update=change)


def plan_schema(agent: AgentSpec) -> dict[str, Json]:
    """The plan as structured output: closed and without optional parts, as the API wants it.

    Arguments are JSON within a string, for the API takes no object of unknown fields.
    """
    names: list[Json] = [*(tool.name for tool in agent.tools), "reason", "synthesize"]
    fields: dict[str, Json] = {
        "id": STRING,
        "description": STRING,
        "tool": {"type": "string", "enum": names},
        "arguments": {"type": "string", "description": "A JSON object."},
        "depends_on": {"type": "array", "items": STRING},
        "for_each": {"type": "string", "description": "A reference to a list; empty for none."},
    }
    step: Json = {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": step}},
        "required": ["steps"],
        "additionalProperties": False,
    }


def first_words(goal: str, agent: AgentSpec, started: StepStarted, plan: Plan) -> Iterator[Block]:
    """What a step is told before its task."""
    match started.purpose:
        case "plan":
            told = list(_situation(agent, plan))
        case "reason" | "synthesize":
            told = [f"The goal of the whole plan: {goal}", _outline(plan)]
            if started.problem is None:
                told += [_input(name, value) for name, value in plan.inputs(started.step).items()]
            wanted = plan.wanted_as(started.step)
            if wanted is not None:
                told.append(AS_LIST if not wanted.path else AS_JSON.format(wanted=wanted.text))
        case _:
            told = []
    return ({"type": "text", "text": text} for text in told)


def _outline(plan: Plan) -> str:
    """The open plan: the same for all its steps, so that their requests begin alike."""
    return "The plan:\n" + "\n".join(f"- {step.id}: {step.description}" for step in plan.steps)


def _situation(agent: AgentSpec, plan: Plan) -> Iterator[str]:
    yield _tools(agent)
    last = f"Your last plan was:\n{_steps(plan)}\n"
    if plan.denied is not None:
        yield f"{last}A person denied it: {plan.denied}"
    if plan.failed:
        failures = [f"- {e.step}: {e.reason}: {e.message}" for e in plan.failed.values()]
        yield f"{last}It failed at:\n" + "\n".join(failures)
    done = [_done(plan.nodes[name]) for name in plan.kept]
    if done:
        words = "These steps are done. Refer to their results; do not do them again:\n"
        yield words + "\n".join(done) + "\nPlan the rest, around what failed."


def _input(name: str, value: Json) -> str:
    return f'<input name="{name}">\n{as_text(value)}\n</input>'


def _tools(agent: AgentSpec) -> str:
    if not agent.tools:
        return "There are no tools: every step is reason or synthesize."
    lines = [
        f"- {tool.name}: {tool.description}\n  arguments: {to_json(tool.input_schema).decode()}"
        for tool in agent.tools
    ]
    return "Tools:\n" + "\n".join(lines)


def _steps(plan: Plan) -> str:
    return to_json({"steps": plan.steps}, exclude_none=True).decode()


def _done(node: PlanNode) -> str:
    result = as_text(node.result)
    if len(result) > RESULT_CHARS:
        result = f"{result[:RESULT_CHARS]} [... {len(result) - RESULT_CHARS} more characters]"
    return f"- {node.id} ({node.step.description}): {result}"
