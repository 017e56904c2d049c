"""An evaluation's report: a pure fold of its stream, whatever was killed on the way."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from playhead.events.event import Json
from playhead.events.kinds.evaluations import (
    EvaluationEnded,
    EvaluationStarted,
    EvaluatorSpec,
    TrialEnded,
)
from playhead.events.record import Record
from playhead.projections.evaluation.statistics import (
    LEVEL,
    Interval,
    mean,
    mean_share,
    p_value,
    share,
)


class Agreement(NamedTuple):
    """How far a judge agrees with people."""

    labels: int
    same: int
    kappa: float | None
    """Cohen's kappa: 1 is perfect, 0 is chance; None where one of both always says the same."""


class EvaluatorFigures(NamedTuple):
    """What one evaluator said of a variant's trials."""

    name: str
    passed: int
    of: int
    agreement: Agreement | None = None


class VariantReport(NamedTuple):
    """One variant over all cases."""

    name: str
    agent: str
    options: Mapping[str, Json]
    cases: int
    """With at least one trial."""
    trials: int
    missing: int
    """Trials that were not made."""
    pass_1: Interval
    """The chance that one trial passes, over the cases."""
    pass_k: Interval
    """The share of the cases of which all trials passed."""
    cost: Interval | None
    """US dollars a trial; None if a price is not known."""
    tokens: Interval
    steps: Interval
    tool_calls: Interval
    seconds: Interval
    statuses: Mapping[str, int]
    evaluators: tuple[EvaluatorFigures, ...]
    failed: tuple[TrialEnded, ...]
    """The trials that did not pass."""


class Change(NamedTuple):
    """A case that passes more or less often with the second variant."""

    case: str
    before: float
    after: float


class Comparison(NamedTuple):
    """Two variants over the cases that both have tried."""

    before: str
    after: str
    cases: int
    difference: Interval
    """Of the chance that a trial passes: after minus before."""
    p: float
    significant: bool
    verdict: str
    cost: Interval | None
    seconds: Interval
    better: tuple[Change, ...]
    worse: tuple[Change, ...]


class Report(NamedTuple):
    """An evaluation as far as its stream goes."""

    evaluation: str
    dataset: str
    started_at: int
    """Microseconds since the epoch."""
    ended: str | None
    """finished, budget, or None while it goes on (or was cut off)."""
    repeats: int
    cases: int
    variants: tuple[VariantReport, ...]
    comparisons: tuple[Comparison, ...]
    """The first variant with each other one."""
    spent: float | None
    """US dollars, judges included; None if a price is not known."""


PICODOLLARS = 1_000_000_000_000


def report(evaluation: str, records: Iterable[Record]) -> Report:
    """Read an evaluation's stream. Raises ValueError for a stream that is not one."""
    started: EvaluationStarted | None = None
    at = 0
    ended: str | None = None
    trials: dict[tuple[str, str, int], TrialEnded] = {}
    costs: list[int | None] = []
    for record in records:
        match record.event:
            case EvaluationStarted() as event:
                started, at = event, record.at
            case TrialEnded() as trial:
                costs.append(_together(trial.cost, trial.judged_for))
                ended = None
                if trial.status != "budget":
                    trials[trial.variant, trial.case, trial.trial] = trial
            case EvaluationEnded(reason=reason):
                ended = reason
            case _:
                pass
    if started is None:
        msg = f"{evaluation}: the stream does not begin with an evaluation"
        raise ValueError(msg)
    order = {case: number for number, case in enumerate(started.cases)}
    by_variant: dict[str, list[TrialEnded]] = defaultdict(list)
    for trial in sorted(trials.values(), key=lambda t: (order.get(t.case, 0), t.trial)):
        by_variant[trial.variant].append(trial)
    variants = tuple(
        _variant(started, each.name, each.agent, each.options, by_variant[each.name])
        for each in started.variants
    )
    first, *others = [each.name for each in started.variants]
    comparisons = tuple(
        _comparison(first, other, by_variant[first], by_variant[other])
        for other in others
        if {t.case for t in by_variant[first]} & {t.case for t in by_variant[other]}
    )
    return Report(
        evaluation, started.dataset, at, ended, started.repeats, len(started.cases), variants,
        comparisons, _dollars(costs),
    )  # fmt: skip


def _together(cost: int | None, more: int | None) -> int | None:
    return None if cost is None or more is None else cost + more


def _dollars(costs: Sequence[int | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) / PICODOLLARS if len(known) == len(costs) else None


def _variant(
    started: EvaluationStarted,
    name: str,
    agent: str,
    options: Mapping[str, Json],
    trials: Sequence[TrialEnded],
) -> VariantReport:
    cases = _by_case(trials)
    passes = [_share(each) for each in cases.values()]
    whole = [each for each in cases.values() if len(each) == started.repeats]
    unknown = any(trial.cost is None for trial in trials)
    return VariantReport(
        name, agent, options, len(cases), len(trials),
        len(started.cases) * started.repeats - len(trials),
        mean_share(passes) if passes else NOTHING,
        share(sum(all(t.passed for t in each) for each in whole), len(whole)) if whole else NOTHING,
        None if unknown else _mean(cases, lambda t: (t.cost or 0) / PICODOLLARS),
        _mean(cases, lambda t: t.tokens), _mean(cases, lambda t: t.steps),
        _mean(cases, lambda t: t.tool_calls), _mean(cases, lambda t: t.seconds),
        Counter(trial.status for trial in trials), _evaluators(started.evaluators, trials),
        tuple(trial for trial in trials if not trial.passed),
    )  # fmt: skip


NOTHING = Interval(0.0, 0.0, 1.0)
"""Of no trials: nothing is known."""


def _by_case(trials: Iterable[TrialEnded]) -> dict[str, list[TrialEnded]]:
    found: dict[str, list[TrialEnded]] = defaultdict(list)
    for trial in trials:
        found[trial.case].append(trial)
    return found


def _share(trials: Sequence[TrialEnded]) -> float:
    return sum(trial.passed for trial in trials) / len(trials)


def _mean(cases: Mapping[str, Sequence[TrialEnded]], of: Callable[[TrialEnded], float]) -> Interval:
    means = [sum(map(of, trials)) / len(trials) for trials in cases.values()]
    return mean(means) if means else Interval(0.0, 0.0, 0.0)


def _evaluators(
    specs: Sequence[EvaluatorSpec], trials: Sequence[TrialEnded]
) -> tuple[EvaluatorFigures, ...]:
    found: list[EvaluatorFigures] = []
    for spec in specs:
        scores = [
            (score, trial)
            for trial in trials
            for score in trial.scores
            if score.evaluator == spec.name
        ]
        pairs = [(s.passed, t.labels[spec.name]) for s, t in scores if spec.name in t.labels]
        passed = sum(score.passed for score, _ in scores)
        agreed = _agreement(pairs) if pairs else None
        found.append(EvaluatorFigures(spec.name, passed, len(scores), agreed))
    return tuple(found)


def _agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    n = len(pairs)
    same = sum(said == label for said, label in pairs)
    said, label = (sum(pair[i] for pair in pairs) / n for i in (0, 1))
    chance = said * label + (1 - said) * (1 - label)
    kappa = None if chance == 1 else (same / n - chance) / (1 - chance)
    return Agreement(n, same, kappa)


def _comparison(
    before: str, after: str, first: Sequence[TrialEnded], second: Sequence[TrialEnded]
) -> Comparison:
    one, other = _by_case(first), _by_case(second)
    both = [case for case in one if case in other]
    changes = [Change(case, _share(one[case]), _share(other[case])) for case in both]
    gains = [change.after - change.before for change in changes]
    difference, p = mean(gains), p_value(gains)
    unknown = any(trial.cost is None for trial in (*first, *second))

    def of(measure: Callable[[TrialEnded], float]) -> Interval:
        return mean([_average(other[c], measure) - _average(one[c], measure) for c in both])

    return Comparison(
        before, after, len(both), difference, p, p < LEVEL,
        _verdict(before, after, difference, p),
        None if unknown else of(lambda t: (t.cost or 0) / PICODOLLARS), of(lambda t: t.seconds),
        tuple(c for c in changes if c.after > c.before),
        tuple(c for c in changes if c.after < c.before),
    )  # fmt: skip


def _average(trials: Sequence[TrialEnded], measure: Callable[[TrialEnded], float]) -> float:
    return sum(map(measure, trials)) / len(trials)


def _verdict(before: str, after: str, difference: Interval, p: float) -> str:
    if p >= LEVEL:
        return (
            f"no difference between {before} and {after} can be told from these cases (p = {p:.2f})"
        )
    better = "more" if difference.value > 0 else "less"
    points = abs(difference.value) * 100
    told = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"{after} passes {better} often than {before}: by {points:.1f} points ({told})"
