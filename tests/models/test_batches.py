"""A route by batch: half price, a durable wait, and nothing submitted twice."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

from playhead import (
    Agent,
    Capacity,
    Instead,
    Limits,
    ModelError,
    Price,
    Quota,
    Retry,
    Route,
    RunNotFinished,
    Runtime,
    Target,
    tool,
)
from playhead.actors.engine.recovery import take_up
from playhead.actors.fork import cut_at, fork_run
from playhead.actors.replay import replay
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import CancelRequested, RunCancelled, RunFinished
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.export import export
from playhead.events.maintenance.import_run import import_run
from playhead.events.model_api import BatchJob, Reply, Request
from playhead.events.record import Record
from playhead.events.usage import Usage
from playhead.projections.cost.ledger import ledger
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.stored.spending import Spending, find_used
from playhead.projections.stored.view import Views
from playhead.testing import ScriptedModel
from tests.actors.test_outage import Life
from tests.support.agents import records
from tests.support.batches_api import BatchesApi
from tests.support.messages_api import call, text
from tests.support.virtual import EPOCH, RUN
from tests.support.waiting import until

MODEL = "claude-sonnet-4-6"
BY_BATCH = {"reasoning": Route(ladder=(Target(model=MODEL),), batch=True)}
COST = 1000 * 3 + 100 * 15
"""Micro-dollars of the stub's reply at the full price."""


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def desk(**more: Any) -> Agent[str]:
    prices = {MODEL: Price(input=3, output=15)}
    return Agent(name="desk", model=MODEL, routing=BY_BATCH, prices=prices, tools=[add], **more)


def waits(runtime: Runtime, run: str) -> Any:
    """The wait of a run, once it waits."""
    return waits_again(runtime, run, None)


def waits_again(runtime: Runtime, run: str, before: int | None) -> Any:
    """Its wait, once it is another one than the wait `before`."""
    found: list[Any] = []

    def another() -> bool:
        found[:] = runtime.runs.waits(run)
        return bool(found) and found[0].wait.seq != before

    until(another)
    return found[0].wait


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_a_run_by_batch_waits_durably_and_goes_on_after_a_restart_at_half_price(
    path: Path,
) -> None:
    limits = Limits(max_cost=1.0, max_model_calls=2)
    with BatchesApi([call("add", {"a": 1, "b": 2}), text("3")]) as api:
        with Runtime(path, base_url=api.url) as runtime:
            run = runtime.start(desk(limits=limits), "go").id
            assert waits(runtime, run).error == "batch_pending"
        with Runtime(path, [desk(limits=limits)], base_url=api.url) as runtime:
            runtime.attach(run).resume()  # not ended: it waits again, and submits nothing
            first = waits(runtime, run).seq
            assert len(api.batches) == 1
            api.end()
            runtime.attach(run).resume()
            waits_again(runtime, run, first)
            assert len(api.batches) == 2
            api.end()
            runtime.attach(run).resume()
            result = runtime.attach(run).wait()
            assert result.answer == "3"
            assert runtime.replay(run).matches
            assert result.metrics.cost == COST * 10**6
            assert result.metrics.model_calls == 2
            assert result.metrics.model_failures == 0
    with SqliteLog(path) as log, Views.of(log, [Spending(log)]) as views:
        lines = list(ledger(records(log, run)))
        (used,) = find_used(views.connection, "agent", since=0)
    assert [line.cost for line in lines] == [COST * 10**6 // 2] * 2
    assert [line.usage.rates for line in lines] == [("batch",)] * 2
    assert used.cost == COST * 10**6
    assert used.calls == 2


def test_what_a_batch_may_cost_stays_reserved_at_half_price_while_the_run_waits(
    path: Path,
) -> None:
    with BatchesApi([text("3")]) as api, Runtime(path, base_url=api.url) as runtime:
        run = runtime.start(desk(limits=Limits(max_cost=1.0)), "go").id
        waits(runtime, run)
        with closing(SqliteReader(path)) as log:
            with Views.of(log, [Spending(log)]) as views:
                (used,) = find_used(views.connection, "agent", since=0)
            found = [r.event for r in records(log, run)]
        asked = [event for event in found if isinstance(event, ModelRequested)]
        assert used.cost == asked[0].reserved_cost
        assert used.cost < 0.6 * (asked[0].reserved_tokens * 15 * 10**6)


def test_a_submission_whose_answer_was_lost_is_found_by_its_id_and_not_made_again(
    path: Path,
) -> None:
    with BatchesApi([text("3"), text("4")]) as api:
        api.cut = True
        with Runtime(path, base_url=api.url) as runtime:
            run = runtime.start(desk(), "go").id
            wait = waits(runtime, run)
            assert wait.error == "batch_pending"
            assert len(api.batches) == 1
            api.end()
            runtime.attach(run).resume()
            assert runtime.attach(run).wait().answer == "3"
            assert runtime.replay(run).matches
    assert len(api.batches) == 1


@pytest.mark.parametrize(
    ("result", "word"),
    [
        ({"type": "expired"}, "batch_expired"),
        ({"type": "canceled"}, "batch_canceled"),
        (
            {
                "type": "errored",
                "error": {
                    "type": "error", "error": {"type": "invalid_request_error", "message": "no"},
                },
            },
            "invalid_request",
        ),
    ],
)  # fmt: skip
def test_a_batch_without_a_reply_fails_the_step_in_words(
    path: Path, result: dict[str, Any], word: str
) -> None:
    with BatchesApi([result]) as api, Runtime(path, base_url=api.url) as runtime:
        run = runtime.start(desk(), "go")
        waits(runtime, run.id)
        api.end()
        run.resume()
        with pytest.raises(RunNotFinished):
            run.wait()
    with SqliteLog(path) as log:
        failed = [r.event for r in records(log, run.id) if isinstance(r.event, ModelFailed)]
    assert failed[-1].error == word


def test_the_stub_speaks_the_types_of_the_sdk() -> None:
    with BatchesApi([text("3")]) as api:
        params = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
        body = {"requests": [{"custom_id": "a", "params": params}]}
        made = api.made(body)
        assert MessageBatch.model_validate(made).model_extra == {}
        (result,) = api.results(made["id"])
        assert MessageBatchIndividualResponse.model_validate(result).custom_id == "a"


class Batches:
    """A model by batch on a virtual clock: each batch takes an hour, and all are remembered."""

    name = "custom"

    def __init__(self) -> None:
        self.now: Any = lambda: 0.0
        self.hours = 1.0
        self.down = 0.0, 0.0
        """From when until when it cannot be reached."""
        self.made: dict[str, tuple[str, float]] = {}
        """By the request's id: its batch, and when that ends."""
        self.cancelled: set[str] = set()

    async def reply(self, request: Request, on_text: Any) -> Reply:
        raise AssertionError(request)

    async def close(self) -> None:
        pass

    async def reply_in_batch(self, request: Request, job: BatchJob) -> Reply:
        if self.down[0] <= self.now() < self.down[1]:
            raise ModelError(error="connection", message="lost", retryable=True)
        known = dict(self.made.values())
        if job.cancel:
            self.cancelled.add(job.batch)
        if job.batch:
            return self._answer(job.batch, known[job.batch])
        if job.id not in self.made:
            self.made[job.id] = f"b{len(self.made)}", self.now() + self.hours * 3600
        return self._answer(*self.made[job.id])

    def _answer(self, batch: str, ends: float) -> Reply:
        if self.now() < ends:
            raise ModelError(
                error="batch_pending",
                message="not yet",
                retryable=True,
                retry_after=600.0,
                batch=batch,
            )
        usage = Usage(input_tokens=10, output_tokens=5, rates=("batch",))
        return Reply((text("Done."),), "end_turn", usage, "custom")


class Waiter(Life):
    """Processes one after the other over one such model."""

    def __init__(self) -> None:
        self.batches = Batches()
        super().__init__(cast("Any", self.batches))
        routes = {"reasoning": Route(ladder=(Target(model="custom"),), batch=True)}
        self.agent = Agent(name="refunder", model=self.batches, routing=routes)


def test_killed_after_any_record_a_run_by_batch_is_resumed_and_submits_once() -> None:
    play = Waiter().process().start()
    assert isinstance(play.records[-1].event, RunFinished)
    assert play.appends > 6
    for kill in range(1, play.appends):
        life = Waiter()
        first = life.process()
        first.dies_after = kill
        first.start()
        life.ends(first)
        second = life.process().take_up()
        assert isinstance(second.records[-1].event, RunFinished), kill
        assert len(life.batches.made) == 1, kill
        assert replay(life.log, RUN).matches


def test_a_fork_of_a_run_that_waits_for_a_batch_asks_about_the_same_batch() -> None:
    life = Waiter()
    play = life.process().start()
    waits_at = [r.seq for r in play.records if r.event.kind == "outage_wait_started"]
    life.ends(play)
    fork_run(life.log, cut_at(life.log, RUN, waits_at[0]), "fork", EPOCH + int(life.elapsed * 1e6))
    forked = life.process()
    forked.go(lambda: take_up(forked.engine, "fork"))
    assert [row.kind for row in life.log.read("fork")][-1] == "run_finished"
    assert len(life.batches.made) == 1


def test_an_endpoint_that_fails_hours_after_a_batch_was_made_is_still_asked_about_it() -> None:
    """The hours for which the batch was not ended are no hours of an outage."""
    life = Waiter()
    life.batches.hours = 10.0
    life.batches.down = 8 * 3600.0, 9 * 3600.0
    play = life.process().start()
    assert isinstance(play.records[-1].event, RunFinished)
    assert "connection" in [r.event.error for r in play.records if isinstance(r.event, ModelFailed)]
    assert len(life.batches.made) == 1


def test_a_message_that_comes_while_a_batch_works_loses_no_reply_and_is_read_after_it(
    path: Path,
) -> None:
    with BatchesApi([text("3"), text("Read.")]) as api, Runtime(path, base_url=api.url) as runtime:
        run = runtime.start(desk(), "go")
        first = waits(runtime, run.id).seq
        run.send("And in words?")
        run.resume()
        waits_again(runtime, run.id, first)
        assert len(api.batches) == 1  # what it asks about is what it has submitted
        api.end()
        run.resume()
        until(lambda: len(api.batches) == 2)
        asked = list(api.requests.values())[1][0]["params"]["messages"]
        said = [block["text"] for message in asked for block in message["content"]]
        assert said[:3] == ["go", "3", "And in words?"]
        waits(runtime, run.id)
        api.end()
        run.resume()
        assert run.wait().answer == "Read."
        assert runtime.replay(run.id).matches


def stopped(api: BatchesApi, path: Path, before: Any = None) -> tuple[list[Record], int, str]:
    """A run that is cancelled while it waits: its records, what it is billed, and its last error.

    The ledger, the metrics and the quotas' projection agree on the bill.
    """
    with Runtime(path, base_url=api.url) as runtime:
        run = runtime.start(desk(retry=Retry(attempts=3, base=0.001)), "go")
        waits(runtime, run.id)
        if before is not None:
            before()
        run.cancel("no longer needed")
        with pytest.raises(RunNotFinished):
            run.wait()
        assert runtime.replay(run.id).matches
    with SqliteLog(path) as log, Views.of(log, [Spending(log)]) as views:
        found = list(records(log, run.id))
        (line,) = ledger(found)
        (used,) = find_used(views.connection, "agent", since=0)
    metrics = RunMetrics()
    for record in found:
        metrics.fold(record)
    assert line.cost is not None
    assert line.cost == used.cost == metrics.cost
    assert isinstance(found[-1].event, RunCancelled)
    failed = [r.event for r in found if isinstance(r.event, ModelFailed)]
    return found, line.cost, f"{failed[-1].error}: {failed[-1].message}"


def reserved(found: list[Record]) -> int:
    """What the run reserved for its batch."""
    asked = next(r.event for r in found if isinstance(r.event, ModelRequested))
    return asked.reserved_cost or 0


def test_a_cancelled_run_cancels_its_batch_and_is_billed_all_that_it_may_have_cost(
    path: Path,
) -> None:
    with BatchesApi([text("3")]) as api:
        found, cost, said = stopped(api, path)
        assert api.batches["msgbatch_1"]["processing_status"] == "canceling"
    assert "batch msgbatch_1 is being cancelled" in said
    assert cost == reserved(found)


def test_a_batch_that_ended_before_its_run_was_cancelled_is_billed_by_its_usage(
    path: Path,
) -> None:
    with BatchesApi([text("3")]) as api:
        found, cost, _ = stopped(api, path, api.end)
        assert api.batches["msgbatch_1"]["cancel_initiated_at"] is None
    assert cost == COST * 10**6 // 2
    assert [r.event for r in found if isinstance(r.event, ModelAnswered)]


def test_a_batch_that_ends_as_it_is_cancelled_is_billed_by_its_usage(path: Path) -> None:
    with BatchesApi([text("3")]) as api:
        api.ends_on_cancel = True
        _, cost, _ = stopped(api, path)
    assert cost == COST * 10**6 // 2


def test_a_batch_whose_request_was_cancelled_in_time_costs_nothing(path: Path) -> None:
    with BatchesApi([{"type": "canceled"}]) as api:
        _, cost, said = stopped(api, path, api.end)
    assert cost == 0
    assert said.startswith("batch_canceled")


def test_a_cancel_that_fails_is_tried_again_and_one_that_cannot_be_made_is_said(
    path: Path,
) -> None:
    with BatchesApi([text("3")]) as api:
        api.refuses = [500, 529]
        stopped(api, path)
        assert api.batches["msgbatch_1"]["processing_status"] == "canceling"
    with BatchesApi([text("3")]) as api:
        api.refuses = [403]
        found, cost, said = stopped(api, path.with_name("other.db"))
        assert api.batches["msgbatch_1"]["processing_status"] == "in_progress"
    assert said.startswith("permission")
    assert cost == reserved(found)


def test_killed_after_any_record_a_cancelled_run_still_cancels_its_batch() -> None:
    kills = 0
    for kill in range(1, 40):
        life = Waiter()
        first = life.process().at(1800.0, CancelRequested())
        first.dies_after = kill
        first.start()
        life.ends(first)
        if not any(isinstance(r.event, CancelRequested) for r in first.records):
            continue
        second = life.process().take_up()
        assert isinstance(second.records[-1].event, RunCancelled), kill
        assert life.batches.cancelled == {"b0"}, kill
        assert replay(life.log, RUN).matches
        second.bury()
        kills += 1
        if first.appends < kill:
            break
    assert kills > 2


def test_a_fork_neither_cancels_the_batch_of_its_parent_nor_fails_when_the_parent_does(
    path: Path,
) -> None:
    replies: list[Any] = [{"type": "canceled"}, text("3")]
    with BatchesApi(replies) as api, Runtime(path, base_url=api.url) as runtime:
        run = runtime.start(desk(), "go")
        at = waits(runtime, run.id).seq
        left, kept = runtime.fork(run.id, at), runtime.fork(run.id, at)
        waits(runtime, left.id)
        waits(runtime, kept.id)
        left.cancel()
        with pytest.raises(RunNotFinished):
            left.wait()
        assert api.batches["msgbatch_1"]["processing_status"] == "in_progress"
        run.cancel()
        with pytest.raises(RunNotFinished):
            run.wait()
        assert api.batches["msgbatch_1"]["processing_status"] == "canceling"
        api.end()
        before = waits(runtime, kept.id).seq
        kept.resume()
        waits_again(runtime, kept.id, before)
        assert len(api.batches) == 2
        api.end()
        kept.resume()
        assert kept.wait().answer == "3"
        assert runtime.replay(kept.id).matches


def test_only_the_endpoint_that_has_a_batch_is_asked_about_it() -> None:
    life = Waiter()
    life.batches.down = 500.0, 4000.0
    other = Target(model="custom", endpoint="other")
    route = Route(ladder=(Target(model="custom"),), fallback=(other,), batch=True)
    life.agent = replace(life.agent, routing={"reasoning": route})
    play = life.process().start()
    assert isinstance(play.records[-1].event, RunFinished)
    asked = [r.event for r in play.records if isinstance(r.event, ModelRequested)]
    assert {each.endpoint for each in asked} == {""}
    play.bury()


def test_asking_about_a_batch_changes_neither_the_day_nor_the_number_of_its_calls(
    path: Path,
) -> None:
    quota = Capacity(quotas=[Quota(by="agent", max_tokens=100_000)])
    with (
        BatchesApi([text("3")]) as api,
        Runtime(path, base_url=api.url, capacity=quota) as runtime,
    ):
        run = runtime.start(desk(), "go")
        first = waits(runtime, run.id).seq
        run.resume()
        waits_again(runtime, run.id, first)
        with closing(SqliteReader(path)) as log, Views.of(log, [Spending(log)]) as views:
            times = [r.at for r in records(log, run.id) if isinstance(r.event, ModelRequested)]
            assert len(times) == 2
            early = find_used(views.connection, "agent", since=0, until=times[1])
        assert [each.calls for each in early] == [1]
        api.end()
        run.resume()
        assert run.wait().answer == "3"


def test_a_fork_with_another_agent_submits_its_own_request(path: Path) -> None:
    with BatchesApi([text("3"), text("4")]) as api, Runtime(path, base_url=api.url) as runtime:
        run = runtime.start(desk(), "go")
        wait = waits(runtime, run.id)
        other = replace(desk(), instructions="Answer in words.")
        runtime.fork(run.id, wait.seq, Instead(agent=other))
        until(lambda: len(api.batches) == 2)
        custom = {asked[0]["custom_id"] for asked in api.requests.values()}
        assert len(custom) == 2


def test_the_calls_of_forks_and_of_imported_runs_count_for_their_quotas() -> None:
    agent = Agent(
        name="desk",
        model=ScriptedModel(lambda _: "Done."),
        prices={"custom": Price(input=3, output=15)},
    )
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(agent, "go", session="s1", metadata={"tenant": "acme"}).run_id
        fork = runtime.fork(run, 5, Instead(message="again"))
        fork.wait()
        with Views.of(log, [Spending(log)]) as views:
            (used,) = find_used(views.connection, "session", since=0)
            assert (used.group, used.calls) == ("s1", 2)
            (used,) = find_used(views.connection, "tenant", since=0)
            assert used.calls == 2
        lines = list(export(log, run))
    elsewhere = MemoryLog()
    import_run(elsewhere, lines)
    with Runtime(elsewhere, [agent]) as runtime:
        runtime.fork(run, 5, Instead(message="again")).wait()
        with Views.of(elsewhere, [Spending(elsewhere)]) as views:
            (used,) = find_used(views.connection, "tenant", since=0)
            assert (used.group, used.calls) == ("acme", 1)  # what was used elsewhere is not
