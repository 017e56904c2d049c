"""Spans that a tool's own libraries make hang below its `execute_tool` span."""

import sys
from pathlib import Path
from typing import Any

from opentelemetry import trace as api
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from playhead import Agent, Telemetry, tool
from playhead.events.log.memory import MemoryLog
from playhead.records import ToolSucceeded
from playhead.testing import ScriptedModel, call
from playhead.tools.mcp.server import mcp
from tests.support.agents import records, runtime
from tests.telemetry.test_one_trace import Wrapping
from tests.telemetry.traced import Seen, Spans, agent, tracing

FAN = 6
SERVER = Path(__file__).parents[1] / "mcp" / "our_server.py"


def inner(spans: Spans, tracer: Any = None) -> tuple[Any, ...]:
    """A sync and an async tool that make a span of their own, like an instrumented library."""
    tracer = tracer or spans.provider.get_tracer("a library")

    @tool(effect="read")
    def sync_work(n: int) -> int:
        """Work.

        Args:
            n: a number.
        """
        with tracer.start_as_current_span(f"inner sync_work {n}"):
            return n

    @tool(effect="read")
    async def async_work(n: int) -> int:
        """Work.

        Args:
            n: a number.
        """
        with tracer.start_as_current_span(f"inner async_work {n}"):
            return n

    return sync_work, async_work


def fan_out() -> list[Any]:
    calls = [call(name, n=n) for name in ("sync_work", "async_work") for n in range(FAN)]
    return [calls, "Done."]


def parents(spans: list[Seen]) -> list[str | None]:
    """The names of what the inner spans hang on."""
    names = {span.id: span.name for span in spans}
    return [names.get(span.parent or 0) for span in spans if span.name.startswith("inner")]


def assert_below_their_calls(spans: list[Seen]) -> None:
    found = parents(spans)
    assert sorted(map(str, found)) == sorted(
        f"execute_tool {name}" for name in ("sync_work", "async_work") for _ in range(FAN)
    )
    assert len({span.parent for span in spans if span.name.startswith("inner")}) == 2 * FAN
    assert len({span.trace for span in spans}) == 1


def test_spans_of_parallel_tools_hang_below_the_span_of_their_own_call() -> None:
    spans = Spans()
    someone = agent(fan_out(), tools=list(inner(spans)))
    with tracing(MemoryLog(), spans, someone) as made:
        made.run(someone, "Go on.")
    assert_below_their_calls(spans.seen())


def test_so_they_do_with_a_tracer_that_is_not_the_sdks() -> None:
    spans = Spans()
    someone = agent(fan_out(), tools=list(inner(spans)))
    telemetry = Telemetry(tracer_provider=Wrapping(spans))
    with runtime(someone, telemetry=telemetry) as (made, _):
        made.run(someone, "Go on.")
    assert_below_their_calls(spans.seen())


def test_spans_of_a_childs_tools_are_in_the_same_trace() -> None:
    spans = Spans()
    sync_work, _ = inner(spans)
    child = Agent(
        name="child", description="Works.", tools=[sync_work],
        model=ScriptedModel([call("sync_work", n=1), "Done."]),
    )  # fmt: skip
    top = agent([call("child", task="work"), "Done."], tools=[child])
    with tracing(MemoryLog(), spans, top) as made:
        made.run(top, "Go on.")
    assert parents(spans.seen()) == ["execute_tool sync_work"]
    assert len({span.trace for span in spans.seen()}) == 1


def test_the_callers_span_is_current_again_after_the_run() -> None:
    spans = Spans()
    someone = agent(fan_out(), tools=list(inner(spans)))
    tracer = spans.provider.get_tracer("the program")
    with tracing(MemoryLog(), spans, someone) as made:
        with tracer.start_as_current_span("request") as request:
            made.run(someone, "Go on.")
            assert api.get_current_span() is request
        assert not api.get_current_span().get_span_context().is_valid


def test_the_tools_of_a_run_that_is_not_sampled_make_no_roots() -> None:
    spans, sampled = Spans(ALWAYS_OFF), Spans()
    library = Spans(ParentBased(ALWAYS_ON))
    someone = agent(fan_out(), tools=list(inner(sampled, library.provider.get_tracer("library"))))
    with tracing(MemoryLog(), spans, someone) as made:
        made.run(someone, "Go on.")
    assert spans.made == 0
    assert library.seen() == []


def test_without_tracing_a_tool_sees_the_callers_span() -> None:
    spans = Spans()
    someone = agent(fan_out(), tools=list(inner(spans)))
    tracer = spans.provider.get_tracer("the program")
    with runtime(someone) as (made, _), tracer.start_as_current_span("request"):
        made.run(someone, "Go on.")
    assert set(parents(spans.seen())) == {"request"}


def test_an_mcp_call_carries_the_trace_context_in_its_meta(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("Add.")
    spans = Spans()
    server = mcp([sys.executable, str(SERVER), str(words)], name="ours")
    someone = agent([call("meta"), "Done."], tools=[server])
    log = MemoryLog()
    with tracing(log, spans, someone) as made:
        run = made.run(someone, "Go on.").run_id
        (told,) = [r.event for r in records(log, run) if isinstance(r.event, ToolSucceeded)]
    called = spans.one("execute_tool meta")
    assert isinstance(told.result, dict)
    assert told.result["traceparent"] == f"00-{called.trace:032x}-{called.id:016x}-01"
