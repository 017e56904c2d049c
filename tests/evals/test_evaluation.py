"""What an evaluation does with cases, runs, people, budgets, judges and simulated users."""

from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Instead, Runtime, UsageError, tool
from playhead.evals import (
    Called,
    Case,
    Contains,
    Dataset,
    Judge,
    Score,
    Trial,
    assert_passes,
    evaluate,
)
from playhead.evals.evaluation_log import evaluations
from playhead.evals.judged_again import cases_tried, judge_again
from playhead.evals.regression import write_tests
from playhead.events.log.anchor import read_anchor
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.testing import RecordedRun, ScriptedModel, call
from tests.evals.sums import PRICES, add, by_heart, by_tool, dataset, goal_of, result_of, sums

SEEN: ContextVar[str] = ContextVar("SEEN", default="nothing")


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """On a log in memory."""
    with Runtime(MemoryLog()) as made:
        yield made


def trials(runtime: Runtime) -> list[Any]:
    """All trials of the only evaluation."""
    (name,) = evaluations(runtime.evaluations.log)
    return list(cases_tried(runtime.evaluations.log, name))


def test_every_trial_is_an_ordinary_run_that_can_be_found_and_replayed(runtime: Runtime) -> None:
    report = evaluate(runtime, dataset(4), sums(by_tool), repeats=2)
    rows = runtime.find_runs(metadata={"evaluation": report.evaluation})
    assert len(rows) == 8
    assert all(runtime.replay(row.run).matches for row in rows)
    assert {row.run for row in rows} == {run for t in trials(runtime) for run in t.runs}
    assert report.variants[0].pass_1.value == 1.0


def test_the_report_says_how_often_a_case_passes_and_whether_it_always_does(
    runtime: Runtime,
) -> None:
    said: dict[str, int] = {}

    def sometimes(body: Any) -> str:
        goal = goal_of(body)
        said[goal] = said.get(goal, 0) + 1
        right = sum(int(word) for word in goal.split() if word.isdigit())
        return f"It is {right if said[goal] % 2 else 7_777}."

    report = evaluate(runtime, dataset(5), sums(sometimes), repeats=2, concurrency=1)
    (variant,) = report.variants
    assert variant.pass_1.value == 0.5
    assert variant.pass_k.value == 0.0
    assert variant.trials == 10


def test_two_variants_are_compared_case_by_case(runtime: Runtime) -> None:
    report = evaluate(runtime, dataset(10), {"tool": sums(by_tool), "heart": sums(by_heart)})
    (comparison,) = report.comparisons
    assert comparison.difference.value == -0.4  # 5 + 2 is 7, which it also knows
    assert [change.case for change in comparison.worse] == ["1", "3", "7", "9"]
    assert not comparison.better
    assert comparison.cost is not None
    assert comparison.cost.value < 0
    assert "no difference" in comparison.verdict  # 4 cases are too few to tell


def test_an_agent_that_fails_passes_nothing_and_the_reason_is_told(runtime: Runtime) -> None:
    agent = Agent(name="ends", model=ScriptedModel([]))
    report = evaluate(runtime, Dataset("d", [Case(goal="hi")]), agent)
    (failed,) = report.variants[0].failed
    assert failed.status == "failed"
    assert "script" in failed.reason


def test_the_world_is_made_and_cleaned_up_around_each_trial_and_tools_see_its_context(
    runtime: Runtime,
) -> None:
    events: list[str] = []

    @tool(effect="read")
    def look() -> str:
        """Look at the world, and return what is there. Use it once."""
        return SEEN.get()

    def set_up(case: Case) -> str:
        SEEN.set(f"world of {case.id}")
        events.append(f"up {case.id}")
        return f"made for {case.id}"

    def state(trial: Trial) -> bool:
        return bool(trial.world == f"made for {trial.case.id}")

    def script(body: Any) -> Any:
        return f"I saw the {result_of(body)}" if result_of(body) else call("look")

    cases = [
        Case(
            id=name, goal="look", expected=f"world of {name}", set_up=set_up,
            clean_up=lambda world: events.append(f"down {world}"),
        )
        for name in ("a", "b")
    ]  # fmt: skip
    agent = Agent(name="looks", model=ScriptedModel(script), tools=[look])
    report = evaluate(
        runtime, Dataset("worlds", cases), agent, evaluators=[Contains(), state], concurrency=2
    )
    assert report.variants[0].pass_1.value == 1.0
    assert sorted(events) == ["down made for a", "down made for b", "up a", "up b"]


@tool(effect="once", approval=True)
def pay(amount: int) -> str:
    """Pay an amount in euros, and return the receipt. Use it when a goal asks for a payment.

    Args:
        amount: In euros.
    """
    return f"paid {amount}"


def payer() -> Agent[Any]:
    """Pays, and says what became of it."""

    def script(body: Any) -> Any:
        return str(result_of(body)) if result_of(body) else call("pay", amount=5)

    return Agent(name="payer", model=ScriptedModel(script), tools=[pay])


@pytest.mark.parametrize(
    ("approvals", "status", "answer"),
    [("stop", "cancelled", None), ("approve", "finished", "paid 5"), ("deny", "finished", "denie")],
)
def test_a_run_that_waits_for_a_person_is_ended_approved_or_denied(
    runtime: Runtime, approvals: Any, status: str, answer: str | None
) -> None:
    evaluate(runtime, Dataset("d", [Case(goal="Pay 5.")]), payer(), approvals=approvals)
    (trial,) = trials(runtime)
    run = RecordedRun(runtime.evaluations.log, trial.runs[0])
    assert run.metrics.status == status
    assert (run.answer is None) if answer is None else answer in (run.answer or "")
    if approvals == "stop":
        assert trial.status == "waiting"
        assert "approval of pay" in trial.reason


def test_the_budget_is_never_passed_and_what_was_not_tried_is_said(runtime: Runtime) -> None:
    agent = sums(by_tool, max_tokens=64)
    report = evaluate(
        runtime, dataset(30), agent, concurrency=4, max_cost=0.008, evaluation="small"
    )
    assert report.ended == "budget"
    assert report.spent is not None
    assert 0.003 < report.spent <= 0.008
    (variant,) = report.variants
    assert variant.missing == 30 - variant.trials > 0
    assert variant.statuses == {"finished": variant.trials}
    more = evaluate(runtime, dataset(30), agent, concurrency=4, max_cost=1.0, evaluation="small")
    assert more.ended == "finished"
    assert more.variants[0].pass_1.value == 1.0
    assert more.variants[0].missing == 0


def test_a_budget_with_a_model_of_unknown_price_is_refused(runtime: Runtime) -> None:
    agent = Agent(name="free", model=ScriptedModel(by_heart))
    with pytest.raises(UsageError, match="price"):
        evaluate(runtime, dataset(2), agent, max_cost=1.0)


def test_a_judge_is_an_ordinary_run_whose_cost_counts(runtime: Runtime) -> None:
    def polite(body: Any) -> str:
        return "PASS: it says please" if "USER: please" in goal_of(body) else "FAIL: it is rude"

    judge = Judge(
        "The assistant says please.",
        agent=Agent(name="judge", model=ScriptedModel(polite), prices=PRICES),
    )
    agent = Agent(name="echo", model=ScriptedModel(goal_of), prices=PRICES)
    cases = [
        Case(id="kind", goal="please", labels={"judge": True}),
        Case(id="rude", goal="give", labels={"judge": False}),
        Case(id="disputed", goal="now", labels={"judge": True}),
    ]
    report = evaluate(runtime, Dataset("d", cases), agent, evaluators=[judge])
    (figures,) = report.variants[0].evaluators
    assert (figures.passed, figures.of) == (1, 3)
    assert figures.agreement is not None
    assert (figures.agreement.labels, figures.agreement.same) == (3, 2)
    for trial in trials(runtime):
        (score,) = trial.scores
        assert score.run is not None
        assert runtime.replay(score.run).matches
        assert trial.judged_for > 0
    assert report.spent is not None
    assert report.spent > sum(trial.cost for trial in trials(runtime)) / 1e12


def test_a_judge_that_says_neither_yes_nor_no_passes_nothing(runtime: Runtime) -> None:
    judge = Judge("Anything.", model=ScriptedModel(lambda _: "Well."))
    report = evaluate(runtime, dataset(1), sums(by_tool), evaluators=[judge])
    (failed,) = report.variants[0].failed
    assert "neither PASS nor FAIL" in failed.scores[-1].reason


def test_a_simulated_user_speaks_with_the_agent_until_satisfied(runtime: Runtime) -> None:
    def user(body: Any) -> str:
        said = goal_of(body)
        return "###STOP###" if "ASSISTANT: It is 9." in said else "What is 4 plus 5 ?"

    def agent(body: Any) -> str:
        total = sum(int(word) for word in goal_of(body).split() if word.isdigit())
        return f"It is {total}." if total else "Which numbers?"

    cases = [Case(goal="Please add something.", user="You want 4 plus 5.", expected="It is 9.")]
    report = evaluate(
        runtime, Dataset("talks", cases), Agent(name="sums", model=ScriptedModel(agent)),
        evaluators=[Contains()], user=Agent(name="user", model=ScriptedModel(user)),
    )  # fmt: skip
    (trial,) = trials(runtime)
    assert report.variants[0].pass_1.value == 1.0
    assert len(trial.runs) == 2
    sessions = {row.session for row in runtime.find_runs(agent="sums")}
    assert len(sessions) == 1
    assert None not in sessions


def test_recorded_runs_are_judged_without_a_new_run(runtime: Runtime) -> None:
    run = runtime.run(sums(by_heart), "What is 1 plus 2 ?").run_id
    cases = Dataset.from_runs(runtime.evaluations.log, agent="sums", again=False)
    report = evaluate(runtime, cases, evaluators=[Contains("3")])
    assert [trial.runs for trial in trials(runtime)] == [(run,)]
    assert report.variants[0].pass_1.value == 0.0
    assert len(runtime.find_runs()) == 1


def test_goals_of_recorded_runs_are_tried_anew(runtime: Runtime) -> None:
    runtime.run(sums(by_heart), "What is 1 plus 2 ?")
    cases = Dataset.from_runs(runtime.evaluations.log, agent="sums")
    report = evaluate(runtime, cases, sums(by_tool), evaluators=[Contains("3")])
    assert report.variants[0].pass_1.value == 1.0


def test_forks_of_recorded_runs_answer_from_the_past_and_are_made_once(runtime: Runtime) -> None:
    run = runtime.run(sums(by_tool), "What is 1 plus 2 ?").run_id
    seq = RecordedRun(runtime.evaluations.log, run).calls[0].seq
    at = seq + 1
    cases = Dataset.from_forks([run], at, evaluators=(Called("add", times=1),))
    report = evaluate(runtime, cases, sums(by_tool), repeats=3, evaluation="forks")
    assert report.variants[0].pass_1.value == 1.0
    assert len({trial.runs for trial in trials(runtime)}) == 3
    key = "forks/sums/" + run + "/1"
    again = runtime.fork(run, at, Instead(agent=sums(by_tool)), idempotency_key=key)
    assert (again.id,) in {trial.runs for trial in trials(runtime)}
    with pytest.raises(UsageError, match="no fork of"):
        runtime.fork(again.id, at, idempotency_key=key)


def test_another_dataset_under_the_id_of_an_evaluation_is_refused(runtime: Runtime) -> None:
    evaluate(runtime, dataset(2), sums(by_tool), evaluation="mine")
    with pytest.raises(UsageError, match="another dataset"):
        evaluate(runtime, dataset(3), sums(by_tool), evaluation="mine")


def test_an_evaluation_that_has_ended_is_only_reported_again(runtime: Runtime) -> None:
    model = ScriptedModel(by_tool)
    agent = Agent(name="sums", model=model, tools=[add], prices=PRICES)
    first = evaluate(runtime, dataset(2), agent, evaluation="mine")
    asked = len(model.requests)
    assert evaluate(runtime, dataset(2), agent, evaluation="mine") == first
    assert len(model.requests) == asked


def test_scores_come_out_the_same_from_the_log_alone(runtime: Runtime) -> None:
    def fair(trial: Trial) -> Score:
        return Score(evaluator="", passed=True, value=0.5, reason=f"{trial.steps} steps")

    judge = Judge("Fine?", model=ScriptedModel(lambda _: "PASS: fine"))
    report = evaluate(
        runtime, dataset(4), sums(by_heart), evaluators=[Called("add", times=0), fair, judge]
    )
    found = judge_again(runtime.evaluations.log, report.evaluation)
    assert (found.trials, found.scores, found.unchecked, found.other) == (4, 12, 4, ())


def test_failures_become_recorded_run_tests_that_fail_until_they_pass(
    runtime: Runtime, tmp_path: Path
) -> None:
    report = evaluate(runtime, dataset(4), sums(by_heart))
    log = runtime.evaluations.log
    *runs, file = write_tests(log, report.evaluation, tmp_path / "made", "tests.evals.sums:AGENT")
    assert [path.name for path in runs] == ["1.jsonl", "3.jsonl"]
    text = file.read_text("utf-8")
    assert text.count("def test_") == 2
    assert "from playhead.evals import Numeric, assert_passes" in text
    compile(text, str(file), "exec")
    run = RecordedRun.load(runs[0])
    with pytest.raises(AssertionError, match="expected 3, it was 7"):
        assert_passes(run, [dataset(1).evaluators_of(dataset(1).cases[0])[0]], expected=3)
    assert_passes(run.again(sums(by_tool)), [Contains("3")])


def test_an_evaluation_is_a_stream_of_its_own_kind_and_its_log_is_whole(tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        evaluate(runtime, dataset(2), sums(by_tool), evaluation="mine")
        stream = runtime.evaluations.log.stream("evaluation/mine")
        assert stream is not None
        assert stream.kind == "evaluation"
    reader = SqliteReader(tmp_path / "log.db")
    assert verify(reader, read_anchor(tmp_path / "log.db")).ok
    reader.close()


def test_a_score_that_the_log_does_not_bear_out_is_named(runtime: Runtime) -> None:
    evaluate(runtime, dataset(1), sums(by_tool), evaluation="mine")
    (right,) = trials(runtime)
    wrong = right.scores[0].model_copy(update={"passed": False, "reason": "it was 99"})
    runtime.evaluations.append(
        "mine", right.model_copy(update={"trial": 2, "passed": False, "scores": (wrong,)})
    )
    found = judge_again(runtime.evaluations.log, "mine")
    assert (found.trials, found.scores) == (2, 2)
    (other,) = found.other
    assert (other.trial, other.recorded, other.now) == (2, wrong, right.scores[0])
