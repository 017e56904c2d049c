"""Spans over the wire, received and decoded by a real collector."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from playhead import Runtime, UsageError
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.settings import Telemetry
from playhead.telemetry.setup import Reporting, export_trace, exporters, otlp_provider
from playhead.testing import call
from tests.telemetry.collector import Collector, grpc_collector, http_collector
from tests.telemetry.traced import agent


def checked(collector: Collector) -> None:
    """What arrived is one tree with the names, kinds, status and parents that were meant."""
    spans = {span.name: span for span in collector.spans}
    root, chat, failed = (
        spans["invoke_agent adder"], spans["chat custom"], spans["execute_tool fail"]
    )  # fmt: skip
    assert len({span.trace for span in collector.spans}) == 1
    assert root.parent == 0
    ids = {span.id for span in collector.spans}
    assert all(span.parent in ids for span in collector.spans if span is not root)
    assert (root.kind, chat.kind, spans["process run_started"].kind) == (1, 3, 5)
    assert (failed.status, chat.status) == (2, 0)
    assert "ToolError" in dict(failed.attributes)["error.type"]


def ran(log: Path) -> str:
    """A run under whatever the environment says, closed at once; its id."""
    someone = agent([call("add", a=1, b=2), call("fail", why="no"), "Done."])
    with Runtime(log, [someone]) as runtime:
        return runtime.run(someone, "Add.").run_id


def test_the_standard_variables_send_spans_over_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "sums")
        ran(tmp_path / "log.db")
        checked(collector)
        assert {span.service for span in collector.spans} == {"sums"}


def test_the_standard_variables_send_spans_over_grpc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with grpc_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        ran(tmp_path / "log.db")
        checked(collector)
        assert {span.service for span in collector.spans} == {"playhead"}


def test_a_trace_that_was_never_sent_is_exported_from_the_log(tmp_path: Path) -> None:
    run = ran(tmp_path / "log.db")
    reader = SqliteReader(tmp_path / "log.db")
    with http_collector() as collector:
        provider = otlp_provider(collector.url)
        count = export_trace(reader, run, provider)
        assert count == len(collector.spans)
        checked(collector)
        once = collector.tree()
        export_trace(reader, run, provider)
        assert collector.tree() == once
        provider.shutdown()
    reader.close()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "x"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ["otlp", "console"]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, []),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, []),
    ],
)
def test_which_exporters_the_variables_ask_for(
    environ: Mapping[str, str], expected: list[str]
) -> None:
    assert exporters(environ) == expected


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin': choose otlp"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTLP protocol 'http/json': choose http/protobuf or grpc",
        ),
    ],
)
def test_a_variable_that_says_what_cannot_be_is_named(
    environ: Mapping[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        Reporting(Telemetry(), environ)


def test_a_run_that_is_not_there_cannot_be_exported() -> None:
    with pytest.raises(UsageError, match="no run 'x'"):
        export_trace(MemoryLog(), "x", TracerProvider(shutdown_on_exit=False))
