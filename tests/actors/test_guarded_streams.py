"""Streamed text before a guardrail's verdict: held back or discarded, as the guardrail says."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from playhead import Agent, Guardrail, RunNotFinished, Runtime, TextChunk, Verdict, tool
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call


@tool(effect="read")
def look() -> str:
    """Look at the table, and say what is on it."""
    return "a cup"


def streamed(rule: Guardrail, *replies: Any, goal: str = "Go.") -> list[tuple[str, bool]]:
    """The chunks that a listener gets, as (text, discarded)."""
    go, left = threading.Event(), list(replies)

    async def reply(_: Any) -> Any:
        await asyncio.to_thread(go.wait, 30)
        return left.pop(0)

    made = Agent(name="a", model=ScriptedModel(reply), tools=[look], guardrails=[rule])
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(made, goal)
        listening = iter(run.stream())
        go.set()
        chunks: list[TextChunk] = list(listening)
        with suppress(RunNotFinished):
            run.wait(10)
    return [(chunk.text, chunk.discarded) for chunk in chunks]


def masked(text: str) -> Verdict:
    return Verdict.replace(text.replace("7", "#"))


def test_a_held_answer_is_given_only_as_the_guardrail_left_it() -> None:
    rule = Guardrail(name="g", on="answer", check=masked)
    assert streamed(rule, ["Room ", "7."]) == [("Room #.", False)]
    allowed = Guardrail(name="g", on="answer", words=["x"])
    assert streamed(allowed, ["Room ", "7."]) == [("Room ", False), ("7.", False)]


@pytest.mark.parametrize("verdict", ["block", "ask_again"])
def test_a_held_answer_that_is_not_allowed_is_never_given(verdict: Any) -> None:
    rule = Guardrail(name="g", on="answer", words=["7"], verdict=verdict, text="no")
    assert ("Room 7.", False) not in streamed(rule, "Room 7.", "Room 8.")


def test_a_discarded_answer_is_given_at_once_and_taken_back() -> None:
    rule = Guardrail(name="g", on="answer", check=masked, stream="discard")
    assert streamed(rule, "Room 7.") == [("Room 7.", False), ("", True), ("Room #.", False)]
    block = Guardrail(name="g", on="answer", words=["7"], stream="discard")
    assert streamed(block, "Room 7.") == [("Room 7.", False), ("", True)]


def test_text_beside_calls_is_not_given_where_answers_are_held_and_is_where_they_are_not() -> None:
    said = ["Let me look. ", call("look")]
    held = Guardrail(name="g", on="answer", words=["x"])
    assert streamed(held, said, "A cup.") == [("A cup.", False)]
    shown = Guardrail(name="g", on="answer", words=["x"], stream="discard")
    assert streamed(shown, said, "A cup.") == [("Let me look. ", False), ("A cup.", False)]


@pytest.mark.parametrize("stream", ["hold", "discard"])
def test_beside_the_model_call_text_is_held_or_discarded_until_the_verdict(stream: Any) -> None:
    async def judge(text: str) -> Verdict:
        return Verdict.block("no") if "bomb" in text else Verdict.allow()

    rule = Guardrail(name="g", on="input", beside=True, check=judge, stream=stream)
    assert streamed(rule, "Fine.", goal="A cake.") == [("Fine.", False)]
    given = streamed(rule, "Never.", goal="A bomb.")
    assert ("Never.", False) not in given or given[-1] == ("", True)
    assert stream == "discard" or given == []
