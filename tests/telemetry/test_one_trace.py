"""Live, over two lifetimes, after a kill and from the log: one and the same trace."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracerProvider,
    Span,
    SpanContext,
    TraceFlags,
    Tracer,
    TracerProvider,
    use_span,
)

from playhead import Runtime, Telemetry, tool
from playhead.events.errors import ModelError, RunNotFinished
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.testing import Scripted, call
from tests.house.sources import ROOT
from tests.telemetry.collector import http_collector
from tests.telemetry.killed import agent as looker
from tests.telemetry.traced import FEW, Seen, Spans, agent, recorded, tracing

replies: st.SearchStrategy[Scripted] = st.one_of(
    st.lists(
        st.sampled_from(
            [call("add", a=1, b=2), call("add", a="x"), call("fail", why="no"), call("nothing")]
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([ModelError("overloaded", "busy", retryable=True), ModelError("auth", "no")]),
)
scripts = st.lists(replies, max_size=5).map(lambda script: [*script, "The answer."])


def whole(spans: list[Seen]) -> None:
    """One trace, one root, no orphan, no two spans of one id."""
    ids = {span.id for span in spans}
    assert len({span.trace for span in spans}) == 1
    assert len(ids) == len(set(spans))
    assert [span.name for span in set(spans) if span.parent is None] == ["invoke_agent adder"]
    assert all(span.parent is None or span.parent in ids for span in spans)
    assert all(link in ids for span in spans for link in span.links)


@settings(max_examples=30)
@given(script=scripts)
def test_the_trace_is_the_same_live_and_from_the_log(script: list[Scripted]) -> None:
    log, spans, someone = MemoryLog(), Spans(), agent(script, limits=FEW)
    with tracing(log, spans, someone) as runtime:
        run = runtime.start(someone, "Add.", session="s")
        with suppress(RunNotFinished):
            run.wait()
        live = spans.seen()
        whole(live)
        assert live == recorded(log, run.id)


def test_content_is_the_same_live_and_from_the_log() -> None:
    log, spans = MemoryLog(), Spans()
    someone = agent([call("add", a=1, b=2), "It is 3."])
    with tracing(log, spans, someone, content=True) as runtime:
        run = runtime.run(someone, "What is 1 + 2?").run_id
        assert spans.seen() == recorded(log, run, content=True)
        prompts = [s.about["gen_ai.input.messages"] for s in spans.seen() if s.kind == "CLIENT"]
        assert all("What is 1 + 2?" in prompt for prompt in prompts)
        assert '"response":"3"' in prompts[-1]


def test_a_run_that_is_taken_up_by_another_runtime_has_one_trace(tmp_path: Path) -> None:
    entered = threading.Event()

    @tool(effect="read")
    async def wait() -> str:
        """Wait, the first time for ever."""
        if not entered.is_set():
            entered.set()
            await asyncio.Event().wait()
        return "done"

    log, spans = tmp_path / "log.db", Spans()
    first, second = (agent(script, tools=[wait]) for script in ([call("wait")], ["The end."]))
    with Runtime(
        log, [first], telemetry=Telemetry(tracer_provider=spans.provider), drain_seconds=0
    ) as runtime:
        run = runtime.start(first, "Wait.")
        entered.wait()
    before = set(spans.seen())
    with Runtime(log, [second], telemetry=Telemetry(tracer_provider=spans.provider)) as runtime:
        runtime.attach(run.id, second).wait()
    whole(spans.seen())
    reader = SqliteReader(log)
    assert before < set(spans.seen())
    assert set(spans.seen()) == set(recorded(reader, run.id))  # type: ignore[arg-type]
    reader.close()


def test_after_a_kill_the_trace_is_whole_though_the_dead_process_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.db"
    with http_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
        command = [sys.executable, "-m", "tests.telemetry.killed", str(log)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            run = process.stdout.readline().strip()
            assert process.stdout.readline() == "waiting\n"
            os.kill(process.pid, signal.SIGKILL)
        assert collector.spans == []
        someone = looker(["I have seen it."])
        with Runtime(log, [someone]) as runtime:
            runtime.attach(run, someone).wait()
        got = {(span.id, span.parent, span.name, span.start, span.end) for span in collector.spans}
    reader = SqliteReader(log)
    told = recorded(reader, run)  # type: ignore[arg-type]
    reader.close()
    assert {s.trace for s in told} == {s.trace for s in collector.spans}
    assert got == {(s.id, s.parent or 0, s.name, s.start, s.end) for s in told}
    interrupted = [s for s in told if s.about.get("error.type") == "interrupted"]
    assert [s.name for s in interrupted] == ["execute_tool look"]


def test_runs_of_a_session_share_its_conversation_and_have_traces_of_their_own() -> None:
    log, spans, someone = MemoryLog(), Spans(), agent(["One.", "Two."])
    with tracing(log, spans, someone) as runtime:
        for goal in ("first", "second"):
            runtime.run(someone, goal, session="chat-7")
    roots = [s for s in spans.seen() if s.parent is None]
    assert len({s.trace for s in roots}) == 2
    assert {s.about["gen_ai.conversation.id"] for s in spans.seen() if s.kind != "CONSUMER"} == {
        "chat-7"
    }


def test_the_callers_span_is_the_parent_of_the_run() -> None:
    log, spans, someone = MemoryLog(), Spans(), agent(["Hello."])
    with tracing(log, spans, someone) as runtime:
        tracer = spans.provider.get_tracer("the program")
        with tracer.start_as_current_span("request") as request:
            run = runtime.run(someone, "Greet.").run_id
        caller = request.get_span_context()
        root = spans.one("invoke_agent adder")
        assert (root.trace, root.parent) == (caller.trace_id, caller.span_id)
        assert [s for s in spans.seen() if s.name != "request"] == recorded(log, run)


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.0)])
def test_a_run_that_is_not_sampled_gives_no_span(sampler: TraceIdRatioBased) -> None:
    spans, someone = Spans(sampler), agent(["Hello."])
    with tracing(MemoryLog(), spans, someone) as runtime:
        runtime.run(someone, "Greet.")
    assert spans.made == 0


def test_a_caller_that_does_not_record_is_followed_in_that() -> None:
    spans, someone = Spans(ParentBased(TraceIdRatioBased(1.0))), agent(["Hello."])
    silent = NonRecordingSpan(SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(0)))
    with tracing(MemoryLog(), spans, someone) as runtime, use_span(silent):
        runtime.run(someone, "Greet.")
    assert spans.seen() == []


def test_a_provider_that_does_nothing_is_asked_for_nothing() -> None:
    someone = agent(["Hello."])
    with Runtime(
        MemoryLog(), [someone], telemetry=Telemetry(tracer_provider=NoOpTracerProvider())
    ) as runtime:
        assert runtime.run(someone, "Greet.").output == "Hello."


def test_a_processor_that_raises_does_not_harm_the_run() -> None:
    class Broken(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise ValueError(span.name)

    spans, someone = Spans(), agent(["Hello."])
    spans.provider.add_span_processor(Broken())
    with tracing(MemoryLog(), spans, someone) as runtime:
        assert runtime.run(someone, "Greet.").output == "Hello."
    assert spans.made == 1


class Wrapping(TracerProvider, Tracer):
    """A provider that is not the SDK's, as vendors wrap it: only the API's methods are there."""

    def __init__(self, spans: Spans) -> None:
        self._tracer = spans.provider.get_tracer("inner")

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return self

    def start_span(self, *args: Any, **more: Any) -> Span:
        return self._tracer.start_span(*args, **more)

    def start_as_current_span(self, *args: Any, **more: Any) -> Any:
        raise AssertionError(args, more)


def test_a_provider_that_is_not_the_sdks_gets_the_same_tree_with_ids_of_its_own() -> None:
    log, spans = MemoryLog(), Spans()
    someone = agent([[call("add", a=1, b=2), call("fail", why="no")], "Done."])

    def tree(found: list[Seen]) -> list[object]:
        names = {s.id: s.name for s in found}
        # The span of a tool call is started with its intent, for its id must be known then.
        tools = [s.name for s in found if s.name.startswith("execute_tool")]
        return [
            (s.name, names.get(s.parent or 0), [names[i] for i in s.links],
             None if s.name in tools else s.start, s.end, s.kind,
             s.status, s.attributes, s.events)
            for s in found
        ]  # fmt: skip

    with Runtime(log, [someone], telemetry=Telemetry(tracer_provider=Wrapping(spans))) as runtime:
        run = runtime.run(someone, "Go on.").run_id
        told = recorded(log, run)
    assert tree(spans.seen()) == tree(told)
    assert not {s.id for s in spans.seen()} & {s.id for s in told}
