"""A tool's policy: retried as events, cached, limited in number and rate, cut and read on."""

import asyncio
from typing import Annotated, Any

import pytest

from playhead import Agent, Retry, Runtime, ToolContext, ToolError, UsageError, tool
from playhead.events.kinds.tool_calls import ToolFailed, ToolStarted, ToolSucceeded
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.spec.tool import Cache, Rate
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from playhead.tools.context import Depends, Secret
from playhead.tools.groups import group
from playhead.tools.tool import AnyTool
from tests.support.agents import add, records, runtime

SOON = Retry(attempts=3, base=0.002, cap=0.002)


def events(log: MemoryLog, run: str, *kinds: type[object]) -> list[Record]:
    return [record for record in records(log, run) if isinstance(record.event, kinds)]


def agent_of(tools: list[AnyTool], *script: object) -> tuple[Agent, ScriptedModel]:
    model = ScriptedModel(list(script))  # type: ignore[arg-type]
    return Agent(name="a", model=model, tools=tools), model


def told(model: ScriptedModel, request: int) -> str:
    """What the model read as the result of its last call."""
    return str(model.requests[request].body["messages"][-1]["content"][0]["content"])


def key_in(text: str) -> str:
    return text.rpartition('key="')[2].partition('"')[0]


def failing(times: int, error: Exception, **options: object) -> tuple[AnyTool, list[str]]:
    keys = list[str]()

    def flaky(context: ToolContext) -> str:
        """Fail a few times."""
        keys.append(context.key)
        if len(keys) <= times:
            raise error
        return "at last"

    return tool(**options)(flaky), keys  # type: ignore[call-overload]


def test_a_transient_failure_is_tried_again_as_events_and_with_the_same_key() -> None:
    flaky, keys = failing(2, ConnectionError("reset"), effect="keyed", retry=SOON)
    agent, model = agent_of([flaky], call("flaky"), "ok")
    with runtime(agent) as (made, log):
        run = made.run(agent, "go").run_id
        starts = [e for r in events(log, run, ToolStarted) if isinstance(e := r.event, ToolStarted)]
        assert [start.attempt for start in starts] == [1, 2, 3]
        assert [start.not_before is None for start in starts] == [True, False, False]
        assert len(set(keys)) == 1
        assert len(events(log, run, ToolFailed)) == 2
        assert made.replay(run).matches
    assert told(model, 1) == "at last"
    assert len(model.requests) == 2


def test_the_attempts_of_a_call_are_bounded_and_the_last_failure_is_told() -> None:
    flaky, keys = failing(99, ToolError("busy", retry_after=0.001), effect="read", retry=SOON)
    agent, model = agent_of([flaky], call("flaky"), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert len(keys) == 3
    assert told(model, 1) == "busy\nThe same call may work after 0.001 s."


@pytest.mark.parametrize("error", [ValueError("no"), ToolError("no")])
def test_a_failure_that_will_not_pass_is_not_tried_again(error: Exception) -> None:
    flaky, keys = failing(99, error, effect="read", retry=SOON)
    agent, _ = agent_of([flaky], call("flaky"), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert len(keys) == 1


def test_a_once_tool_takes_no_retries() -> None:
    with pytest.raises(UsageError, match="never started twice"):
        failing(0, ValueError(), effect="once", retry=2)


def test_a_cached_result_is_given_again_within_its_run_and_marked() -> None:
    made_calls = list[int]()

    @tool(effect="read", cache=60.0)
    def square(n: int) -> int:
        """Square a number."""
        made_calls.append(n)
        return n * n

    script = (call("square", n=3), call("square", n=3), call("square", n=4), "ok")
    agent, _ = agent_of([square], *script, *script)
    with runtime(agent) as (made, log):
        run = made.run(agent, "go").run_id
        ends = [record.event for record in events(log, run, ToolSucceeded)]
        found = [event for event in ends if isinstance(event, ToolSucceeded)]
        assert [(e.result, e.cached) for e in found] == [(9, None), (9, True), (16, None)]
        assert made.replay(run).matches
        made.run(agent, "again")
    assert made_calls == [3, 4, 3, 4]


def test_a_cache_that_is_shared_serves_other_runs_too() -> None:
    made_calls = list[int]()

    @tool(effect="read", cache=Cache(shared=True))
    def square(n: int) -> int:
        """Square a number."""
        made_calls.append(n)
        return n * n

    agent, _ = agent_of([square], call("square", n=3), "ok", call("square", n=3), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
        made.run(agent, "go")
    assert made_calls == [3]


def test_only_read_tools_are_cached() -> None:
    with pytest.raises(UsageError, match='only a tool with effect="read"'):
        tool(add.function, effect="keyed", cache=True)


def test_a_tool_is_never_under_way_more_often_than_its_concurrency() -> None:
    under_way, most = 0, 0
    both = asyncio.Event()

    @tool(effect="read", concurrency=2)
    async def work(n: int) -> int:
        """Work."""
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 2:
            both.set()
        await both.wait()
        under_way -= 1
        return n

    agent, _ = agent_of([work], [call("work", n=n) for n in range(8)], "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert most == 2


def test_a_rate_that_is_used_up_is_told_with_when_it_may_work() -> None:
    @tool(effect="read", rate=Rate(calls=2, seconds=3600.0))
    def search(n: int) -> int:
        """Search."""
        return n

    agent, model = agent_of([search], *(call("search", n=n) for n in range(3)), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert told(model, 1) == "0"
    assert "its 2 calls in 3600 s are used up" in told(model, 3)
    assert "may work after 3" in told(model, 3)


def test_a_large_result_is_cut_for_the_model_kept_whole_and_can_be_read_on() -> None:
    text = "".join(f"line {n}\n" for n in range(2_000))

    @tool(effect="read", max_chars=1000)
    def report() -> str:
        """Report at length."""
        return text

    def script(body: dict[str, Any]) -> Scripted:
        messages = body["messages"]
        if len(messages) == 1:
            return call("report")
        if len(messages) == 3:
            key = key_in(messages[-1]["content"][0]["content"])
            return call("read_result", key=key, offset=1000, limit=500)
        return "ok"

    model = ScriptedModel(script)
    agent = Agent(name="a", model=model, tools=[report])
    with runtime(agent) as (made, log):
        run = made.run(agent, "go").run_id
        first = events(log, run, ToolSucceeded)[0].event
        assert isinstance(first, ToolSucceeded)
        assert first.result == text
        assert made.replay(run).matches
    assert told(model, 1).startswith(text[:1000] + "\n[cut: these are 1000 of ")
    assert told(model, 2).startswith(text[1000:1500] + "\n[characters 1000 to 1500 of ")


def test_a_run_cannot_read_the_results_of_a_stranger() -> None:
    @tool(effect="read", max_chars=10)
    def report() -> str:
        """Report."""
        return "x" * 100

    agent, model = agent_of([report], call("report"), "ok")
    with runtime(agent) as (made, _):
        other = made.run(agent, "go").run_id
        key = key_in(told(model, 1))
        assert key.startswith(other)
        stranger, its = agent_of([report], call("read_result", key=key), "ok")
        stranger = Agent(name="b", model=its, tools=[report])
        made.run(stranger, "go")
    assert "there is no result" in told(its, 1)


@pytest.mark.parametrize(
    ("result", "hint", "read"),
    [
        ([], None, "(the result is empty)\nHint: Try other arguments, or go on without it."),
        ("", "Search by e-mail.", "(the result is empty)\nHint: Search by e-mail."),
        ({"contacts": []}, "Search by e-mail.", '{"contacts":[]}\nHint: Search by e-mail.'),
        ({"contacts": []}, None, '{"contacts":[]}'),
        (None, None, "(the tool returned nothing)"),
        (0, "Unused.", "0"),
    ],
)
def test_an_empty_result_says_so_and_what_to_try(
    result: object, hint: str | None, read: str
) -> None:
    def find() -> object:
        """Find."""
        return result

    said = tool(find, effect="read") if hint is None else tool(find, effect="read", when_empty=hint)
    agent, model = agent_of([said], call("find"), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert told(model, 1) == read


@pytest.mark.parametrize(
    ("result", "read"),
    [
        ("", "(the result is empty)"),
        ([], "[]"),
        ({}, "{}"),
        ({"contacts": []}, '{"contacts":[]}'),
        (None, "(the tool returned nothing)"),
        ("found", "found"),
    ],
)
def test_a_tool_can_say_that_an_empty_result_is_an_answer_like_any_other(
    result: object, read: str
) -> None:
    def find() -> object:
        """Find."""
        return result

    agent, model = agent_of([tool(find, effect="read", when_empty=None)], call("find"), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert told(model, 1) == read


def test_a_secret_is_resolved_when_the_call_is_performed_and_stands_nowhere() -> None:
    def charge(amount: int, token: Annotated[str, Secret("CRM_TOKEN")]) -> str:
        """Charge."""
        return f"charged {amount} with {token}"

    tools = [tool(charge)]
    agent, model = agent_of(tools, call("charge", amount=5), "ok")
    log = MemoryLog()
    with Runtime(log, [agent], secrets={"CRM_TOKEN": "very-secret-value"}.get) as made:
        made.run(agent, "go")
    assert told(model, 1) == "charged 5 with [secret CRM_TOKEN]"
    assert "token" not in tools[0].spec.input_schema["properties"]  # type: ignore[operator]
    assert not any(b"very-secret" in row.data for row in log.follow())


def test_a_missing_secret_is_told_before_anything_is_done() -> None:
    def charge(token: Annotated[str, Secret("NO_SUCH_TOKEN_ANYWHERE")]) -> str:
        """Charge."""
        return token

    agent, model = agent_of([tool(charge)], call("charge"), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert "needs the secret NO_SUCH_TOKEN_ANYWHERE, which is not set" in told(model, 1)


def test_what_a_tool_depends_on_is_given_to_it_and_not_shown() -> None:
    def count(people: Annotated[list[str], Depends(lambda: ["Ada", "Bob"])]) -> int:
        """Count."""
        return len(people)

    made_tool = tool(count, effect="read")
    agent, model = agent_of([made_tool], call("count"), "ok")
    with runtime(agent) as (made, _):
        made.run(agent, "go")
    assert told(model, 1) == "2"
    assert made_tool.spec.input_schema.get("properties", {}) == {}


def test_a_run_sees_the_tools_and_groups_that_were_chosen_for_it() -> None:
    @tool(effect="read")
    def find() -> str:
        """Find."""
        return "found"

    model = ScriptedModel(["ok", "ok"])
    agent = Agent(name="a", model=model, tools=[group("crm", find), add])
    with runtime(agent) as (made, _):
        made.run(agent, "go", tools=["crm"])
        made.run(agent, "go")
        with pytest.raises(UsageError, match="did you mean 'crm'"):
            made.run(agent, "go", tools=["crn"])
    names = [[each["name"] for each in request.body["tools"]] for request in model.requests]
    assert names == [["find"], ["find", "add"]]
