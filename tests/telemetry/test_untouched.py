"""What tracing costs and changes where nobody asked for it: nothing."""

import subprocess
import sys

from tests.house.sources import ROOT

RUN = """
import sys, os
from playhead import Telemetry, Agent, Runtime
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel
agent = Agent(name="a", model=ScriptedModel(["Hello."]))
{before}
with Runtime(MemoryLog(), [agent], {arguments}) as runtime:
    assert runtime.run(agent, "Greet.").output == "Hello."
{after}
"""


def run(before: str, after: str, arguments: str = "", **environ: str) -> str:
    """A run in a process of its own; what it printed on stdout."""
    code = RUN.format(before=before, after=after, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_without_an_exporter_the_sdk_is_not_even_imported() -> None:
    run("", "assert not [m for m in sys.modules if m.startswith('opentelemetry')]")


def test_with_the_sdk_disabled_it_is_not_imported_either() -> None:
    run(
        "",
        "assert 'opentelemetry.sdk' not in sys.modules",
        OTEL_SDK_DISABLED="true",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )


def test_the_global_tracer_provider_is_neither_set_nor_used() -> None:
    before = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept, ours = InMemorySpanExporter(), InMemorySpanExporter()
one, two = TracerProvider(), TracerProvider()
one.add_span_processor(SimpleSpanProcessor(kept))
two.add_span_processor(SimpleSpanProcessor(ours))
trace.set_tracer_provider(one)
"""
    after = """
assert trace.get_tracer_provider() is one
assert not kept.get_finished_spans()
assert ours.get_finished_spans()
"""
    run(before, after, "telemetry=Telemetry(tracer_provider=two)")


def test_a_provider_made_from_the_variables_stays_ours() -> None:
    after = """
from opentelemetry import trace
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
"""
    assert "invoke_agent a" in run("", after, OTEL_TRACES_EXPORTER="console")


def test_a_program_without_structlog_settings_gets_no_line_and_no_settings() -> None:
    assert run("", "import structlog; assert not structlog.is_configured()") == ""
