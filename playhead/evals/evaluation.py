"""Runs an evaluation: every case, with every variant, `repeats` times, judged and recorded.

Killed at any moment and called again with the same id, it goes on where it was.
"""

import contextvars
import math
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from playhead.definition.agent import Agent
from playhead.evals.budget import BudgetSpent, EvaluationBudget, Share
from playhead.evals.case import Case, Trial
from playhead.evals.dataset import Dataset
from playhead.evals.evaluation_log import STREAMS, evaluation_records, evaluation_report
from playhead.evals.evaluators import AnyEvaluator, Given
from playhead.evals.trials import Approvals, Spent, TrialRunner, dollars
from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.evaluations import (
    EvaluationEnded,
    EvaluationStarted,
    Score,
    TrialEnded,
    Variant,
)
from playhead.projections.evaluation.report import Report
from playhead.runtime import Runtime

RECORDED = "recorded"
"""The name of the variant that is the recorded runs themselves."""


class Key(NamedTuple):
    """One trial of an evaluation."""

    variant: str
    case: str
    trial: int


def evaluate(
    runtime: Runtime,
    dataset: Dataset,
    agents: Agent[Any] | Mapping[str, Agent[Any]] | None = None,
    *,
    evaluators: Sequence[Given] = (),
    repeats: int = 1,
    concurrency: int = 8,
    max_cost: float | None = None,
    approvals: Approvals = "stop",
    user: Agent[Any] | str | None = None,
    evaluation: str | None = None,
    options: Mapping[str, Mapping[str, Json]] | None = None,
    on_trial: Callable[[TrialEnded], None] | None = None,
) -> Report:
    """Try a dataset on one agent, or on several, and report. Blocks until all is tried.

    Args:
        runtime: its log holds the runs and the verdicts.
        dataset: the cases, and what judges them.
        agents: an agent, or variants by name, of which the first is compared with each other one;
            None to judge recorded runs as they are.
        evaluators: judge every case, besides the dataset's own. With none at all, a trial passes
            if its run finishes.
        repeats: trials of each case (k).
        concurrency: trials at once.
        max_cost: US dollars for all trials and judges together; it is never exceeded where the
            prices are known (UsageError where they are not). When it is spent, the rest is not
            tried.
        approvals: what happens when a run waits for a person: "stop" ends the trial, "approve"
            and "deny" decide for them.
        user: plays the user in cases with `user`: an agent, or a model's name.
        evaluation: its id; the same id goes on with an evaluation that was cut off.
        options: recorded with each variant, by its name, for whoever reads the report.
        on_trial: called after each trial, on the thread that made it.

    Raises UsageError for a dataset, evaluators or variants that do not fit, or that differ from
    those with which the evaluation of that id began; and the errors of `Runtime.start`.
    """
    variants: dict[str, Agent[Any] | None] = (
        {RECORDED: None} if agents is None
        else {agents.name: agents} if isinstance(agents, Agent)
        else dict(agents)
    )  # fmt: skip
    _check(dataset, variants, repeats, concurrency)
    if max_cost is not None and not 0 < max_cost < math.inf:
        msg = f"max_cost={max_cost}: must be a positive number of US dollars"
        raise UsageError(msg)
    judged = {case.id: dataset.evaluators_of(case, evaluators) for case in dataset.cases}
    specs = {each.name: each.spec() for case in judged.values() for each in case}
    evaluation = evaluation or new_evaluation_id()
    started = EvaluationStarted(
        dataset=dataset.name, digest=dataset.digest, cases=tuple(c.id for c in dataset.cases),
        variants=tuple(
            Variant(
                name=name, agent=RECORDED if agent is None else agent.name,
                options=dict((options or {}).get(name, {})),
            )
            for name, agent in variants.items()
        ),
        repeats=repeats, evaluators=tuple(specs.values()), max_cost=max_cost,
    )  # fmt: skip
    done, starved, spent = _begin(runtime, evaluation, started)
    under_way = _Evaluation(
        runtime, evaluation, variants, {case.id: case for case in dataset.cases}, judged,
        TrialRunner(runtime, evaluation, approvals, user),
        EvaluationBudget(max_cost, spent, concurrency), starved, on_trial,
    )  # fmt: skip
    to_do = [
        key
        for number, case, variant in product(range(1, repeats + 1), judged, variants)
        if (key := Key(variant, case, number)) not in done
    ]
    _all(under_way.attempt, to_do, concurrency, under_way.stopped)
    for position in (each.result() for each in under_way.submitted):
        if isinstance(position, Exception):
            raise position
    if to_do:
        spent_all = under_way.stopped.is_set()
        ended = EvaluationEnded(reason="budget" if spent_all else "finished")
        runtime.evaluations.append(evaluation, ended)
    return evaluation_report(runtime.evaluations.log, evaluation)


@dataclass
class _Evaluation:
    """An evaluation while it is under way; `attempt` is called from many threads."""

    runtime: Runtime
    id: str
    variants: Mapping[str, Agent[Any] | None]
    cases: Mapping[str, Case]
    judged: Mapping[str, Sequence[AnyEvaluator]]
    runner: TrialRunner
    budget: EvaluationBudget
    starved: Counter[Key]
    """How often the budget was too small for a trial."""
    on_trial: Callable[[TrialEnded], None] | None
    stopped: threading.Event = field(default_factory=threading.Event)
    submitted: list[Future[int | Exception]] = field(default_factory=list)
    """The records of trials; one that a crash loses is judged again."""

    def attempt(self, key: Key) -> None:
        """Make a trial, unless the budget is spent; with a larger share if one was too small."""
        while not self.stopped.is_set():
            try:
                share = self.budget.take()
            except BudgetSpent:
                self.stopped.set()
                return
            try:
                ended = self._tried(key, share)
            finally:
                self.budget.give_back(share)
            if not share.starved:
                if self.on_trial is not None:
                    self.on_trial(ended)
                return
            self.starved[key] += 1
            if share.last:
                self.stopped.set()

    def _tried(self, key: Key, share: Share) -> TrialEnded:
        took = Spent()
        place = f"{key.variant}/{key.case}/{key.trial}{'+' * self.starved[key]}"
        agent, case = self.variants[key.variant], self.cases[key.case]
        trial = self.runner.trial(agent, case, place, key._asdict(), share, took)
        scores = self.runner.score(self.judged[key.case], trial, place, share, took)
        ended = _ended(key, trial, scores, took, starved=share.starved)
        self.submitted.append(self.runtime.evaluations.submit(self.id, ended))
        return ended


def new_evaluation_id() -> str:
    """The date and random characters."""
    return f"eval-{time.strftime('%y%m%d', time.gmtime())}-{secrets.token_hex(3)}"


def _all(
    attempt: Callable[[Key], None], keys: Sequence[Key], concurrency: int, stopped: threading.Event
) -> None:
    """Every trial, `concurrency` at once, each in the caller's context; the first error ends it.

    After an error or Ctrl-C nobody waits for trials under way: they end with the runtime, and go on
    in the next evaluation of that id.
    """
    pool = ThreadPoolExecutor(concurrency, "playhead-eval")
    try:
        futures = [pool.submit(contextvars.copy_context().run, attempt, key) for key in keys]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
    except BaseException:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _check(
    dataset: Dataset, variants: Mapping[str, Agent[Any] | None], repeats: int, concurrency: int
) -> None:
    if not variants:
        msg = "no variants: give an agent, or agents by name"
        raise UsageError(msg)
    if repeats < 1 or concurrency < 1:
        msg = f"repeats={repeats}, concurrency={concurrency}: both must be at least 1"
        raise UsageError(msg)
    for case in dataset.cases:
        if None in variants.values():
            _check_recorded(case, repeats)
        elif case.run is not None and case.at is None and not case.goal.strip():
            msg = f"case {case.id} names a run: give at=, where a fork begins, or a goal"
            raise UsageError(msg)


def _check_recorded(case: Case, repeats: int) -> None:
    if case.run is None or case.at is not None:
        msg = f"case {case.id} is not a recorded run: give an agent that tries it"
        raise UsageError(msg)
    if repeats > 1:
        msg = "recorded runs are judged once: leave repeats= out, or give an agent"
        raise UsageError(msg)


def _begin(
    runtime: Runtime, evaluation: str, started: EvaluationStarted
) -> tuple[set[Key], Counter[Key], float]:
    """The trials that were made, those for which the budget was too small, and their cost."""
    log = runtime.evaluations.log
    if log.stream(f"{STREAMS}{evaluation}") is None:
        runtime.evaluations.append(evaluation, started)
        return set(), Counter(), 0.0
    done: set[Key] = set()
    starved: Counter[Key] = Counter()
    spent = 0
    for record in evaluation_records(log, evaluation):
        match record.event:
            case EvaluationStarted() as before:
                _check_same(evaluation, before, started)
            case TrialEnded() as trial:
                key = Key(trial.variant, trial.case, trial.trial)
                if trial.status == "budget":
                    starved[key] += 1
                else:
                    done.add(key)
                spent += (trial.cost or 0) + (trial.judged_for or 0)
            case _:
                pass
    return done, starved, dollars(spent) or 0.0


def _check_same(evaluation: str, before: EvaluationStarted, now: EvaluationStarted) -> None:
    for what in ("digest", "variants", "evaluators"):
        if getattr(before, what) != getattr(now, what):
            named = "dataset" if what == "digest" else what
            msg = f"evaluation {evaluation} began with another {named}: leave its id out"
            raise UsageError(msg)


def _ended(
    key: Key, trial: Trial, scores: Sequence[Score], took: Spent, *, starved: bool
) -> TrialEnded:
    case = trial.case
    finished = trial.status == "finished"
    return TrialEnded(
        variant=key.variant, case=key.case, trial=key.trial,
        runs=tuple(run.id for run in trial.runs), status="budget" if starved else trial.status,
        passed=finished and all(score.passed for score in scores), scores=tuple(scores),
        expected=case.expected, labels=dict(case.labels), reason=trial.reason, cost=trial.cost,
        judged_for=took.cost, tokens=trial.tokens, steps=trial.steps,
        tool_calls=trial.tool_calls, seconds=trial.seconds,
    )  # fmt: skip
