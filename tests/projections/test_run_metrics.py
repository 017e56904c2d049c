"""Run metrics: live and rebuilt they are the same; what is waiting, and what counts as an error."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.codec import decode
from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested, LoopDetected
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import (
    LimitReached,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
)
from playhead.events.kinds.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolRequested,
    ToolStarted,
    ToolSucceeded,
)
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.events.spec.prices import Price
from playhead.events.usage import Usage
from playhead.projections.cost.ledger import Ledger
from playhead.projections.metrics.call_stats import Durations
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.metrics.view import RunMetricsView, find_run_metrics
from playhead.projections.stored.view import Views
from playhead.testing.appends import append_of, write

PRICE = Price(input=1.0, output=5.0, cache_write=1.25, cache_write_1h=2.0, cache_read=0.1)
STARTED = RunStarted(
    goal="g",
    agent=AgentSpec(name="a", instructions="", model=ModelSettings(model="m"), prices={"m": PRICE}),
    code="1",
)
SECOND = 1_000_000


def asked(attempt: int = 1, model: str = "m", reserved: int | None = None) -> ModelRequested:
    return ModelRequested(
        step="s", round=1, attempt=attempt, model=model, request="r", reserved_tokens=9,
        reserved_cost=reserved,
    )  # fmt: skip


def answered(**usage: int) -> ModelAnswered:
    said = Usage.model_validate(usage)
    return ModelAnswered(content=(), stop_reason="end_turn", usage=said, model="m", duration_ms=1)


def requested(tool: str = "t") -> ToolRequested:
    return ToolRequested(step="s", tool=tool, arguments={})


def started(call: int, attempt: int = 1) -> ToolStarted:
    return ToolStarted(call=call, attempt=attempt, definition="d")


FAILED = ToolFailed(error="e", message="m", duration_ms=20)
INTERRUPTED = ModelFailed(error="interrupted", message="", retryable=True)
DONE = ToolSucceeded(result="r", duration_ms=20)


def counted(*told: tuple[float, Event] | tuple[float, Event, int]) -> RunMetrics:
    """The metrics of a run: each event with the second at which it came, and its cause."""
    metrics = RunMetrics(run="r")
    for seq, (second, event, *cause) in enumerate(((0.0, STARTED), *told), 1):
        at = SECOND + int(second * SECOND)
        where = cause[0] if cause else None
        metrics.fold(Record("r", seq, at, "user", "outside", where, event))
    return metrics


def test_a_run_is_as_long_as_it_took_without_waiting_for_people() -> None:
    metrics = counted(
        (1, requested()),
        (2, ApprovalRequested(call=2, binding="b")),
        (100, ApprovalDecided(call=2, binding="b", approved=True)),
        (101, RunPaused(reason="p")),
        (200, RunResumed(code="1")),
        (203, RunFinished(answer="")),
    )
    assert metrics.seconds == 203 - 98 - 99


def test_time_in_which_something_else_goes_on_is_no_waiting() -> None:
    metrics = counted(
        (0, requested()),
        (0, asked()),
        (0, ApprovalRequested(call=2, binding="b")),
        (10, answered(), 3),
        (15, ApprovalDecided(call=2, binding="b", approved=True)),
        (16, RunFinished(answer="")),
    )
    assert metrics.seconds == 16 - 5


def test_an_open_approval_waits_until_it_is_decided_refused_or_the_run_ends() -> None:
    request = (ApprovalRequested(call=2, binding="b"),)
    refused = ToolRefused(call=2, reason="denied", message="")
    assert counted((0, requested()), (0, *request)).approvals == {2}
    assert counted((0, requested()), (0, *request), (1, refused)).approvals == set()
    assert counted((0, requested()), (0, *request), (1, RunCancelled())).approvals == set()


def test_a_tools_errors_are_its_failed_attempts_and_calls_that_were_made_wrongly() -> None:
    metrics = counted(
        (0, requested()),
        (0, started(2)),
        (1, FAILED, 3),
        (1, started(2, attempt=2)),
        (2, DONE, 5),
        (3, requested()),
        (3, ToolRefused(call=7, reason="invalid_arguments", message="")),
        (3, requested()),
        (3, ToolRefused(call=9, reason="denied", message="")),
        (3, requested()),
        (3, started(11)),
        (3, ToolOutcomeUnknown(reason="interrupted"), 12),
    )
    tool = metrics.tools["t"]
    assert (tool.attempts, tool.errors, tool.retries) == (4, 3, 1)
    assert sum(tool.durations.counts) == 2


def test_cost_counts_every_token_by_its_price() -> None:
    usage = {
        "input_tokens": 1000, "output_tokens": 10, "cache_read_input_tokens": 100_000,
        "cache_creation_input_tokens": 400,
    }  # fmt: skip
    metrics = counted((0, asked()), (1, answered(**usage), 2))
    model = metrics.models["m"]
    assert (model.usage.input_total, model.usage.output_tokens) == (101_400, 10)
    assert metrics.known_cost == 1_000_000 * (1000 + 50 + 10_000 + 500)


def test_a_call_without_a_known_price_makes_the_cost_unknown_and_never_zero() -> None:
    metrics = counted((0, asked(model="x")), (1, answered(input_tokens=1), 2))
    assert (metrics.known_cost, metrics.models["x"].unpriced) == (None, 1)


def test_an_interrupted_call_costs_what_was_reserved_and_a_refused_one_nothing() -> None:
    busy = ModelFailed(error="overloaded", message="", status=529, retryable=True)
    metrics = counted((0, asked(reserved=7)), (1, INTERRUPTED, 2))
    assert (metrics.cost, metrics.models["m"].errors) == (7, 1)
    assert counted((0, asked(reserved=7)), (1, busy, 2)).cost == 0


def test_guards_that_stop_a_run_are_counted_and_warnings_are_not() -> None:
    loop = LoopDetected(step="s", pattern="cycle", count=3, action="warn", message="m")
    limit = LimitReached(limit="max_steps", maximum=1, wanted=2)
    stop = loop.model_copy(update={"action": "stop"})
    assert counted((0, loop), (0, limit), (0, stop)).guard_stops == 2


EVENTS: tuple[Event, ...] = (
    asked(), asked(2), answered(input_tokens=3, output_tokens=4), requested(), requested("u"),
    started(2), started(5, 2), DONE, FAILED, ToolRefused(call=4, reason="unknown_tool", message=""),
    ApprovalRequested(call=3, binding="b"),
    ApprovalDecided(call=3, binding="b", approved=False), RunPaused(reason="p"),
    RunResumed(code="1"), RunFinished(answer=""), RunFailed(reason="x", message=""),
)  # fmt: skip

turns = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, len(EVENTS)), st.integers(1, 9)))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def rebuilt(log: MemoryLog) -> list[RunMetrics]:
    with closing(Views(log, ":memory:", [RunMetricsView()])) as views:
        views.catch_up()
        return find_run_metrics(views.connection)


@given(turns)
def test_live_and_rebuilt_in_any_pieces_are_the_same(turns: list[tuple[str, int, int]]) -> None:
    log = MemoryLog()
    live = {run: RunMetrics(run=run, own=True) for run in "ab"}
    views = Views(log, ":memory:", [RunMetricsView()])

    def go_on(run: str, event: Event) -> None:
        append = append_of(run, event, after=log.head(run))
        write(log, append)
        row = list(log.read(run))[-1]
        live[run].fold(decode(row, log.body))

    for run in "ab":
        go_on(run, STARTED)
    for run, choice, _ in turns:
        if choice == len(EVENTS):
            views.catch_up()
        elif not live[run].ended:
            go_on(run, EVENTS[choice])
    views.catch_up()
    assert find_run_metrics(views.connection) == rebuilt(log) == list(live.values())
    views.close()


@given(turns)
def test_what_a_run_cost_is_what_its_ledger_says(turns: list[tuple[str, int, int]]) -> None:
    metrics, lines = RunMetrics(run="r"), Ledger()
    cost: int | None = 0
    cut = ModelFailed(error="timeout", message="", retryable=True, usage=Usage(input_tokens=7))
    events = (asked(reserved=5), asked(model="x"), answered(output_tokens=2), cut, INTERRUPTED)
    for seq, event in enumerate([STARTED, *(events[n % 5] for _, n, _ in turns)], 1):
        cause = next(iter(metrics.asked), None) if "model_" in event.kind else None
        if cause is None and not isinstance(event, RunStarted | ModelRequested):
            continue
        record = Record("r", seq, seq, "user", "outside", cause, event)
        metrics.fold(record)
        for line in lines.fold(record):
            cost = None if cost is None or line.cost is None else cost + line.cost
    assert metrics.known_cost == cost


def test_runs_that_ended_earlier_are_left_out_and_open_ones_are_not(log: MemoryLog) -> None:
    for run, ending in (("a", RunFinished(answer="")), ("b", None)):
        append = append_of(run, STARTED, *([ending] if ending else []))
        write(log, append)
    views = Views(log, ":memory:", [RunMetricsView()])
    views.catch_up()
    late = 1 << 60
    assert [m.run for m in find_run_metrics(views.connection, since=late)] == ["b"]
    assert [m.run for m in find_run_metrics(views.connection, agent="nobody")] == []
    views.close()


def test_a_stored_measure_of_another_shape_is_not_read_as_if_it_were_one() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE run_metrics (run, agent, ended, last_at, position, data)")
    row = ("a", "a", 0, 1, 1, '{"run": "a", "strange": 1}')
    connection.execute("INSERT INTO run_metrics VALUES (?, ?, ?, ?, ?, ?)", row)
    with pytest.raises(ValueError, match="strange"):
        find_run_metrics(connection)
    connection.close()


def test_calls_of_minutes_are_told_apart() -> None:
    durations = Durations()
    for minutes in (2, 10, 40):
        durations.add(60.0 * minutes)
    quartiles = [durations.quantile(share) for share in (0.3, 0.6, 1.0)]
    assert quartiles == [163.84, 655.36, 2621.44]
