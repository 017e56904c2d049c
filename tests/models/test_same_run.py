"""One agent and one task over both protocols: the same run, against stubs and a real server."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from playhead import (
    Agent,
    AnthropicModel,
    Limits,
    Model,
    ModelError,
    OpenAIModel,
    RunNotFinished,
    Runtime,
)
from playhead.events.kinds.tool_calls import ToolRequested, ToolSucceeded
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.testing import ScriptedModel
from playhead.testing.model_contract import block, reply_of, use
from playhead.testing.stub_server import Answer, StubServer
from playhead.toolkit import calculator
from playhead.tools.models.local.process import LocalProcess
from playhead.tools.models.local.weights import find_local
from tests.support.agents import records
from tests.support.messages_api import message
from tests.support.openai_api import chat_stream, checked, responses_stream
from tests.support.strict_api import strict

GOAL = "What is 17 * 23?"
CALL = use(1, "calculator", {"expression": "17 * 23"})
SAID = block("17 * 23 is 391.")
PRODUCTS = (("12", "7", "84"), ("31", "5", "155"), ("8", "9", "72"), ("14", "14", "196"))


def examples() -> list[Any]:
    """The small weights are a base model's, which goes on with what it has read."""
    said: list[Any] = []
    for n, (a, b, product) in enumerate(PRODUCTS):
        made = use(n + 10, "calculator", {"expression": f"{a} * {b}"})
        result = {"type": "tool_result", "tool_use_id": made["id"], "content": product}
        said += [
            {"role": "user", "content": f"What is {a} * {b}?"},
            {"role": "assistant", "content": [made]},
            {"role": "user", "content": [result]},
            {"role": "assistant", "content": f"{a} * {b} is {product}."},
        ]
    return said


def agent_of(model: Model, **more: Any) -> Agent[str]:
    return Agent(
        name="a", instructions="Use the calculator.", model=model, tools=[calculator],
        max_tokens=60, **more,
    )  # fmt: skip


def ran(model: Model, **more: Any) -> tuple[MemoryLog, str]:
    """The log of a run, and its id; the model is gone afterwards."""
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.start(agent_of(model, **more), GOAL, message_history=examples())
        with suppress(RunNotFinished):
            run.wait()
        return log, run.id


def again_without_a_network(log: MemoryLog, run: str, at: int) -> list[Record]:
    """Its replay, and the records of a fork that finds every reply in the log."""

    def nobody(_: object) -> Any:
        raise ModelError(error="connection", message="there is no network")

    with Runtime(log, [agent_of(ScriptedModel(nobody))]) as runtime:
        assert runtime.replay(run).matches
        fork = runtime.fork(run, at)
        with suppress(RunNotFinished):
            fork.wait()
        assert runtime.replay(fork.id).matches
        return records(log, fork.id)


def trajectory(found: list[Record]) -> list[Any]:
    """What was called and what came of it."""
    events = [r.event for r in found]
    return [
        (e.tool, e.arguments) if isinstance(e, ToolRequested) else e.result
        for e in events
        if isinstance(e, ToolRequested | ToolSucceeded)
    ]


def kinds_until_result(found: list[Record]) -> list[str]:
    """The kinds of its events up to the first result of a tool."""
    kinds = [r.event.kind for r in found]
    return kinds[: kinds.index("tool_succeeded") + 1]


WANTED = [("calculator", {"expression": "17 * 23"}), 391]


def test_the_same_agent_and_task_give_the_same_events_and_trajectory_against_the_stubs() -> None:
    replies = [reply_of(CALL), reply_of(SAID)]
    chat, responses = (
        [Answer(stream(reply)) for reply in replies] for stream in (chat_stream, responses_stream)
    )
    blocks = iter([message(CALL), message(SAID)])
    found: list[list[Record]] = []
    with (
        StubServer(strict(lambda _: next(blocks))) as one,
        StubServer(checked("/chat/completions", chat)) as two,
        StubServer(checked("/responses", responses)) as three,
    ):
        logs = [
            ran(AnthropicModel(one.url, "key")),
            ran(OpenAIModel(two.url, "key", api="chat")),
            ran(OpenAIModel(three.url, "key", api="responses")),
        ]
    for log, run in logs:
        found.append(records(log, run))
        assert trajectory(found[-1]) == WANTED
        asked = next(r.seq for r in found[-1] if isinstance(r.event, ToolSucceeded))
        forked = again_without_a_network(log, run, asked)
        assert [r.event.kind for r in forked][-1] == "run_finished"
    messages, *others = [[r.event.kind for r in each] for each in found]
    assert all(each == messages for each in others)


PROTOCOLS: dict[str, Callable[[LocalProcess], Model]] = {
    "messages": lambda at: AnthropicModel(at.url, at.key, timeout=600),
    "chat": lambda at: OpenAIModel(f"{at.url}/v1", at.key, api="chat", timeout=600),
}


@pytest.fixture
def process() -> Iterator[LocalProcess]:
    made = LocalProcess()
    yield made
    asyncio.run(made.close())


@pytest.mark.skipif(find_local() is not None, reason=str(find_local()))
def test_the_small_model_calls_a_tool_over_both_protocols_and_the_runs_are_the_same(
    process: LocalProcess,
) -> None:
    """What it makes of the result is its own affair."""
    ends = ["\n<tool_call>", "\nResult", "\nQuestion"]
    found: list[list[Record]] = []
    for made in PROTOCOLS.values():
        limits = Limits(max_model_calls=2)
        surest: dict[str, Any] = {"temperature": 0}
        log, run = ran(made(process), stop_sequences=ends, limits=limits, extra=surest)
        found.append(records(log, run))
        assert trajectory(found[-1])[:2] == WANTED
        called = next(r.seq for r in found[-1] if isinstance(r.event, ToolSucceeded))
        forked = again_without_a_network(log, run, called)
        assert forked[-1].event.kind == found[-1][-1].event.kind
    assert kinds_until_result(found[0]) == kinds_until_result(found[1])
