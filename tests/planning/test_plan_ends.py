"""When a plan's answer may be written, what a new plan may be called, what is checked when."""

from typing import Any

import pytest

from playhead import Agent, UsageError, tool
from playhead.actors.planning.validate import read_plan
from playhead.actors.replay import replay
from playhead.events.kinds.plans import PlanProposed, PlanRevised
from playhead.events.kinds.runs import RunFailed, RunFinished
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepFinished, StepStarted
from playhead.events.kinds.tool_calls import ToolRequested, ToolStarted
from playhead.events.spec.agent import AgentSpec, ModelSettings, ToolSpec
from playhead.projections.plan.plan import Plan
from playhead.tools.groups import group
from tests.support.planning import agent_of, requests_of, step, text_of, work
from tests.support.virtual import RUN, Play, of_kind


@tool
async def send(name: str) -> str:
    """Send a mail.

    Args:
        name: to whom.
    """
    if name.startswith("bad"):
        raise RuntimeError("the post office is closed")
    return f"sent to {name}"


def answer(id: str = "end", **more: Any) -> dict[str, Any]:  # noqa: A002
    return step(id, tool="synthesize", **more)


def test_the_answer_waits_for_what_it_does_not_refer_to_and_hears_of_it() -> None:
    plan = [step("price"), step("mail", arguments={"seconds": 30.0}),
            answer(arguments={"p": "${price}"})]  # fmt: skip
    agent = agent_of(plan)
    play = Play(agent).start()
    ended = [e.step for e in of_kind(play.records, StepFinished)]
    assert ended == ["plan", "price", "mail", "end"]
    (proposed,) = of_kind(play.records, PlanProposed)
    assert proposed.steps[-1].depends_on == ("price", "mail")
    assert '<input name=\\"mail\\">' in text_of(requests_of(agent)[-1].body)
    assert replay(play.log, RUN).matches


def test_no_answer_is_written_when_a_step_that_nothing_waits_for_fails() -> None:
    plan = [step("price"), step("mail", tool="send", arguments={"name": "bad"}),
            answer(arguments={"p": "${price}"})]  # fmt: skip
    plan[1]["arguments"] = {"name": "bad"}
    agent = agent_of(plan, tools=(work, send), rules={"on_failure": "fail"})
    play = Play(agent).start()
    assert play.records[-1].event.kind == "run_failed"
    assert "end" not in [s.step for s in of_kind(play.records, StepStarted)]
    assert "step mail" in of_kind(play.records, RunFailed)[0].message


def test_the_synthesis_that_nothing_waits_for_is_the_answer_wherever_it_stands() -> None:
    def otherwise(body: Any) -> str:
        return "the draft" if "do draft" in text_of(body)[-40:] else "the answer"

    plan = [answer(depends_on=["use"]), answer("draft"), step("use", depends_on=["draft"])]
    play = Play(agent_of(plan, otherwise=otherwise)).start()
    (proposed,) = of_kind(play.records, PlanProposed)
    assert [s.id for s in proposed.steps] == ["draft", "use", "end"]
    assert of_kind(play.records, RunFinished)[0].answer == "the answer"


def test_a_new_plan_may_use_the_ids_of_what_was_dropped() -> None:
    first = [step("good"), step("bad", tool="send"), step("later", depends_on=["bad"]), answer()]
    first[1]["arguments"] = {"name": "bad"}
    second = [step("bad", arguments={"given": "${good.name}"}), step("later", depends_on=["bad"]),
              answer(depends_on=["later"])]  # fmt: skip
    play = Play(agent_of(first, second, tools=(work, send))).start()
    assert not of_kind(play.records, OutputRejected)
    assert of_kind(play.records, PlanRevised)[0].kept == ("good",)
    assert play.records[-1].event.kind == "run_finished"
    calls = of_kind(play.records, ToolRequested)
    assert [(c.step, c.tool) for c in calls] == [
        ("good", "work"), ("bad", "send"), ("bad", "work"), ("later", "work"),
    ]  # fmt: skip
    assert replay(play.log, RUN).matches


@tool(effect="read")
async def look(name: str) -> str:
    """Look one up.

    Args:
        name: which.
    """
    if name.startswith("bad"):
        raise LookupError(name)
    return f"saw {name}"


@pytest.mark.parametrize(("what", "refused"), [("look", False), ("send", True)])
def test_the_id_of_a_dropped_fan_out_is_free_unless_an_element_of_it_has_acted(
    what: str, refused: bool
) -> None:
    names = step("names", arguments={"given": ["good", "bad"]})
    each = {"id": "each", "tool": what, "for_each": "${names.given}",
            "arguments": {"name": "${item}"}}  # fmt: skip
    again = {**each, "tool": "look", "arguments": {"name": "now ${item}"}}
    other = {**again, "id": "other"}
    agent = agent_of([names, each], [again], [other], tools=(work, look, send),
                     rules={"step_retries": 0})  # fmt: skip
    play = Play(agent).start()
    (revised,) = of_kind(play.records, PlanRevised)
    told = of_kind(play.records, OutputRejected)
    assert play.records[-1].event.kind == "run_finished"
    assert [s.id for s in revised.steps] == ["other" if refused else "each", "answer"]
    assert revised.kept == (("names", "each[0]") if refused else ("names",))
    assert ["had side effects" in t.error for t in told] == [True] * refused
    assert len(of_kind(play.records, ToolStarted)) == 5
    assert replay(play.log, RUN).matches


NUMBER: Any = {"type": "integer"}
BY: Any = {
    "oneOf": {"oneOf": [{"properties": {"a": NUMBER}}, {"required": ["other"]}]},
    "anyOf": {"anyOf": [{"properties": {"a": NUMBER}}, {"required": ["other"]}]},
    "allOf": {"allOf": [{"properties": {"a": NUMBER}}]},
    "$ref": {"$defs": {"in": {"properties": {"a": NUMBER}}}, "$ref": "#/$defs/in"},
    "additionalProperties": {"additionalProperties": NUMBER},
    "patternProperties": {"patternProperties": {"^a": NUMBER}},
    "unevaluatedProperties": {"unevaluatedProperties": NUMBER},
    "if": {"if": {"properties": {"a": NUMBER}}, "else": {"required": ["other"]}},
    "not": {"not": {"properties": {"a": {"type": "string"}}}},
    "const": {"properties": {"a": {"const": 7}}},
    "dependentSchemas": {"dependentSchemas": {"a": {"properties": {"a": NUMBER}}}},
    "nested": {"properties": {"a": {"anyOf": [NUMBER, {"type": "null"}]}}},
}


def agent_with(schema: dict[str, Any]) -> AgentSpec:
    """An agent whose one tool has this schema."""
    spec = ToolSpec(name="calculate", description="", input_schema={"type": "object", **schema})
    return AgentSpec(name="a", instructions="", model=ModelSettings(model="m"), tools=(spec,))


def told(arguments: dict[str, Any], schema: dict[str, Any]) -> str | None:
    """What a plan whose second step has these arguments is told."""
    steps = [
        {"id": "x", "tool": "reason"},
        {"id": "y", "tool": "calculate", "arguments": arguments},
    ]
    return read_plan(steps, agent_with(schema), Plan(20))[1]


@pytest.mark.parametrize("keyword", BY)
def test_a_reference_is_held_against_no_keyword_before_it_is_resolved(keyword: str) -> None:
    assert told({"a": "${x}"}, BY[keyword]) is None
    assert told({"a": "no number"}, BY[keyword]) is not None
    assert told({"a": 7}, BY[keyword]) is None


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"required": ["a", "b"]}, {"a": "${x}"}),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"b": "${x}"}),
        ({"properties": {"b": NUMBER}}, {"a": "${x}", "b": "two"}),
        ({"allOf": [{"properties": {"b": NUMBER}}]}, {"a": "${x}", "b": "two"}),
        ({"properties": {"a": {"type": "string"}}}, {"a": ["${x}"]}),
        ({"propertyNames": {"maxLength": 2}}, {"long": "${x}"}),
    ],
)
def test_what_no_value_of_a_reference_could_mend_is_refused_before_the_plan_runs(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert "cannot run" in str(told(arguments, schema))


def test_a_resolved_reference_that_does_not_fit_fails_its_step_and_calls_nothing() -> None:
    plan = [step("a"), {"id": "b", "tool": "look", "arguments": {"name": "${a.items}"}}]
    agent = agent_of(plan, tools=(work, look), rules={"on_failure": "fail"})
    play = Play(agent).start()
    (failed,) = of_kind(play.records, StepFailed)
    assert (failed.step, failed.reason) == ("b", "invalid_arguments")
    assert len(of_kind(play.records, ToolStarted)) == 1


@pytest.mark.parametrize("name", ["reason", "synthesize"])
def test_a_tool_or_an_agent_that_a_plan_could_not_tell_from_its_own_steps_is_refused(
    name: str,
) -> None:
    named = tool(look.function, name=name, effect="read")
    for given in (named, Agent(name=name), group("helpers", named)):
        with pytest.raises(UsageError, match=f"'{name}': give its tool another name"):
            Agent(name="boss", tools=[given])
