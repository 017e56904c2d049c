"""Which model is asked: the table, the router, escalation, fallback; and that the log says why."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from playhead import Agent, Retry, Route, RunNotFinished, Runtime, Target, UsageError
from playhead.events.errors import ModelError
from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.model_api import Reply, Request
from playhead.events.usage import Usage
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, kinds, records, runtime

QUICK = Retry(base=0.0, cap=0.0)
HAIKU, OPUS = "claude-haiku-4-5-20251001", "claude-opus-4-6"


class Even(BaseModel):
    """Takes even numbers only, which no JSON schema of it says."""

    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("it must be even")
        return number


def asked(log: Any, run: str) -> list[ModelRequested]:
    return [r.event for r in records(log, run) if isinstance(r.event, ModelRequested)]


def refusal() -> Reply:
    return Reply(({"type": "text", "text": "No."},), "refusal", Usage(), "m")


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("summarization", HAIKU),
        ("data_extraction", HAIKU),
        ("reasoning", "claude-sonnet-4-6"),
        ("complex_planning", OPUS),
        ("something of mine", "claude-sonnet-4-6"),
    ],
)
def test_the_default_table_chooses_by_the_type_of_task_and_says_so(task: str, model: str) -> None:
    scripted = ScriptedModel(["fine"])
    agent = Agent(name="a", task_type=task)
    with runtime(agent, model=scripted) as (made, log):
        (request,) = asked(log, made.run(agent, "go").run_id)
    assert (request.model, request.task) == (model, task)
    assert task in request.reason
    assert scripted.requests[0].body["model"] == model


def test_a_named_model_is_asked_for_everything_but_what_the_agent_s_own_table_names() -> None:
    own = Agent(name="a", model="mine", task_type="summarization")
    assert own.spec().routing == {}
    table = Agent(name="a", model="mine", routing={"law": ["small", "large"]}).spec().routing
    assert [target.model for target in table["law"].ladder] == ["small", "large"]


def test_a_table_over_the_default_model_keeps_the_rest_of_the_default_table() -> None:
    table = Agent(name="a", routing={"reasoning": OPUS}).spec().routing
    assert table["reasoning"].ladder[0].model == OPUS
    assert table["summarization"].ladder[0].model == HAIKU


def test_a_router_is_asked_once_a_step_and_its_word_is_in_the_log() -> None:
    seen: list[str] = []

    def router(task: str) -> str:
        seen.append(task)
        return "complex_planning"

    model = ScriptedModel([call("add", a=1, b=1), "two"])
    agent = Agent(name="a", router=router, tools=[add])
    with runtime(agent, model=model) as (made, log):
        run = made.run(agent, "one and one").run_id
        assert [request.model for request in asked(log, run)] == [OPUS, OPUS]
        assert "the router says so" in asked(log, run)[0].reason
        assert made.replay(run).matches
    assert seen == ["one and one"]


@pytest.mark.parametrize("answer", [42, "", RuntimeError("lost")])
def test_a_router_that_fails_leaves_the_agent_s_own_type_and_the_log_says_why(answer: Any) -> None:
    def router(_: str) -> str:
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    agent = Agent(name="a", router=router, task_type="data_extraction")
    with runtime(agent, model=ScriptedModel(["fine"])) as (made, log):
        (request,) = asked(log, made.run(agent, "go").run_id)
    assert request.model == HAIKU
    assert "the router failed" in request.reason


def test_an_answer_that_the_output_type_rejects_is_told_and_asked_of_the_next_rung() -> None:
    model = ScriptedModel(['{"number": 3}', '{"number": "x"}', '{"number": 4}'])
    agent = Agent(
        name="a", model="small", routing={"reasoning": ["small", "middle", "large"]}, output=Even
    )
    with runtime(agent, model=model) as (made, log):
        result = made.run(agent, "an even number")
        assert result.output == Even(number=4)
        requests = asked(log, result.run_id)
        assert [request.model for request in requests] == ["small", "middle", "large"]
        assert "1 rejected answers of small" in requests[1].reason
        assert (
            kinds(log, result.run_id).count("output_rule_asked") == 2
        )  # the schema refused the other
        assert made.replay(result.run_id).matches
    told = [block["text"] for block in model.requests[1].body["messages"][-1]["content"]]
    assert any("number: Value error, it must be even" in text for text in told)


def test_an_output_type_is_asked_a_bounded_number_of_times() -> None:
    model = ScriptedModel(lambda _: '{"number": 3}')
    agent = Agent(name="a", model="m", output=Even)
    with runtime(agent, model=model) as (made, _), pytest.raises(RunNotFinished, match="even"):
        made.run(agent, "an even number")
    assert len(model.requests) == 3


def test_a_validator_that_breaks_fails_the_run_by_name() -> None:
    class Broken(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def breaks(cls, _: int) -> int:
            raise RuntimeError("no disk")

    agent = Agent(name="a", model=ScriptedModel(['{"number": 3}']), output=Broken)
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="RuntimeError: no disk"):
            run.wait()
        assert any(isinstance(r.event, RuleAnswered) for r in records(log, run.id))


@pytest.mark.parametrize("error", ["overloaded", "timeout", "unreachable", "refusal"])
def test_the_next_model_is_asked_at_once_when_one_fails(error: str) -> None:
    def script(body: dict[str, Any]) -> Any:
        if body["model"] == "second":
            return "fine"
        return refusal() if error == "refusal" else ModelError(error, "no", retryable=True)

    agent = Agent(name="a", model="first", fallback=["second"], retry=Retry(base=3600, cap=3600))
    with runtime(agent, model=ScriptedModel(script)) as (made, log):
        run = made.run(agent, "go").run_id
        first, second = asked(log, run)
        assert (first.model, first.fallbacks) == ("first", 1)
        assert (second.model, second.round, second.attempt) == ("second", 1, 2)
        assert second.not_before is None
        assert error in second.reason
        assert made.replay(run).matches


def test_a_refusal_is_not_part_of_what_the_next_model_reads() -> None:
    def script(body: dict[str, Any]) -> Any:
        return "fine" if body["model"] == "second" else refusal()

    model = ScriptedModel(script)
    agent = Agent(name="a", model="first", fallback=["second"])
    with runtime(agent, model=model) as (made, _):
        made.run(agent, "go")
    assert model.requests[0].body["messages"] == model.requests[1].body["messages"]


def test_a_refusal_by_everyone_fails_the_run_as_a_refusal() -> None:
    agent = Agent(name="a", model="first", fallback=["second"])
    model = ScriptedModel(lambda _: refusal())
    with runtime(agent, model=model) as (made, _), pytest.raises(RunNotFinished, match="refused"):
        made.run(agent, "go")
    assert len(model.requests) == 2


def test_after_all_have_failed_the_first_is_asked_again_after_a_pause() -> None:
    fault = ModelError("overloaded", "busy", retryable=True)
    model = ScriptedModel([fault, fault, "fine"])
    agent = Agent(name="a", model="first", fallback=["second"], retry=QUICK)
    with runtime(agent, model=model) as (made, log):
        requests = asked(log, made.run(agent, "go").run_id)
    assert [request.model for request in requests] == ["first", "second", "first"]
    assert [request.not_before is None for request in requests] == [True, True, False]


def test_a_fault_of_the_request_itself_is_not_tried_elsewhere() -> None:
    model = ScriptedModel([ModelError("invalid_request", "bad", status=400)])
    agent = Agent(name="a", model="first", fallback=["second"])
    with runtime(agent, model=model) as (made, _), pytest.raises(RunNotFinished, match="bad"):
        made.run(agent, "go")


class Somewhere:
    """An endpoint of its own."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def reply(self, request: Request, on_text: object) -> Reply:
        self.requests.append(request)
        return Reply(({"type": "text", "text": "from there"},), "end_turn", Usage(), request.model)

    async def close(self) -> None:
        """Nothing to close."""


def test_a_target_is_asked_at_its_endpoint_with_its_own_settings() -> None:
    there = Somewhere()
    target = Target(model="m", endpoint="there", max_tokens=7, extra={"thinking": {"type": "x"}})
    agent = Agent(name="a", model="m", routing={"reasoning": Route(ladder=(target,))})
    with runtime(agent, model=ScriptedModel([]), endpoints={"there": there}) as (made, log):
        result = made.run(agent, "go")
        assert asked(log, result.run_id)[0].endpoint == "there"
    assert result.answer == "from there"
    body = there.requests[0].body
    assert (body["max_tokens"], body["thinking"]) == (7, {"type": "x"})


def test_an_endpoint_that_nobody_knows_is_refused_before_anything_is_logged() -> None:
    agent = Agent(name="a", model="m", fallback=[Target(model="m", endpoint="there")])
    with runtime(agent, model=ScriptedModel([])) as (made, log):
        with pytest.raises(UsageError, match="endpoints="):
            made.start(agent, "go")
        assert list(log.follow()) == []


def test_a_type_of_task_with_nobody_to_ask_is_a_mistake_of_the_author() -> None:
    with pytest.raises(UsageError, match="has no model"):
        Agent(name="a", routing={"law": []}).spec()


def test_a_forced_tool_choice_holds_for_the_first_request_of_a_step_only() -> None:
    model = ScriptedModel([call("add", a=1, b=1), "two"])
    agent = Agent(name="a", model=model, tools=[add], tool_choice={"type": "any"})
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    choices = [request.body.get("tool_choice") for request in model.requests]
    assert choices == [{"type": "any"}, None]


def test_an_endpoint_in_words_that_nobody_understands_is_refused_before_the_log_is_opened(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="endpoint 'ftp://a': write a URL"):
        Runtime(tmp_path / "log.db", endpoints={"x": "ftp://a"})
    assert not list(tmp_path.iterdir())
