"""Judges the trials of an evaluation again, from the log alone, and compares.

Functions cannot be asked again. Of a judge, its recorded run is read again.
"""

from collections.abc import Iterator
from typing import NamedTuple

from playhead.evals.case import Case, Trial
from playhead.evals.evaluation_log import evaluation_records
from playhead.evals.evaluators import again
from playhead.evals.trials import verdict_of
from playhead.events.kinds.evaluations import EvaluationStarted, Score, TrialEnded
from playhead.events.log.contract import Reader
from playhead.testing.recorded_run import RecordedRun


class OtherScore(NamedTuple):
    """A score that comes out otherwise now."""

    seq: int
    """Of the trial's record."""
    variant: str
    case: str
    trial: int
    recorded: Score
    now: Score


class JudgedAgain(NamedTuple):
    """All scores of an evaluation that could be checked."""

    evaluation: str
    trials: int
    scores: int
    unchecked: int
    """Of functions, and of runs that are no longer in this log."""
    other: tuple[OtherScore, ...]


def judge_again(reader: Reader, evaluation: str) -> JudgedAgain:
    """Check every score of an evaluation."""
    evaluators = {}
    trials = scores = unchecked = 0
    other: list[OtherScore] = []
    for record in evaluation_records(reader, evaluation):
        if isinstance(record.event, EvaluationStarted):
            evaluators = {spec.name: again(spec) for spec in record.event.evaluators}
        if not isinstance(record.event, TrialEnded):
            continue
        event = record.event
        trials += 1
        trial = _trial(reader, event)
        for score in event.scores:
            evaluator = evaluators.get(score.evaluator)
            if trial is None or (evaluator is None and score.run is None):
                unchecked += 1
                continue
            scores += 1
            now = _read_again(reader, score) if evaluator is None else evaluator.judge(trial)
            if now != score:
                where = event.variant, event.case, event.trial
                other.append(OtherScore(record.seq, *where, score, now))
    return JudgedAgain(evaluation, trials, scores, unchecked, tuple(other))


def _trial(reader: Reader, event: TrialEnded) -> Trial | None:
    if any(reader.stream(run) is None for run in event.runs):
        return None
    runs = tuple(RecordedRun(reader, run) for run in event.runs)
    case = Case(id=event.case, goal="recorded", expected=event.expected)
    return Trial(case, runs, event.status, event.reason)


def _read_again(reader: Reader, score: Score) -> Score:
    """What the judge's run says."""
    assert score.run is not None
    if reader.stream(score.run) is None:
        return score
    run = RecordedRun(reader, score.run)
    passed, reason = verdict_of(run.answer or "")
    if passed is None:
        return score.model_copy(update={"passed": False})
    return score.model_copy(update={"passed": passed, "reason": reason})


def cases_tried(reader: Reader, evaluation: str) -> Iterator[TrialEnded]:
    """The trials of an evaluation, in the order in which they ended."""
    for record in evaluation_records(reader, evaluation):
        if isinstance(record.event, TrialEnded):
            yield record.event
