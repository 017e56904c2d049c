"""Runs of production, judged as they end."""

from pathlib import Path

import pytest

from playhead import AlertRule, Alerts, Runtime, Telemetry, UsageError
from playhead.evals import Contains, Exact, Judge, Sampled
from playhead.evals.evaluation_log import ONLINE, STREAMS
from playhead.events.codec import decode
from playhead.events.kinds.evaluations import RunJudged
from playhead.events.log.contract import Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.projections.metrics.indicators import indicators
from playhead.telemetry.live_metrics import read_run_metrics
from playhead.testing import ScriptedModel
from tests.evals.sums import by_heart, sums
from tests.support.waiting import until


def verdicts(log: Reader) -> dict[str, RunJudged]:
    """What was judged, by run."""
    stream = f"{STREAMS}{ONLINE}"
    if log.stream(stream) is None:
        return {}
    events = [decode(row, log.body).event for row in log.read(stream)]
    judged = [event for event in events if isinstance(event, RunJudged)]
    assert len({event.run for event in judged}) == len(judged)  # each run once
    return {event.run: event for event in judged}


def judged_until(runtime: Runtime, count: int) -> dict[str, RunJudged]:
    """The verdicts, once there are so many."""
    log = runtime.evaluations.log
    until(lambda: len(verdicts(log)) >= count)
    return verdicts(log)


def test_every_run_that_ends_is_judged_and_the_metrics_show_it() -> None:
    log = MemoryLog()
    with Runtime(log, evaluators=[Sampled(Contains("It is 4."))]) as runtime:
        good = runtime.run(sums(by_heart), "2 plus 2").run_id
        bad = runtime.run(sums(by_heart), "1 plus 2").run_id
        judged = judged_until(runtime, 2)
    assert (judged[good].passed, judged[bad].passed) == (True, False)
    figures = {f.name: f for f in indicators(read_run_metrics(log).runs)}
    assert figures["judged_pass_rate"].value == 0.5
    assert figures["judged_pass_rate"].samples == 2


def test_judges_are_recorded_and_not_judged_themselves() -> None:
    log = MemoryLog()
    judge = Judge("Right?", model=ScriptedModel(lambda _: "PASS: yes"))
    with Runtime(log, evaluators=[Sampled(judge)]) as runtime:
        run = runtime.run(sums(by_heart), "2 plus 2").run_id
        judged = judged_until(runtime, 1)
        assert runtime.replay(str(judged[run].score.run)).matches
    assert list(verdicts(log)) == [run]


def test_a_sample_is_the_same_whoever_takes_it_and_about_as_large_as_it_says() -> None:
    names = [f"run-{number}" for number in range(4000)]
    sample = Sampled(Contains("x"), share=0.25, agents=["desk"])
    taken = [name for name in names if sample.takes(name, "desk")]
    assert 900 < len(taken) < 1100
    assert taken == [name for name in names if Sampled(Contains("y"), 0.25).takes(name, "any")]
    assert not sample.takes(taken[0], "other")


def test_a_run_that_ended_while_nobody_judged_is_judged_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    agent = sums(by_heart)
    with Runtime(path, evaluators=[Sampled(Contains("It"))]) as runtime:
        first = runtime.run(agent, "2 plus 2").run_id
        judged_until(runtime, 1)
    with Runtime(path) as runtime:
        missed = runtime.run(agent, "1 plus 2").run_id
    with Runtime(path, evaluators=[Sampled(Contains("It"))]) as runtime:
        assert set(judged_until(runtime, 2)) == {first, missed}
    log = SqliteLog(path)
    assert len(verdicts(log)) == 2
    log.close()


def test_too_many_runs_that_do_not_pass_are_an_alert() -> None:
    told: list[str] = []
    rule = AlertRule(indicator="judged_pass_rate", alert_below=0.5, samples=2)
    alerts = Alerts(tell=lambda alert: told.append(alert.indicator.name), rules=[rule])
    with Runtime(
        MemoryLog(),
        evaluators=[Sampled(Contains("never said"))],
        telemetry=Telemetry(alerts=alerts),
    ) as runtime:
        for _ in range(2):
            runtime.run(sums(by_heart), "2 plus 2")
        judged_until(runtime, 2)
    assert told == ["judged_pass_rate"]


def test_an_evaluator_that_needs_an_expected_answer_is_refused_at_the_start() -> None:
    with pytest.raises(UsageError, match="no `expected`"):
        Sampled(Exact())
    with pytest.raises(UsageError, match="from 0 to 1"):
        Sampled(Contains("x"), share=2)
