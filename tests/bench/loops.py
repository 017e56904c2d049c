"""The same task two ways: a raw loop over the anthropic SDK, which keeps nothing, and Playhead.

The task: add one to a counter until the model says that it is done. A step is one model call with
its tool call, so a run of N steps makes N + 1 model calls. Figures are per step (N + 1 of them).
"""

import asyncio
import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from playhead import Agent, Limits, Runtime, Telemetry, tool
from playhead.events.codec import decode
from playhead.events.log.sqlite.log import SqliteReader
from playhead.events.model_api import Model
from playhead.events.record import Record
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from playhead.tools.models.exchange import http_client
from tests.bench.children import Figures, cpu

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

GOAL = "count"
INSTRUCTIONS = "You add numbers with the tool."


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two integers.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


class RawLoop:
    """The floor: `messages.stream`, the tool called in place, the messages in a list."""

    TOOLS = ({"name": "add", "description": "Add two integers.", "input_schema": {
        "type": "object", "required": ["a", "b"],
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    }},)  # fmt: skip

    def __init__(self, url: str, aiohttp: bool = True) -> None:
        from anthropic import AsyncAnthropic, DefaultAioHttpClient, DefaultAsyncHttpxClient

        client = DefaultAioHttpClient if aiohttp else DefaultAsyncHttpxClient
        self.client: AsyncAnthropic = AsyncAnthropic(
            base_url=url,
            api_key="x",
            max_retries=0,
            http_client=http_client(client, DefaultAsyncHttpxClient),
        )

    async def run(self, kept: list[bytes] | None = None) -> int:
        """One run; the number of its model calls. `kept` gets the JSON of what happened."""
        messages: list[Any] = [{"role": "user", "content": GOAL}]
        calls = 0
        while True:
            async with self.client.messages.stream(
                model="claude-stub", max_tokens=4096, system=INSTRUCTIONS, messages=messages,
                tools=self.TOOLS,  # type: ignore[arg-type]
            ) as stream:  # fmt: skip
                reply = await stream.get_final_message()
            calls += 1
            if kept is not None:
                kept.append(reply.to_json(indent=None).encode())
            if reply.stop_reason != "tool_use":
                return calls
            blocks = [block.model_dump(exclude_none=True) for block in reply.content]
            messages.append({"role": "assistant", "content": blocks})
            results = [_result(block) for block in blocks if block["type"] == "tool_use"]
            messages.append({"role": "user", "content": results})
            if kept is not None:
                kept += [json.dumps(result).encode() for result in results]


def _result(block: dict[str, Any]) -> dict[str, str]:
    answer = str(add.function(**block["input"]))
    return {"type": "tool_result", "tool_use_id": block["id"], "content": answer}


def measure_raw(url: str, steps: int, runs: int) -> Figures:
    """CPU ms per step of the raw loop, and the bytes of the JSON that it saw per step."""

    async def work() -> Figures:
        loop = RawLoop(url)
        kept: list[bytes] = []
        await loop.run(kept)
        before = cpu()
        for _ in range(runs):
            assert await loop.run() == steps + 1
        used = cpu() - before
        await loop.client.close()
        n = steps + 1
        return {"cpu_ms": used * 1e3 / n / runs, "json_bytes": sum(map(len, kept)) / n}

    return asyncio.run(work())


def counter(model: str | Model) -> Agent[str]:
    """The agent that counts."""
    limits = Limits(max_steps=100_000)
    return Agent(name="counter", instructions=INSTRUCTIONS, model=model, tools=[add], limits=limits)


@contextmanager
def spans(on: bool = True) -> "Generator[TracerProvider | None]":
    """A provider with a batch processor and an exporter that keeps the spans in memory."""
    if not on:
        yield None
        return
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter(), max_queue_size=1 << 16))
    yield provider
    provider.shutdown()


def measure_http(url: str, steps: int, runs: int) -> Figures:
    """CPU ms per step over HTTP, durable in full and traced; bytes on disk and as JSON."""
    return _measure("claude-stub", steps, runs, url=url)


def measure_scripted(steps: int, runs: int, traced: bool) -> Figures:
    """The same with a scripted model: what Playhead itself costs."""
    return _measure(ScriptedModel(script(steps) * (runs + 1)), steps, runs, traced=traced)


def script(steps: int) -> list[Scripted]:
    """The replies of one run."""
    replies: list[Scripted] = [
        [f"Step {k}: I add one to the counter.", call("add", a=k, b=1)] for k in range(steps)
    ]
    return [*replies, f"Done. The counter is {steps}."]


def _measure(
    model: str | Model, steps: int, runs: int, url: str | None = None, traced: bool = True
) -> Figures:
    agent = counter(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        with (
            spans(traced) as provider,
            Runtime(
                path, [agent], base_url=url, telemetry=Telemetry(tracer_provider=provider)
            ) as runtime,
        ):
            runtime.run(agent, GOAL)
            before = cpu()
            for _ in range(runs):
                assert runtime.run(agent, GOAL).answer == f"Done. The counter is {steps}."
            if provider is not None:
                provider.force_flush()
            used = cpu() - before
        said = exported_bytes(path) / (runs + 1)
        kept = path.stat().st_size / (runs + 1)
    n = steps + 1
    return {"cpu_ms": used * 1e3 / n / runs, "disk_bytes": kept / n, "export_bytes": said / n}


def exported_bytes(path: Path) -> int:
    """The size of a log's records as lines of JSON, without hashes and without what is empty."""
    log = SqliteReader(path)
    try:
        records = (decode(row, log.body) for row in log.follow())
        return sum(len(to_json(as_exported(record), exclude_none=True)) + 1 for record in records)
    finally:
        log.close()


def as_exported(record: Record) -> dict[str, object]:
    """What happened, and nothing else: the envelope and the event's own fields."""
    return {
        "run": record.run, "seq": record.seq, "at": record.at, "actor": record.actor,
        "origin": record.origin, "cause": record.cause, "event": record.event,
    }  # fmt: skip
