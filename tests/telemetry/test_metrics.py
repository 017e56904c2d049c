"""Metrics of a runtime: live as in the log, under the conventions' names, and alerts."""

import asyncio
import queue
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from playhead import Agent, Alert, AlertRule, Alerts, Limits, Runtime, Telemetry, UsageError, tool
from playhead.events.errors import ModelError, RunNotFinished
from playhead.events.log.contract import Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.record import Record
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.telemetry.exporters import meter_provider_from_env
from playhead.telemetry.live_metrics import LiveMetrics, read_run_metrics
from playhead.testing import Scripted, ScriptedModel, call
from tests.telemetry.collector import http_collector
from tests.telemetry.test_one_trace import scripts
from tests.telemetry.traced import FEW, agent


class Kept:
    """A listener that keeps the metrics of ended runs."""

    def __init__(self) -> None:
        self.runs: list[RunMetrics] = []

    def record(self, metrics: RunMetrics, record: Record) -> None:
        pass

    def folded(self, metrics: RunMetrics) -> None:
        pass

    def ended(self, metrics: RunMetrics) -> None:
        self.runs.append(metrics)


@settings(max_examples=25)
@given(script=scripts)
def test_live_metrics_are_those_of_the_log(script: list[Scripted]) -> None:
    log, kept, someone = MemoryLog(), Kept(), agent(script, limits=FEW)
    watcher = LiveMetrics(log, [kept]).committed
    with Runtime(log) as runtime, suppress(RunNotFinished):
        runtime.watch(watcher)
        runtime.register(someone)
        runtime.run(someone, "Add.")
    assert kept.runs == read_run_metrics(log).runs


def test_a_run_that_is_taken_up_is_measured_from_its_first_record(tmp_path: Path) -> None:
    path, kept = tmp_path / "log.db", Kept()
    first, second = agent([call("add", a=1, b=2), "x"]), agent(["Done."])
    with Runtime(path, [first]) as runtime:
        run = runtime.start(first, "Add.")
        next(r for r in run.events() if r.event.kind == "tool_requested")
        run.pause()
    reader = SqliteReader(path)
    watcher = LiveMetrics(reader, [kept]).committed
    with Runtime(path) as runtime:
        runtime.watch(watcher)
        runtime.register(second)
        again = runtime.attach(run.id, second)
        if again.status == "paused":
            again.resume()
        again.wait()
    assert kept.runs == read_run_metrics(reader).runs
    reader.close()


def test_a_fork_is_measured_from_where_it_left_its_parent() -> None:
    log, kept = MemoryLog(), Kept()
    someone = agent([call("add", a=1, b=2), "It is 3.", "It is three."])
    watcher = LiveMetrics(log, [kept]).committed
    with Runtime(log) as runtime:
        runtime.watch(watcher)
        runtime.register(someone)
        parent = runtime.run(someone, "Add.").run_id
        fork = runtime.fork(parent, next(
            r.seq for r in runtime.attach(parent).events() if r.event.kind == "tool_succeeded"
        ))  # fmt: skip
        fork.wait()
    assert kept.runs == read_run_metrics(log).runs
    first, second = kept.runs
    assert (first.steps, second.steps, second.run, second.agent) == (2, 1, fork.id, "adder")
    assert second.tools == {}


def test_a_fork_waits_for_the_person_that_its_parent_waited_for() -> None:
    log, reader = MemoryLog(), InMemoryMetricReader()
    payer = Agent(name="payer", model=ScriptedModel([call("pay"), "Paid."]), tools=[pay])
    meters = MeterProvider([reader], shutdown_on_exit=False)
    with Runtime(log, [payer], telemetry=Telemetry(meter_provider=meters)) as runtime:
        parent = runtime.start(payer, "Pay.")
        asked = next(r for r in parent.events() if r.event.kind == "approval_requested")
        fork = runtime.fork(parent.id, asked.seq)
        next(r for r in fork.events() if r.event.kind == "run_resumed")
        parent.cancel()
        with suppress(RunNotFinished):
            parent.wait()
        assert {m.run: len(m.approvals) for m in read_run_metrics(log).runs} == {
            parent.id: 0, fork.id: 1,
        }  # fmt: skip
        assert points(reader)["playhead.approvals.waiting"] == [({"gen_ai.agent.name": "payer"}, 1)]
        fork.approve(asked.event.call)  # type: ignore[attr-defined]
        fork.wait()
    forked = read_run_metrics(log).runs[-1]
    assert (forked.tools["pay"].attempts, forked.approvals) == (1, set())
    assert points(reader)["playhead.approvals.waiting"] == [({"gen_ai.agent.name": "payer"}, 0)]


@tool(approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


def test_a_listener_that_raises_harms_neither_the_run_nor_the_others() -> None:
    class Broken(Kept):
        def record(self, metrics: RunMetrics, record: Record) -> None:
            raise ValueError(record.seq)

    log, kept, someone = MemoryLog(), Kept(), agent(["Hello."])
    watcher = LiveMetrics(log, [Broken(), kept]).committed
    with Runtime(log) as runtime:
        runtime.watch(watcher)
        runtime.register(someone)
        assert runtime.run(someone, "Greet.").output == "Hello."
    assert [m.status for m in kept.runs] == ["finished"]


def points(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    """Name -> attributes and value (or sum) of each point."""
    data = reader.get_metrics_data()
    assert data is not None
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    return {
        m.name: [
            (dict(p.attributes or {}), getattr(p, "value", None) or getattr(p, "sum", 0))
            for p in m.data.data_points
        ]
        for m in metrics
    }


def test_otel_metrics_carry_the_conventions_names() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    log = MemoryLog()
    busy = ModelError("overloaded", "busy", status=529, retryable=True)
    someone = agent([busy, call("add", a=1, b=2), call("fail", why="no"), "Done."])
    with Runtime(log, [someone], telemetry=Telemetry(meter_provider=provider)) as runtime:
        runtime.run(someone, "Add.")
    found = points(reader)
    calls = [about for about, _ in found["gen_ai.client.operation.duration"]]
    chat = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "custom",
    }  # fmt: skip
    assert {**chat, "gen_ai.response.model": "custom"} in calls
    assert {**chat, "error.type": "overloaded"} in calls
    assert {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "add"} in calls
    assert "ToolError" in [about.get("error.type") for about in calls]
    (metrics,) = read_run_metrics(log).runs
    metrics.models["custom"]
    tokens = {about["gen_ai.token.type"]: n for about, n in found["gen_ai.client.token.usage"]}
    assert tokens == {
        "input": metrics.models["custom"].usage.input_total,
        "output": metrics.models["custom"].usage.output_tokens,
    }
    ended = {"gen_ai.agent.name": "adder", "playhead.status": "finished"}
    assert found["playhead.runs"] == [(ended, 1)]
    again = {"gen_ai.agent.name": "adder", "gen_ai.request.model": "custom"}
    assert found["playhead.retries"] == [(again, 1)]


@settings(max_examples=25)
@given(script=scripts)
def test_otel_counts_what_the_log_counts(script: list[Scripted]) -> None:
    log, reader, someone = MemoryLog(), InMemoryMetricReader(), agent(script, limits=FEW)
    meters = MeterProvider([reader], shutdown_on_exit=False)
    with (
        Runtime(log, [someone], telemetry=Telemetry(meter_provider=meters)) as runtime,
        suppress(RunNotFinished),
    ):
        runtime.run(someone, "Add.")
    counted = {name: sum(n for _, n in found) for name, found in points(reader).items()}
    (metrics,) = read_run_metrics(log).runs
    effects = [*metrics.tools.values(), *metrics.models.values()]
    assert counted.get("playhead.guard.stops", 0) == metrics.guard_stops
    assert counted.get("playhead.retries", 0) == sum(each.retries for each in effects)
    assert counted.get("playhead.approvals.waiting", 0) == 0


@tool(effect="read")
async def wait() -> str:
    """Wait for what never comes."""
    await asyncio.Event().wait()
    return "never"


def test_a_run_that_took_too_long_is_a_stop_by_a_guard() -> None:
    log, reader = MemoryLog(), InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    slow = Agent(
        name="slow", model=ScriptedModel([call("wait")]), tools=[wait],
        limits=Limits(max_seconds=0.05),
    )  # fmt: skip
    with (
        Runtime(log, [slow], telemetry=Telemetry(meter_provider=meters)) as runtime,
        suppress(RunNotFinished),
    ):
        runtime.run(slow, "Wait.")
    assert points(reader)["playhead.guard.stops"] == [({"gen_ai.agent.name": "slow"}, 1)]
    assert read_run_metrics(log).runs[0].guard_stops == 1


def test_what_waits_for_a_person_is_counted_by_the_process_that_has_it(tmp_path: Path) -> None:
    payer = Agent(name="payer", model=ScriptedModel([call("pay"), "Paid."]), tools=[pay])
    waiting: list[int] = []
    with Runtime(tmp_path / "log.db", [payer]) as runtime:
        run = runtime.start(payer, "Pay.")
        asked = next(r for r in run.events() if r.event.kind == "approval_requested")
    for decided in (False, False, True):
        reader = InMemoryMetricReader()
        meters = MeterProvider([reader], shutdown_on_exit=False)
        with Runtime(
            tmp_path / "log.db", [payer], telemetry=Telemetry(meter_provider=meters)
        ) as runtime:
            if decided:
                again = runtime.attach(run.id, payer)
                again.approve(asked.event.call)  # type: ignore[attr-defined]
                again.wait()
            waiting.append(sum(n for _, n in points(reader).get("playhead.approvals.waiting", ())))
        left = points(reader).get("playhead.approvals.waiting", ())
        assert sum(n for _, n in left) == 0
    assert waiting == [1, 1, 0]


def test_the_standard_variables_send_metrics_only_when_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        for asked in (False, True):
            if asked:
                monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
            someone = agent(["Hello."])
            with Runtime(tmp_path / f"{asked}.db", [someone]) as runtime:
                runtime.run(someone, "Greet.")
            assert ("gen_ai.client.token.usage" in collector.metrics) == asked


def test_an_exporter_of_metrics_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="OTEL_METRICS_EXPORTER is 'statsd': choose otlp"):
        meter_provider_from_env({"OTEL_METRICS_EXPORTER": "statsd"})


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    kept = structlog.testing.LogCapture()
    structlog.configure(processors=[kept])
    yield kept.entries  # type: ignore[misc]
    structlog.reset_defaults()


def run_all(log: MemoryLog, alerts: Alerts, scripts: list[list[Scripted]]) -> None:
    for script in scripts:
        someone = agent(script)
        with (
            Runtime(log, [someone], telemetry=Telemetry(alerts=alerts)) as runtime,
            suppress(RunNotFinished),
        ):
            runtime.run(someone, "Go.")


BAD: list[Scripted] = [ModelError("auth", "no")]
GOOD: list[Scripted] = ["Fine."]
COMPLETION = AlertRule(indicator="completion_rate", at_least=0.9, alert_below=0.8)


def test_an_alert_is_told_when_it_begins_and_when_it_is_over(lines: list[dict[str, Any]]) -> None:
    told: queue.SimpleQueue[Alert] = queue.SimpleQueue()
    alerts = Alerts(told.put, rules=[COMPLETION], window=2)
    someone = agent([*BAD, *BAD, *GOOD, *GOOD, *GOOD])
    with Runtime(MemoryLog(), [someone], telemetry=Telemetry(alerts=alerts)) as runtime:
        for _ in range(5):
            with suppress(RunNotFinished):
                runtime.run(someone, "Go.")
    began, over = told.get_nowait(), told.get_nowait()
    assert told.empty()
    assert (began.firing, began.agent, began.indicator.name) == (True, "adder", "completion_rate")
    assert (began.indicator.value, over.firing) == (0, False)
    said = [line for line in lines if line["event"].startswith("alert.")]
    assert [(line["event"], line["log_level"]) for line in said] == [
        ("alert.firing", "warning"),
        ("alert.over", "info"),
    ]


def test_runs_of_earlier_processes_count_too() -> None:
    log, told = MemoryLog(), queue.SimpleQueue[Alert]()
    alerts = Alerts(told.put, rules=[COMPLETION])
    run_all(log, alerts, [GOOD] * 9)
    run_all(log, alerts, [BAD])
    assert told.empty()


def test_a_callback_that_raises_does_not_harm_the_run(lines: list[dict[str, Any]]) -> None:
    def broken(_: Alert) -> None:
        raise ValueError

    run_all(MemoryLog(), Alerts(broken, rules=[COMPLETION]), [BAD])
    assert "alert.untold" in [line["event"] for line in lines]


def test_a_run_that_costs_twice_what_its_like_cost_is_an_alert_by_itself() -> None:
    log, told = MemoryLog(), queue.SimpleQueue[Alert]()
    alerts = Alerts(told.put)
    dear: list[Scripted] = ["long " * 20_000]
    run_all(log, alerts, [GOOD] * 6)
    run_all(log, alerts, [dear])
    found: list[Alert] = []
    while not told.empty():
        found.append(told.get())
    assert [a.indicator.name for a in found] == ["cost_ratio"]


def test_reading_metrics_leaves_the_log_alone(tmp_path: Path) -> None:
    someone = agent(GOOD)
    with Runtime(tmp_path / "log.db", [someone]) as runtime:
        runtime.run(someone, "Go.")
    before = (tmp_path / "log.db").read_bytes()
    reader: Reader = SqliteReader(tmp_path / "log.db")
    assert [m.status for m in read_run_metrics(reader).runs] == ["finished"]
    reader.close()
    assert (tmp_path / "log.db").read_bytes() == before
