"""llama.cpp's server over the three protocols that it speaks. What it says is its own affair."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from playhead import Agent, AnthropicModel, Model, OpenAIModel, RunNotFinished, Runtime
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.log.memory import MemoryLog
from playhead.testing.model_contract import run
from playhead.tools.models.local.process import LocalProcess
from playhead.tools.models.local.weights import find_local
from tests.support.agents import records
from tests.support.rendered import request_of

pytestmark = pytest.mark.skipif(find_local() is not None, reason=str(find_local()))

PROTOCOLS: dict[str, Callable[[LocalProcess], Model]] = {
    "messages": lambda at: AnthropicModel(at.url, at.key, timeout=600),
    "chat": lambda at: OpenAIModel(f"{at.url}/v1", at.key, api="chat", timeout=600),
    "responses": lambda at: OpenAIModel(f"{at.url}/v1", at.key, api="responses", timeout=600),
}


@pytest.fixture(scope="module")
def process() -> Iterator[LocalProcess]:
    made = LocalProcess()
    yield made
    asyncio.run(made.close())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_real_server_streams_a_whole_reply_over_each_protocol(
    protocol: str, process: LocalProcess
) -> None:
    pieces: list[str] = []
    request = request_of("What is 6 * 7?", max_tokens=16, temperature=0)
    reply = run(PROTOCOLS[protocol](process), lambda m: m.reply(request, pieces.append))
    text = "".join(str(block.get("text", "")) for block in reply.content)
    assert text
    assert "".join(pieces) == text
    assert reply.usage.input_total > 0
    assert 0 < reply.usage.output_tokens <= 17


def test_the_same_agent_and_task_give_the_same_events_over_each_protocol(
    process: LocalProcess,
) -> None:
    seen: dict[str, list[str]] = {}
    for protocol, made in PROTOCOLS.items():
        log, agent = MemoryLog(), Agent(name="a", max_tokens=16, extra={"temperature": 0})
        with Runtime(log, model=made(process)) as runtime:
            started = runtime.start(agent, "What is 6 * 7?")
            with suppress(RunNotFinished):  # one protocol says that the reply was cut off
                started.wait()
            assert runtime.replay(started.id).matches
        kept = records(log, started.id)
        (answered,) = [n for n, r in enumerate(kept) if isinstance(r.event, ModelAnswered)]
        seen[protocol] = [record.event.kind for record in kept[: answered + 1]]
    assert seen["messages"] == seen["chat"] == seen["responses"]
