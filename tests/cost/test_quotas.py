"""Quotas over several runs: reserved like budgets, kept in the log's projection, by rule."""

import json
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Capacity, Price, Quota, RunNotFinished, Runtime, UsageError
from playhead.actors.replay import replay
from playhead.cli.app import main
from playhead.events.kinds.model_calls import ModelFailed, ModelRequested
from playhead.events.kinds.runs import RunFinished
from playhead.events.kinds.waits import OutageWaitStarted
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.stored.spending import Spending, find_used
from playhead.projections.stored.view import Views
from playhead.service.quotas import PERIODS, Quotas, period_of
from playhead.testing import ScriptedModel, call
from tests.actors.test_outage import Life, Provider, waits_of
from tests.support.agents import records
from tests.support.virtual import RUN

DAY = 24 * 3600 * 1_000_000


def desk(replies: int = 200, **more: Any) -> Agent[str]:
    """An agent whose calls cost at most about a cent each."""
    model = ScriptedModel(["Done."] * replies)
    prices = {"custom": Price(input=1, output=10)}
    return Agent(name="desk", model=model, prices=prices, max_tokens=100, **more)


def reserved(path: Path) -> int:
    """The picodollars that are set aside for the agent's first call."""
    with Runtime(path) as runtime:
        run = runtime.run(desk(), "go").run_id
    with SqliteLog(path) as log:
        asked = [r.event for r in records(log, run) if isinstance(r.event, ModelRequested)]
    return asked[0].reserved_cost or 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def capacity(*quotas: Quota) -> Capacity:
    return Capacity(quotas=quotas)


def test_the_runs_of_one_tenant_share_a_quota_and_another_tenants_do_not(
    path: Path, tmp_path: Path
) -> None:
    one = reserved(tmp_path / "other.db")
    quota = Quota(by="tenant", max_cost=1.05 * one / PICODOLLARS)
    with Runtime(path, capacity=capacity(quota)) as runtime:
        agent, ended = desk(), 0
        reason = ""
        while not reason:
            try:
                runtime.run(agent, "go", metadata={"tenant": "acme"})
                ended += 1
            except RunNotFinished as error:
                reason = error.reason
        assert "the quota of tenant acme per day" in reason
        assert ended >= 1
        assert runtime.run(agent, "go", metadata={"tenant": "bond"}).answer == "Done."
        assert runtime.run(agent, "go").answer == "Done."
    with SqliteLog(path) as log, Views.of(log, [Spending(log)]) as views:
        used = {each.group: each for each in find_used(views.connection, "tenant", since=0)}
    assert used["acme"].cost <= quota.max_cost * PICODOLLARS  # type: ignore[operator]
    assert used.keys() == {"acme", "bond", ""}


@pytest.mark.parametrize("by", ["session", "agent", "tenant"])
def test_a_quota_holds_by_session_agent_or_metadata_and_after_a_restart(
    path: Path, by: str
) -> None:
    quota = Quota(by=by, max_tokens=1)

    def start(**more: Any) -> str:
        with Runtime(path, capacity=capacity(quota)) as runtime:
            run = runtime.start(desk(), "go", session="s", metadata={"tenant": "acme"}, **more)
            with pytest.raises(RunNotFinished, match=f"the quota of {by}"):
                run.wait()
            assert runtime.replay(run.id).matches
            return run.id

    with SqliteLog(path) as log:
        pass
    first = start()
    with SqliteLog(path) as log:
        failed = [r.event for r in records(log, first) if isinstance(r.event, ModelFailed)]
    assert [(each.error, each.unbilled) for each in failed] == [("quota_reached", True)]
    start()


def test_calls_at_once_never_pass_a_quota_and_use_it_up(path: Path, tmp_path: Path) -> None:
    one = reserved(tmp_path / "other.db")
    most = 1.2 * one / PICODOLLARS
    with Runtime(path, capacity=capacity(Quota(by="agent", max_cost=most))) as runtime:
        agent = desk()
        runs = [runtime.start(agent, "go") for _ in range(60)]
        ended, reasons = 0, list[str]()
        for run in runs:
            try:
                ended += run.wait().answer == "Done."
            except RunNotFinished as error:
                reasons.append(error.reason)
    assert ended >= 1
    assert reasons
    assert all("quota" in reason for reason in reasons)
    with SqliteLog(path) as log, Views.of(log, [Spending(log)]) as views:
        (used,) = find_used(views.connection, "agent", since=0)
    assert used.cost <= most * PICODOLLARS


def test_a_run_waits_until_the_period_turns_where_the_rule_says_so(path: Path) -> None:
    with Runtime(path) as runtime:
        spent = runtime.run(desk(), "go").metrics.usage.total
    with SqliteLog(path) as log:
        first = [r for s in log.streams("") for r in records(log, s.id)]
        asked = next(r.event for r in first if isinstance(r.event, ModelRequested))
    quota = Quota(by="agent", max_tokens=asked.reserved_tokens + spent - 1, when_reached="wait")
    with Runtime(path, capacity=capacity(quota)) as runtime:
        run = runtime.start(desk(), "go")
        waited: list[Any] = []
        while not waited:
            waited = runtime.runs.waits(run.id)
        wait = waited[0].wait
        assert wait.error == "quota_reached"
        assert wait.until is not None
        begin, end = period_of("day", wait.since)
        assert begin <= wait.since < end
        assert abs(wait.until - end) < 2_000_000
    with SqliteLog(path) as log:
        (requested,) = [r for r in records(log, run.id) if isinstance(r.event, ModelRequested)]
        tomorrow = Quotas(log, [quota], lambda: end + 1)
        tomorrow.check(run.id, requested.seq)
        tomorrow.close()
    with Runtime(path, [desk()]) as runtime:  # a Runtime without that quota
        again = runtime.attach(run.id)
        again.resume()
        assert again.wait().answer == "Done."
        assert runtime.replay(run.id).matches


def test_a_run_that_waits_for_a_quota_goes_on_whichever_record_it_is_killed_after() -> None:
    error: dict[str, Any] = {
        "error": "quota_reached", "status": None, "retryable": True, "retry_after": 10 * 3600.0,
    }  # fmt: skip
    whole = Life(Provider(9 * 3600.0, **error))
    play = whole.process().start()
    assert isinstance(play.records[-1].event, RunFinished)
    (wait,) = waits_of(play)
    assert isinstance(wait, OutageWaitStarted)
    assert wait.until == wait.since + 10 * 3600 * 1_000_000  # longer than max_outage_seconds
    for kill in range(1, play.appends):
        life = Life(Provider(9 * 3600.0, **error))
        first = life.process()
        first.dies_after = kill
        first.start()
        life.ends(first)
        second = life.process().take_up()
        assert isinstance(second.records[-1].event, RunFinished), kill
        assert replay(life.log, RUN).matches


def test_a_call_that_a_whole_period_would_not_allow_fails_and_does_not_wait(path: Path) -> None:
    quota = Quota(by="agent", max_tokens=1, when_reached="wait")
    with (
        Runtime(path, capacity=capacity(quota)) as runtime,
        pytest.raises(RunNotFinished, match="quota"),
    ):
        runtime.run(desk(), "go")


def test_a_call_without_a_known_price_is_refused_where_a_quota_limits_the_cost(path: Path) -> None:
    agent = Agent(name="a", model=ScriptedModel(["Done."]))
    with (
        Runtime(path, capacity=capacity(Quota(by="agent", max_cost=1.0))) as runtime,
        pytest.raises(RunNotFinished, match="price is not known"),
    ):
        runtime.run(agent, "go")


def test_a_child_counts_for_the_tenant_of_its_parent(path: Path) -> None:
    helper = Agent(name="helper", model=ScriptedModel(["42"]), description="Counts.")
    boss = Agent(
        name="boss", model=ScriptedModel([call("helper", task="count"), "Done."]), tools=[helper]
    )
    with Runtime(path) as runtime:
        runtime.run(boss, "go", metadata={"tenant": "acme"})
    with SqliteLog(path) as log, Views.of(log, [Spending(log)]) as views:
        (used,) = find_used(views.connection, "tenant", since=0)
    assert (used.group, used.calls) == ("acme", 3)


def test_the_sums_are_the_same_when_they_are_made_anew(path: Path) -> None:
    agent = desk()
    with Runtime(path) as runtime:
        for tenant in ("acme", "bond", "acme"):
            runtime.run(agent, "go", metadata={"tenant": tenant})
    with SqliteLog(path) as log, Views.of(log, [Spending(log)]) as views:
        kept = find_used(views.connection, "tenant", since=0)
        anew = Views(log, ":memory:", [Spending(log)])
        anew.catch_up()
        assert find_used(anew.connection, "tenant", since=0) == kept
        anew.close()
    assert [(each.group, each.calls) for each in kept] == [("acme", 2), ("bond", 1)]


def test_cost_quota_shows_what_each_group_has_used_in_the_period(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Runtime(path) as runtime:
        runtime.run(desk(), "go", metadata={"tenant": "acme"})
    assert main(["cost", "--quota", "tenant", "--log", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (group,) = shown["groups"]
    assert group["tenant"] == "acme"
    assert group["calls"] == 1
    assert group["dollars"] > 0
    assert main(["cost", "--quota", "agent", "--per", "month", "--log", str(path)]) == 0
    assert "desk" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given",
    [
        {"by": "tenant"}, {"by": "", "max_cost": 1.0}, {"by": "a", "max_cost": -1.0},
        {"by": "a", "max_cost": 1.0, "per": "week"},
        {"by": "a", "max_cost": 1.0, "when_reached": "cry"},
    ],
)  # fmt: skip
def test_a_quota_that_limits_nothing_is_refused_when_it_is_defined(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Quota"):
        Quota(**given)


@pytest.mark.parametrize("at", [0, 1_700_000_000_000_000, 1_709_208_000_000_000])
def test_periods_follow_one_another_without_a_gap(at: int) -> None:
    for per in PERIODS:
        begin, end = period_of(per, at)
        assert begin <= at < end
        assert period_of(per, end)[0] == end
        assert period_of(per, end - 1) == (begin, end)
