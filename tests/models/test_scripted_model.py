import asyncio
import json

import pytest

from playhead.events.errors import ModelError
from playhead.events.model_api import Reply, Request
from playhead.events.usage import Usage
from playhead.testing import Scripted, ScriptedModel, call
from tests.support.rendered import request_of


def ask(model: ScriptedModel, request: Request | None = None) -> tuple[Reply, list[str]]:
    pieces: list[str] = []
    reply = asyncio.run(model.reply(request or request_of("hi"), pieces.append))
    return reply, pieces


def test_text_ends_the_turn_and_is_streamed() -> None:
    reply, pieces = ask(ScriptedModel(["Hello."]))
    assert reply.content == ({"type": "text", "text": "Hello."},)
    assert (reply.stop_reason, pieces) == ("end_turn", ["Hello."])


def test_several_calls_in_one_reply_have_ids_of_their_own() -> None:
    reply, _ = ask(ScriptedModel([["I add.", call("add", {"a": 1}), call("add", a=2)]]))
    assert [block.get("input") for block in reply.content] == [None, {"a": 1}, {"a": 2}]
    assert reply.content[1]["id"] != reply.content[2]["id"]
    assert reply.stop_reason == "tool_use"


def test_the_same_request_gives_the_same_ids() -> None:
    first, _ = ask(ScriptedModel([call("add", a=1)]))
    second, _ = ask(ScriptedModel([call("add", a=1)]))
    assert first == second


@pytest.mark.parametrize(
    "fault", [ModelError("overloaded", "busy", retryable=True), ZeroDivisionError("a bug")]
)
def test_a_fault_is_raised_where_it_stands_and_the_script_goes_on(fault: Exception) -> None:
    model = ScriptedModel([["So far", fault], "Now it works."])
    pieces: list[str] = []
    with pytest.raises(type(fault)):
        asyncio.run(model.reply(request_of("hi"), pieces.append))
    assert pieces == ["So far"]
    assert ask(model)[1] == ["Now it works."]


def test_a_function_sees_the_body_of_the_request() -> None:
    def answer(body: dict[str, object]) -> Scripted:
        return json.dumps(body["messages"])

    reply, _ = ask(ScriptedModel(answer), request_of("What?"))
    assert json.loads(str(reply.content[0]["text"])) == [{"role": "user", "content": "What?"}]


def test_an_async_function_may_wait_for_what_its_test_wants_to_see() -> None:
    async def scenario() -> Reply:
        seen = asyncio.Event()

        async def answer(_: dict[str, object]) -> Scripted:
            await seen.wait()
            return "Seen."

        asked = asyncio.create_task(ScriptedModel(answer).reply(request_of("hi"), lambda _: None))
        await asyncio.sleep(0)
        assert not asked.done()
        seen.set()
        return await asked

    assert asyncio.run(scenario()).content == ({"type": "text", "text": "Seen."},)


def test_latency_is_slept_with_the_sleep_that_was_given() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    ask(ScriptedModel(["Hello."], latency=0.2, sleep=sleep))
    assert slept == [0.2]


def test_a_script_that_has_ended_says_so() -> None:
    with pytest.raises(ModelError, match="the script has 0 replies") as raised:
        ask(ScriptedModel([]))
    assert not raised.value.retryable


def test_a_whole_reply_is_handed_out_as_it_is() -> None:
    reply = Reply(({"type": "text", "text": "."},), "refusal", Usage(input_tokens=1), "m")
    assert ask(ScriptedModel([reply]))[0] is reply


def test_a_longer_request_costs_more_tokens() -> None:
    short, _ = ask(ScriptedModel(["."]), request_of("hi"))
    long, _ = ask(ScriptedModel(["."]), request_of("hi " * 400))
    assert long.usage.input_tokens - short.usage.input_tokens == pytest.approx(300, abs=2)
