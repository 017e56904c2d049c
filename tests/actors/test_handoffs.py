"""Handoffs: another agent takes the conversation over, is told what was said, and answers."""

from typing import Any

import pytest
from pydantic import BaseModel

from playhead import Agent, EndUpdate, Guardrail, Instead, Limits, Runtime, UsageError
from playhead.actors.replay import replay
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.runs import MessageReceived, RunFinished, RunStarted
from playhead.events.log.memory import MemoryLog
from playhead.projections.history.timeline import timeline
from playhead.testing import ScriptedModel, call
from tests.support.agents import add
from tests.support.virtual import RUN, Play, of_kind, records

OVER = call("handoff_to_billing", message="She wants 20 euros back.")


def results(body: dict[str, Any]) -> list[str]:
    """The results in the last message."""
    blocks = body["messages"][-1]["content"]
    return [str(block["content"]) for block in blocks if block["type"] == "tool_result"]


def billing(**more: Any) -> Agent[Any]:
    """Adds once, then answers; its model can be asked again after a crash."""

    def reply(body: dict[str, Any]) -> Any:
        found = results(body)
        return f"Paid {found[0]}." if found else call("add", a=15, b=5)

    more = {"model": ScriptedModel(reply), "tools": [add], **more}
    return Agent(name="billing", description="Pays and refunds.", **more)


def desk(to: Agent[Any], reply: Any = None, **more: Any) -> Agent[Any]:
    def hands_over(body: dict[str, Any]) -> Any:
        found = results(body)
        return f"They said: {found[0]}" if found else ["I look. ", OVER]

    return Agent(name="desk", model=ScriptedModel(reply or hands_over), handoffs=[to], **more)


def texts(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (message["role"], block["text"])
        for message in body["messages"]
        for block in message["content"]
        if block["type"] == "text"
    ]


def _plain(history: Any) -> list[Any]:
    return list(history)


def test_the_next_agent_is_told_what_was_said_and_a_message_and_its_answer_is_the_runs() -> None:
    to = billing()
    play = Play(desk(to)).start("I want my money back.")
    assert play.records[-1].event == RunFinished(answer="Paid 20.", agent="billing")
    (started,) = of_kind(play.records, ChildStarted)
    first = records(play.log, started.run)[0].event
    assert isinstance(first, RunStarted)
    assert first.goal == "She wants 20 euros back."
    said = [(m["role"], [b["text"] for b in m["content"]]) for m in _plain(first.history)]
    assert said == [
        ("user", ["I want my money back."]),
        ("assistant", ["I look. ", "I hand over to billing."]),
    ]
    asked = texts(to.model.requests[0].body)  # type: ignore[union-attr]
    assert [role for role, _ in asked[:4]] == ["user", "assistant", "assistant", "user"]
    assert replay(play.log, RUN).matches
    assert replay(play.log, started.run).matches


def test_show_says_who_was_told_what_and_who_answered() -> None:
    play = Play(desk(billing())).start()
    shown = [(entry.heading, entry.text) for entry in timeline(play.records)]
    assert ("Action", 'handoff_to_billing(message="She wants 20 euros back.")') in shown
    assert shown[-1] == ("Answer", "Paid 20.\n(by billing)")


def test_a_handoff_is_taken_up_after_a_crash_at_any_record() -> None:
    whole = Play(desk(billing())).start()
    for kill in range(1, whole.appends + 1):
        play = Play(desk(billing()))
        play.dies_after = kill
        play.start()
        elapsed = play.loop.time()
        play.bury()
        later = Play(play.agent, play.log, elapsed).take_up()
        child = str(of_kind(later.records, ChildStarted)[0].run)
        for run in (RUN, child):
            assert replay(play.log, run).matches, kill
        assert later.records[-1].event == RunFinished(answer="Paid 20.", agent="billing"), kill
        assert len(of_kind(later.records, ChildStarted)) == 1, kill
        (started,) = of_kind(records(play.log, child), RunStarted)
        assert (started.goal, len(started.history)) == ("She wants 20 euros back.", 2), kill


def test_a_failed_handoff_is_told_to_the_first_agent_which_goes_on() -> None:
    to = billing(model=ScriptedModel([]))
    play = Play(desk(to)).start()
    (ended,) = of_kind(play.records, RunFinished)
    assert ended.agent is None
    assert ended.answer.startswith("They said: The agent's run has failed")


def test_a_message_that_came_meanwhile_is_answered_by_the_first_agent() -> None:
    def reply(body: dict[str, Any]) -> Any:
        if len(body["messages"]) == 1:
            return OVER
        return "Both: " + str(body["messages"][-1]["content"][-1])

    slow = billing(model=ScriptedModel(lambda _: "Paid.", latency=5.0))
    play = Play(desk(slow, reply)).at(1.0, MessageReceived(text="And my name?")).start()
    (ended,) = of_kind(play.records, RunFinished)
    assert ended.agent is None
    assert ended.answer.startswith("Both: ")


def test_what_the_next_agent_answers_is_judged_as_a_result_by_the_firsts_guardrails() -> None:
    rule = Guardrail(name="g", on="result", words=["Paid"], verdict="replace", text="Done.")
    play = Play(desk(billing(), guardrails=[rule])).start()
    assert play.records[-1].event == RunFinished(answer="Done.", agent="billing")
    assert replay(play.log, RUN).matches


class Receipt(BaseModel):
    euros: int


def test_a_typed_answer_of_the_next_agent_is_checked_and_given_as_the_runs_output() -> None:
    to = billing(model=ScriptedModel(lambda _: '{"euros": 20}'), output=Receipt, tools=[])
    with Runtime(MemoryLog()) as runtime:
        result = runtime.run(desk(to, output=Receipt), "Go.")
        assert (result.output, result.agent) == (Receipt(euros=20), "billing")
        assert runtime.replay(result.run_id).matches


def test_a_handoff_to_an_agent_of_another_output_is_refused_at_definition() -> None:
    with pytest.raises(UsageError, match="whose output= differs"):
        desk(billing(), output=Receipt)
    with pytest.raises(UsageError, match="must be agents"):
        Agent(name="desk", handoffs=[add])  # type: ignore[list-item]


def test_the_agent_that_took_over_may_hand_over_in_its_turn() -> None:
    bank = Agent(name="bank", model=ScriptedModel(lambda _: "Transferred."))
    middle = billing(
        tools=[],
        handoffs=[bank],
        model=ScriptedModel(lambda _: call("handoff_to_bank", message="m")),
    )
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(desk(middle), "Go.")
        result = run.wait(20)
        assert (result.answer, result.agent) == ("Transferred.", "bank")
        end = list(run.updates())[-1]
        assert isinstance(end, EndUpdate)
        assert end.agent == "bank"


def test_the_sessions_next_run_may_be_one_of_the_agent_that_took_over() -> None:
    heard: list[Any] = []

    def reply(body: dict[str, Any]) -> Any:
        heard.append(body)
        return "Paid." if len(heard) == 1 else "It was 20."

    to = billing(model=ScriptedModel(reply), tools=[])
    agents = {each.name: each for each in (desk(to), to)}
    with Runtime(MemoryLog()) as runtime:
        first = runtime.run(agents["desk"], "My money!", session="s")
        second = runtime.run(agents[first.agent or "desk"], "How much was it?", session="s")
        assert second.answer == "It was 20."
        assert runtime.replay(second.run_id).matches
    assert "My money!" in str(heard[1]["messages"])
    assert "Paid." in str(heard[1]["messages"])


def test_a_fork_hands_over_again_or_has_the_recorded_answer() -> None:
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(desk(billing()), "Go.")
        assert run.wait(20).answer == "Paid 20."
        records_ = list(run.events())
        for record in records_[:-1]:
            fork = runtime.fork(run.id, record.seq, Instead(limits=Limits(max_steps=7)))
            ended = fork.wait(20)
            assert (ended.answer, ended.agent) == ("Paid 20.", "billing"), record
            assert runtime.replay(fork.id).matches


def test_one_run_may_have_fewer_handoffs() -> None:
    def tells(body: dict[str, Any]) -> str:
        return str([tool["name"] for tool in body.get("tools", [])])

    agent = desk(billing(), tells)
    with Runtime(MemoryLog()) as runtime:
        assert "handoff_to_billing" in runtime.run(agent, "Go.").answer
        assert runtime.run(agent, "Go.", tools=[]).answer == "[]"
        assert "handoff" not in runtime.run(agent, "Go.", tools=[add]).answer
        both = runtime.run(agent, "Go.", tools=["handoff_to_billing", add]).answer
        assert both == "['add', 'handoff_to_billing']"
