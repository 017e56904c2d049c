"""What a model may do wrong, by name: each is an event, and none starts what is not whole."""

from typing import Any

import pytest

from playhead import Agent, Limits, Retry, RunNotFinished
from playhead.events.errors import ModelError
from playhead.events.kinds.model_calls import ModelFailed, ModelRequested
from playhead.events.model_api import Reply
from playhead.events.usage import Usage
from playhead.simulation.faults.valid_request import invalid_request
from playhead.testing import ScriptedModel
from tests.support.agents import add, kinds, records, runtime

NO_WAIT = Limits(max_outage_seconds=0)
QUICK = Retry(attempts=3, base=0.001, cap=0.002)
USE = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1, "b": 2}}


def reply(*content: Any, stop: str) -> Reply:
    return Reply(tuple(content), stop, Usage(input_tokens=1, output_tokens=1), "m")


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("max_tokens", "max_tokens"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
    ],
)
@pytest.mark.parametrize("content", [(text("half an"),), (text("a"), USE), ()])
def test_a_reply_that_was_cut_or_refused_starts_no_tool_and_fails_the_run_by_name(
    stop: str, reason: str, content: Any
) -> None:
    agent = Agent(name="a", model=ScriptedModel([reply(*content, stop=stop)]), tools=[add])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished):
            run.wait()
        assert "tool_requested" not in kinds(log, run.id)
        assert records(log, run.id)[-1].event.reason == reason  # type: ignore[attr-defined]
        assert made.replay(run.id).matches


def test_a_pause_is_followed_by_the_same_conversation_as_it_stands() -> None:
    model = ScriptedModel([reply(text("so far"), stop="pause_turn"), "done"])
    agent = Agent(name="a", model=model)
    with runtime(agent) as (made, _):
        assert made.run(agent, "go").answer == "done"
    messages = model.requests[1].body["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"]
    assert invalid_request(model.requests[1].body) is None


def test_an_empty_reply_is_asked_again_and_too_many_fail_the_run() -> None:
    nothing = reply(stop="end_turn")
    model = ScriptedModel([nothing, reply(text(""), stop="end_turn"), "here"])
    agent = Agent(name="a", model=model)
    with runtime(agent) as (made, log):
        assert made.run(agent, "go").answer == "here"
        assert all(invalid_request(request.body) is None for request in model.requests)
        silent = Agent(name="s", model=ScriptedModel([nothing] * 9))
        run = made.start(silent, "go")
        with pytest.raises(RunNotFinished, match="empty"):
            run.wait()
        assert kinds(log, run.id).count("model_requested") == 3


def test_each_attempt_is_an_event_with_a_backoff_of_its_own() -> None:
    fault = ModelError("overloaded", "busy", status=529, retryable=True)
    agent = Agent(name="a", model=ScriptedModel([fault, fault, "fine"]), retry=QUICK)
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        seen = records(log, result.run_id)
        asked = [r.event for r in seen if isinstance(r.event, ModelRequested)]
        failed = [r for r in seen if isinstance(r.event, ModelFailed)]
        assert [e.attempt for e in asked] == [1, 2, 3]
        assert {e.round for e in asked} == {1}
        for failure, retry in zip(failed, asked[1:], strict=True):
            assert retry.not_before is not None
            assert 0 < retry.not_before - failure.at <= 2_000
        assert made.replay(result.run_id).matches


def test_a_run_that_waits_for_no_outage_honours_what_the_server_asks_up_to_the_cap() -> None:
    fault = ModelError("rate_limit", "slow down", retryable=True, retry_after=3600.0)
    model = ScriptedModel([fault, "fine"])
    agent = Agent(name="a", model=model, retry=QUICK, limits=NO_WAIT)
    with runtime(agent) as (made, log):
        seen = records(log, made.run(agent, "go").run_id)
        failed = next(r for r in seen if isinstance(r.event, ModelFailed))
        retry = [r.event for r in seen if isinstance(r.event, ModelRequested)][1]
        assert retry.not_before == failed.at + 2_000


def test_attempts_are_bounded_and_the_last_failure_is_the_reason() -> None:
    fault = ModelError("overloaded", "busy", retryable=True)
    agent = Agent(name="a", model=ScriptedModel([fault] * 9), retry=QUICK, limits=NO_WAIT)
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="tried 3 times"):
            run.wait()
        assert kinds(log, run.id).count("model_failed") == 3


def test_thinking_goes_back_untouched_and_in_its_place() -> None:
    thinking = {"type": "thinking", "thinking": "two\u00a0and", "signature": "c2ln=="}
    hidden = {"type": "redacted_thinking", "data": "b3BhcXVl"}
    unknown = {"type": "hologram", "payload": {"deep": [1, None, 2.50]}}
    first = reply(thinking, hidden, unknown, text("adding"), USE, stop="tool_use")
    model = ScriptedModel([first, "3"])
    agent = Agent(name="a", model=model, tools=[add])
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    sent = model.requests[1].body["messages"][1]
    assert sent == {
        "role": "assistant",
        "content": [thinking, hidden, unknown, text("adding"), USE],
    }


def test_a_model_that_raises_something_unforeseen_fails_the_run_and_not_the_runtime() -> None:
    agent = Agent(name="a", model=ScriptedModel([RuntimeError("a bug in a client"), "x"]))
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="a bug in a client"):
            run.wait()
        assert kinds(log, run.id)[-1] == "run_failed"
        assert made.run(Agent(name="b", model=ScriptedModel(["ok"])), "go").answer == "ok"


def test_a_reply_that_cannot_be_stored_is_a_failed_call() -> None:
    bad = reply({"type": "text", "text": "so", "score": float("nan")}, stop="end_turn")
    agent = Agent(name="a", model=ScriptedModel([bad, "fine"]), retry=QUICK)
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        assert result.answer == "fine"
        assert "model_failed" in kinds(log, result.run_id)


def test_half_of_a_surrogate_pair_in_a_reply_is_mended_and_asks_nobody_twice() -> None:
    half = reply({"type": "text", "text": "half \ud800"}, USE, stop="tool_use")
    model = ScriptedModel([half, "whole \ud83d\ude00"])
    agent = Agent(name="a", model=model, tools=[add], retry=QUICK)
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        assert result.answer == "whole \U0001f600"
        assert "model_failed" not in kinds(log, result.run_id)
        assert made.replay(result.run_id).matches
    assert model.requests[1].body["messages"][1]["content"][0]["text"] == "half \ufffd"


def test_two_uses_with_one_id_both_get_their_result() -> None:
    twice = reply(USE, {**USE, "input": {"a": 5, "b": 5}}, stop="tool_use")
    model = ScriptedModel([twice, "ok"])
    agent = Agent(name="a", model=model, tools=[add])
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    results = model.requests[1].body["messages"][-1]["content"][:2]
    assert [block["content"] for block in results] == ["3", "10"]


@pytest.mark.parametrize("broken", [{"input": [1, 2]}, {"id": None}, {"name": 7}])
def test_a_call_that_is_no_whole_call_makes_the_reply_a_failure(broken: dict[str, Any]) -> None:
    model = ScriptedModel([reply({**USE, **broken}, stop="tool_use")])
    agent = Agent(name="a", model=model, tools=[add])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="without id, name or input"):
            run.wait()
        assert "tool_requested" not in kinds(log, run.id)
