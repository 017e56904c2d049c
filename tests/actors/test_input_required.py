"""A call whose tool asks a person: the question waits as state, whatever happens meanwhile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Runtime, ToolContext, UsageError, tool
from playhead.actors.engine.turn import Trigger
from playhead.actors.replay import replay
from playhead.events.event import Json
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested
from playhead.events.kinds.runs import RunFinished
from playhead.events.kinds.tool_calls import ToolInputRequired, ToolStarted
from playhead.projections.state.calls.approvals import open_approvals
from playhead.testing import ScriptedModel, call
from playhead.tools.context import InputRequired
from tests.support.virtual import RUN, Play, of_kind

NAME: dict[str, Json] = {
    "message": "Who is there?",
    "requestedSchema": {
        "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"],
    },
}  # fmt: skip

done: list[str] = []


def said_of(responses: Mapping[str, Any], key: str) -> str:
    given = responses[key]
    return str(given["content"]["name"] if given["action"] == "accept" else given["action"])


@tool(effect="once", timeout=900)
async def introduce(context: ToolContext) -> str:
    """Introduce two people, who are asked for one after the other."""
    if context.input is None:
        raise InputRequired({"first": NAME}, "")
    if "first" in context.input.responses:
        raise InputRequired({"second": NAME}, said_of(context.input.responses, "first"))
    done.append(f"{context.input.state} and {said_of(context.input.responses, 'second')}")
    return done[-1]


def reply(body: dict[str, Any]) -> Any:
    if len(body["messages"]) == 1:
        return call("introduce")
    return str(body["messages"][-1]["content"][0]["content"])


def asking() -> Play:
    done.clear()
    return Play(Agent(name="host", model=ScriptedModel(reply), tools=[introduce]))


def answered(play: Play, *names: str) -> Play:
    """A person answers each question that is open, one every five seconds."""

    def answer() -> None:
        for waiting in open_approvals(play.engine.state(RUN)):
            asked = str(waiting.questions)
            decided = ApprovalDecided(
                call=waiting.call, binding=waiting.binding, approved=True,
                arguments={"name": names["second" in asked]},
            )  # fmt: skip
            play.engine.arrive(RUN, Trigger(decided, "user", "outside"))

    for seconds in (5.0, 10.0):
        play.loop.call_later(seconds, answer)
    return play


def test_a_question_killed_after_any_record_and_resumed_is_answered_and_acted_on_once() -> None:
    whole = answered(asking(), "Ada", "Bob").start()
    assert whole.records[-1].event == RunFinished(answer="Ada and Bob")
    for kill in range(1, whole.appends):
        play = asking()
        play.dies_after = kill
        answered(play, "Ada", "Bob").start()
        play.bury()
        later = answered(Play(play.agent, play.log, 20.0), "Ada", "Bob").take_up()
        assert later.records[-1].event.kind == "run_finished", kill
        assert replay(later.log, RUN).matches
        doubt = [r for r in later.records if r.event.kind == "tool_outcome_unknown"]
        assert len(done) == 0 if doubt else done == ["Ada and Bob"], kill
        asked = of_kind(later.records, ApprovalRequested)
        assert len({each.binding for each in asked}) == len(asked), "nothing is asked twice"


def test_a_once_call_is_begun_again_only_with_the_answer_to_its_question() -> None:
    play = answered(asking(), "Ada", "Bob").start()
    started = of_kind(play.records, ToolStarted)
    assert [each.attempt for each in started] == [1, 2, 3]
    assert len(of_kind(play.records, ToolInputRequired)) == 2
    assert done == ["Ada and Bob"]


@pytest.mark.parametrize(
    ("message", "state", "kind"),
    [
        ("Who \ud800?", None, "tool_input_required"),
        ("x" * 30_000_000, None, "tool_failed"),
        ("Who?", "\ud800", "tool_failed"),
    ],
    ids=["surrogate", "too long", "state"],
)
def test_a_question_that_cannot_be_recorded_fails_its_call_and_no_run(
    message: str, state: str | None, kind: str
) -> None:
    @tool(effect="read")
    async def introduce() -> str:
        """Ask."""
        raise InputRequired({"q": {"message": message}}, state)

    play = Play(Agent(name="host", model=ScriptedModel(reply), tools=[introduce])).start()
    assert kind in [r.event.kind for r in play.records]


def test_an_edited_argument_that_is_not_json_is_refused_in_words(tmp_path: Path) -> None:
    @tool(approval=True)
    def pay(amount: float) -> str:
        """Pay."""
        return f"paid {amount}"

    script: list[Any] = [call("pay", amount=1.0), "ok"]
    agent = Agent(name="payer", model=ScriptedModel(script), tools=[pay])
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.start(agent, "go")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        [waiting] = run.approvals()
        odd: list[Any] = [{"amount": float("nan")}, {"amount": "\ud800"}, {"amount": {1}}, [1]]
        for each in odd:
            with pytest.raises(UsageError, match="arguments= cannot be recorded"):
                run.approve(waiting.call, each)
        run.approve(waiting.call, {"amount": 2.0})
        assert run.wait(20).answer == "ok"


def test_an_answer_to_the_first_question_answers_no_second() -> None:
    play = asking()
    play.start()
    [first] = open_approvals(play.engine.state(RUN))
    decided = ApprovalDecided(
        call=first.call, binding=first.binding, approved=True, arguments={"name": "Ada"}
    )
    play.say(decided)
    [second] = open_approvals(play.engine.state(RUN))
    assert second.binding != first.binding
    with pytest.raises(UsageError, match="is not what was approved"):
        play.say(decided)
    assert not done
