"""A message that comes while the model answers."""

import asyncio
import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from playhead import Agent, Runtime, tool
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call


@tool(effect="read")
def look() -> str:
    """Look around, and return what is there. Use it when asked to look."""
    return "nothing"


def turns(body: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Who spoke, and what: the goal's reminder left out."""
    return [
        (
            message["role"],
            [
                str(block.get("text", block["type"]))
                for block in message["content"]
                if not str(block.get("text", "")).startswith("<goal>")
            ],
        )
        for message in body["messages"]
    ]


def asked_with_a_message_in_flight(first: Any, *messages: str) -> ScriptedModel:
    """The model's requests, where messages come before its first reply is there."""
    began, may_answer = threading.Event(), threading.Event()

    async def script(_: Any) -> Any:
        if may_answer.is_set():
            return "Read."
        began.set()
        await asyncio.to_thread(may_answer.wait)
        return first

    model = ScriptedModel(script)
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(Agent(name="a", model=model, tools=[look]), "go")
        assert began.wait(30)
        for message in messages:
            run.send(message)
        may_answer.set()
        assert run.wait(30).answer == "Read."
        assert runtime.replay(run.id).matches
    return model


def test_it_comes_after_the_reply_that_did_not_know_of_it() -> None:
    model = asked_with_a_message_in_flight("Three.", "In digits?")
    assert turns(model.requests[1].body) == [
        ("user", ["go"]), ("assistant", ["Three."]), ("user", ["In digits?"]),
    ]  # fmt: skip


def test_with_calls_it_comes_after_their_results() -> None:
    model = asked_with_a_message_in_flight(call("look"), "Hurry.")
    assert turns(model.requests[1].body) == [
        ("user", ["go"]), ("assistant", ["tool_use"]), ("user", ["tool_result", "Hurry."]),
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4))
def test_no_request_ends_with_the_models_own_words(messages: list[str]) -> None:
    model = asked_with_a_message_in_flight("Three.", *messages)
    for request in model.requests:
        assert request.body["messages"][-1]["role"] == "user"
    assert turns(model.requests[1].body)[-1] == ("user", messages)
