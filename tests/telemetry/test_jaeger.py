"""A real Jaeger: a run goes in over HTTP, gRPC and from the log, and comes back the same tree."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead import Runtime
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.telemetry.setup import export_trace, otlp_provider
from playhead.testing import call
from tests.telemetry.jaeger import Jaeger, JaegerSpan, binary, running
from tests.telemetry.traced import Seen, agent, recorded

KINDS = {"INTERNAL": "internal", "CLIENT": "client", "CONSUMER": "consumer"}


@pytest.fixture(scope="module")
def jaeger() -> Iterator[Jaeger]:
    path = binary()
    if path is None:
        pytest.skip("Jaeger is not built: make jaeger, or set JAEGER_BIN")
    with running(path) as jaeger:
        yield jaeger


def ran(log: Path) -> str:
    someone = agent([call("add", a=1, b=2), call("fail", why="no"), "Done."])
    with Runtime(log, [someone]) as runtime:
        return runtime.run(someone, "Add.").run_id


def told(log: Path, run: str) -> list[Seen]:
    reader = SqliteReader(log)
    try:
        return recorded(reader, run)  # type: ignore[arg-type]
    finally:
        reader.close()


def same(expected: list[Seen], got: list[JaegerSpan]) -> None:
    """The same spans: names, ids, parents, kinds, starts, failures, and a tag of each."""

    def of_ours(span: Seen) -> tuple[object, ...]:
        start = (span.start or 0) // 1000
        return span.name, span.id, span.parent, start, KINDS[span.kind], span.status == "ERROR"

    assert {of_ours(span) for span in expected} == {
        (s.name, s.id, s.parent, s.start, s.kind, s.failed) for s in got
    }
    assert len(got) == len(expected)
    (root,) = [span for span in got if span.parent is None]
    assert root.name == "invoke_agent adder"
    assert root.tags["playhead.status"] == "finished"
    ids = {span.id for span in got}
    assert all(span.parent in ids for span in got if span is not root)


@pytest.mark.parametrize("way", ["http/protobuf", "grpc"])
def test_a_live_run_is_read_back_as_one_tree(
    jaeger: Jaeger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", way)
    endpoint = jaeger.grpc if way == "grpc" else jaeger.http
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", f"sums over {way}")
    run = ran(tmp_path / "log.db")
    expected = told(tmp_path / "log.db", run)
    same(expected, jaeger.trace(expected[0].trace, len(expected)))
    assert f"sums over {way}" in jaeger.services()


def test_a_run_that_sent_nothing_is_exported_from_its_log(jaeger: Jaeger, tmp_path: Path) -> None:
    run = ran(tmp_path / "log.db")
    expected = told(tmp_path / "log.db", run)
    reader = SqliteReader(tmp_path / "log.db")
    provider = otlp_provider(jaeger.http)
    export_trace(reader, run, provider)
    provider.shutdown()
    reader.close()
    same(expected, jaeger.trace(expected[0].trace, len(expected)))
