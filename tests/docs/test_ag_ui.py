"""The AG-UI example: what it streams is what the protocol's own package accepts, in its order."""

import asyncio
import json
from typing import Any

from ag_ui.core import Event
from pydantic import TypeAdapter

from docs.examples.ag_ui import stream
from playhead import Agent, Runtime
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, fail

EVENT: TypeAdapter[Any] = TypeAdapter(Event)


def streamed(*script: Any) -> list[Any]:
    """The events of a run, each read by the protocol's package."""

    async def listen(run: Any) -> list[str]:
        return [sent async for sent in stream(run, "thread")]

    made: Agent[Any] = Agent(name="a", model=ScriptedModel(list(script)), tools=[add, fail])
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(made, "Go.")
        sent = asyncio.run(listen(run))
    assert all(each.startswith("data: ") and each.endswith("\n\n") for each in sent)
    return [EVENT.validate_python(json.loads(each[6:])) for each in sent]


def test_a_run_is_a_valid_stream_of_the_protocol() -> None:
    events = streamed(call("add", a=1, b=2), "It is 3.")
    types = [event.type.value for event in events]
    assert (types[0], types[-1]) == ("RUN_STARTED", "RUN_FINISHED")
    assert events[-1].result == "It is 3."
    calls = [e for e in events if e.type.value.startswith("TOOL_CALL")]
    assert [e.type.value for e in calls] == [
        "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT",
    ]  # fmt: skip
    assert len({e.tool_call_id for e in calls}) == 1
    assert json.loads(calls[1].delta) == {"a": 1, "b": 2}
    assert calls[3].content == "3"
    starts, ends = types.count("TEXT_MESSAGE_START"), types.count("TEXT_MESSAGE_END")
    assert starts == ends


def test_a_run_that_fails_ends_with_the_protocols_error() -> None:
    events = streamed(call("fail", why="no"))
    assert events[-1].type.value == "RUN_ERROR"
