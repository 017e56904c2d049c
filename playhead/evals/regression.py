"""Writes the failed trials of an evaluation as recorded runs and a test file for pytest."""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from pprint import pformat

from playhead.evals.case import Case, Trial
from playhead.evals.evaluation_log import evaluation_records
from playhead.evals.evaluators import AnyEvaluator, again
from playhead.evals.judged_again import cases_tried
from playhead.events.errors import UsageError
from playhead.events.kinds.evaluations import EvaluationStarted, TrialEnded
from playhead.events.log.contract import Reader
from playhead.testing.recorded_run import RecordedRun

HEAD = '''"""Cases that failed in the evaluation {evaluation}, as recorded runs.

Each test fails until its run is recorded again with an agent that passes:

    pytest {file} --playhead-update
"""

import pytest

{imports}


'''
TEST = """@pytest.mark.playhead("{file}", agent={agent}, replay=False)
def test_{name}(playhead_run):
    assert_passes(playhead_run, {evaluators}, expected={expected})
"""


def assert_passes(
    run: RecordedRun, evaluators: Sequence[AnyEvaluator], expected: object = None
) -> None:
    """Every evaluator passes the recorded run. Raises AssertionError, which says why not."""
    case = Case(id=run.id, goal=run.started.goal or "recorded", expected=expected)  # type: ignore[arg-type]
    status = run.metrics.status
    failed = [] if status == "finished" else [f"the run {status}"]
    trial = Trial(case, (run,), status)
    for evaluator in evaluators:
        score = evaluator.judge(trial)
        if not score.passed:
            failed.append(f"{score.evaluator}: {score.reason or 'no'}")
    if failed:
        raise AssertionError("; ".join(failed))


def write_tests(
    reader: Reader, evaluation: str, folder: Path, agent: str | None, variant: str | None = None
) -> list[Path]:
    """The files written: one run for each case that failed, and `test_EVALUATION.py`.

    Args:
        reader: the log.
        evaluation: its id.
        folder: made if it is missing.
        agent: `module:name`, which records the runs again.
        variant: only its failures; by default those of the first one.

    Raises UsageError if nothing failed, or no run can be written.
    """
    started = next(evaluation_records(reader, evaluation)).event
    assert isinstance(started, EvaluationStarted)
    variant = variant or started.variants[0].name
    failed: dict[str, TrialEnded] = {}
    for trial in cases_tried(reader, evaluation):
        if trial.variant == variant and not trial.passed and len(trial.runs) == 1:
            failed.setdefault(trial.case, trial)
    if not failed:
        msg = f"evaluation {evaluation}: no case of {variant} failed in a single run"
        raise UsageError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    module, _, name = (agent or ":None").rpartition(":")
    specs = {spec.name: again(spec) for spec in started.evaluators}
    written: list[Path] = []
    tests: list[str] = []
    used = set[str]()
    for case, trial in failed.items():
        path = folder / f"{_word(case)}.jsonl"
        RecordedRun(reader, trial.runs[0]).save(path)
        written.append(path)
        known = [specs[score.evaluator] for score in trial.scores]
        evaluators = [each for each in known if each is not None]
        used |= {type(each).__name__ for each in evaluators}
        tests.append(
            TEST.format(
                file=path.name, agent=name, name=_word(case), expected=pformat(trial.expected),
                evaluators=_written(evaluators),
            )
        )  # fmt: skip
    names = ", ".join(sorted({"assert_passes", *used}))
    imports = [f"from {module} import {name}"] if module else []
    imports.append(f"from playhead.evals import {names}")
    file = folder / f"test_{_word(evaluation)}.py"
    head = HEAD.format(evaluation=evaluation, file=file, imports="\n".join(imports))
    file.write_text(head + "\n\n".join(tests), "utf-8")
    return [*written, file]


def _written(evaluators: Sequence[AnyEvaluator]) -> str:
    """As Python, with the settings that are not the default."""
    return f"[{', '.join(map(_call, evaluators))}]"


def _call(evaluator: AnyEvaluator) -> str:
    given = [
        f"{each.name}={getattr(evaluator, each.name)!r}"
        for each in fields(evaluator)  # type: ignore[arg-type]
        if getattr(evaluator, each.name) not in (each.default, None, {})
    ]
    return f"{type(evaluator).__name__}({', '.join(given)})"


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_") or "case"
