"""`eval`, `evals` and `eval-tests`: datasets tried on agents, judged, compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import AnyAgent, load, load_named
from playhead.cli.shared.eval_report import document, junit, print_report, why
from playhead.cli.shared.log import log_option, log_path, reading
from playhead.cli.shared.options import BaseUrl, JsonOption, LogFile, parse_time
from playhead.cli.shared.output import columns, count, err, local_time, out, plain, say_json
from playhead.evals.dataset import Dataset
from playhead.evals.evaluation import evaluate, new_evaluation_id
from playhead.evals.evaluation_log import (
    STREAMS,
    evaluation_records,
    evaluation_report,
    evaluations,
    find_evaluation,
)
from playhead.evals.evaluators import Given, Judge, evaluator_of
from playhead.evals.judged_again import cases_tried, judge_again
from playhead.evals.regression import write_tests
from playhead.evals.trials import Approvals
from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.evaluations import TrialEnded
from playhead.events.log.contract import Reader
from playhead.projections.evaluation.report import Report
from playhead.runtime import Runtime
from playhead.service.wait_reader import Wanted

SHOWN = 20
APPROVALS: Mapping[str, Approvals] = {"stop": "stop", "approve": "approve", "deny": "deny"}
CHANGED = "changed"
"""The name of the variant that --set or --strategy makes."""


def eval_(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="A .jsonl, .json or .yaml file, or module:name of a Dataset.",
            show_default="with --from-runs: the runs",
        ),
    ] = "",
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE:NAME",
            help="The agent.",
            show_default="none: the recorded runs themselves are judged",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="WHERE:NAME", help="Another agent to compare with; may be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Compare with the agent with another model=NAME."
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare with the agent with this strategy."),
    ] = None,
    from_runs: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY",
            help='Recorded runs of the log as cases: "agent=desk since=7d status=failed".',
        ),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --from-runs: fork each run at record N.",
        ),
    ] = None,
    evaluator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=VALUE]", help='Judges every case: exact, contains, "regex=\\d+"...'
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="RUBRIC", help="A model judges by this rubric.")
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model that judges.")
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, metavar="N", help="Trials of each case.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Trials at once.")] = 8,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="For all trials and judges together.")
    ] = None,
    approvals: Annotated[
        str, typer.Option(metavar="HOW", help="When a run waits for a person: stop, approve, deny.")
    ] = "stop",
    id_: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Go on with this evaluation.")
    ] = None,
    min_pass: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Exit code 1 if pass@1 of any variant is below."),
    ] = None,
    junit_xml: Annotated[
        Path | None, typer.Option("--junit-xml", metavar="FILE", help="Also write JUnit XML.")
    ] = None,
    base_url: BaseUrl = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Try a dataset on an agent, judge it, compare.

    Every case is an ordinary run in the log, every verdict a record. After a crash or Ctrl-C the
    same command with --id goes on (`playhead evals` lists the ids). The exit code is 1 if pass@1 is
    below --min-pass, or if a variant is significantly worse than the first.
    """
    if approvals not in APPROVALS:
        msg = f"--approvals {approvals}: write stop, approve or deny"
        raise UsageError(msg)
    if min_pass is not None and not 0 <= min_pass <= 1:
        msg = f"--min-pass {min_pass:g}: must be a share from 0 to 1, such as 0.9"
        raise UsageError(msg)
    variants, options = _variants(agent, against or (), set_ or (), strategy)
    judges: list[Given] = [evaluator_of(_given(each)) for each in evaluator or ()]
    if judge is not None:
        judges.append(Judge(judge, model=judge_model))
    with Runtime(log_path(log), base_url=base_url, only_runs=()) as runtime:
        cases = _dataset(runtime.evaluations.log, dataset, from_runs, at, anew=bool(variants))
        name = id_ or new_evaluation_id()
        try:
            report = evaluate(
                runtime, cases, variants or None, evaluators=judges, repeats=k,
                concurrency=concurrency, max_cost=max_cost, evaluation=name, options=options,
                approvals=APPROVALS[approvals], on_trial=None if json else _tell,
            )  # fmt: skip
        except KeyboardInterrupt:
            err.print(f"left; to go on, the same command with --id {name}", style="yellow")
            raise
        trials = list(cases_tried(runtime.evaluations.log, name))
    if junit_xml is not None:
        junit_xml.write_bytes(junit(report, trials))
    if json:
        say_json(document(report))
    else:
        print_report(report)
        _next(report, log)
    return _code(report, min_pass)


def evals(log: LogFile = None, json: JsonOption = False) -> int:
    """List the evaluations, the newest first."""
    with reading(log) as reader:
        found = [evaluation_report(reader, each) for each in reversed(evaluations(reader))]
    if json:
        say_json([document(each) for each in found])
        return exit_codes.OK
    table = columns("evaluation", "started", "cases", "pass@1")
    for each in found:
        passes = ", ".join(
            f"{v.name} {v.pass_1.value:.0%}" if v.trials else f"{v.name}: no trial"
            for v in each.variants
        )
        passes += {"finished": "", "budget": " (budget spent)"}.get(each.ended or "", " (open)")
        cases = f"{each.cases} x {each.repeats}"
        table.add_row(each.evaluation, local_time(each.started_at)[:16], cases, plain(passes))
    if found:
        out.print(table)
    else:
        out.print("no evaluations yet")
    return exit_codes.OK


def eval_tests(
    evaluation: Annotated[str, typer.Argument(metavar="EVALUATION", help="Its id.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="Where the tests go.")],
    agent: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="The agent that records the runs again."),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose failures.", show_default="the first one's"),
    ] = None,
    log: LogFile = None,
) -> int:
    """Write an evaluation's failures as recorded-run tests.

    One run and one test for each case that failed. The tests fail until the runs are recorded again
    by an agent that passes: `pytest --playhead-update`.
    """
    with reading(log) as reader:
        found = find_evaluation(reader, evaluation) or evaluation_report(reader, evaluation)
        written = write_tests(reader, str(found), into, agent, variant)
    for path in written:
        out.print(str(path), soft_wrap=True)
    return exit_codes.OK


def show_evaluation(reader: Reader, evaluation: str, log: Path | None, json: bool) -> int:
    """`playhead show EVALUATION`."""
    report = evaluation_report(reader, evaluation)
    if json:
        say_json(document(report))
    else:
        print_report(report)
        _next(report, log)
    return exit_codes.OK


def judge_evaluation_again(reader: Reader, evaluation: str, json: bool) -> int:
    """`playhead replay EVALUATION`."""
    found = judge_again(reader, evaluation)
    if json:
        say_json({
            "evaluation": evaluation, "matches": not found.other, "trials": found.trials,
            "scores": found.scores, "unchecked": found.unchecked,
            "other": [
                {
                    **each._asdict(), "recorded": each.recorded.model_dump(mode="json"),
                    "now": each.now.model_dump(mode="json"),
                }
                for each in found.other
            ],
        })  # fmt: skip
        return exit_codes.NO if found.other else exit_codes.OK
    left = f"; {count(found.unchecked, 'score')} of functions were not" if found.unchecked else ""
    told = f"{count(found.scores, 'score')} of {count(found.trials, 'trial')} judged again"
    if not found.other:
        out.print(f"evaluation {evaluation} matches: {told} as recorded{left}", style="green")
        return exit_codes.OK
    out.print(f"evaluation {evaluation} differs: {told}{left}", style="red")
    table = columns("record", "variant", "case", "evaluator", "recorded", "now")
    for each in found.other[:SHOWN]:
        words = ("passed" if score.passed else score.reason for score in (each.recorded, each.now))
        case = f"{each.case} [{each.trial}]"
        table.add_row(
            str(each.seq), each.variant, case, plain(each.recorded.evaluator), *map(plain, words)
        )
    out.print(table)
    return exit_codes.NO


def causes_of_verdict(
    reader: Reader, evaluation: str, record: int, log: Path | None, json: bool
) -> int:
    """`playhead causes EVALUATION N`."""
    found = next((r for r in evaluation_records(reader, evaluation) if r.seq == record), None)
    if found is None:
        last = reader.head(f"{STREAMS}{evaluation}").seq
        msg = f"evaluation {evaluation} has the records 1 to {last}: there is no record {record}"
        raise UsageError(msg)
    trial = found.event if isinstance(found.event, TrialEnded) else None
    judges = [score.run for score in trial.scores if score.run] if trial else []
    runs = [(run, reader.head(run).seq) for run in ((*trial.runs, *judges) if trial else ())]
    if json:
        say_json({
            "evaluation": evaluation, "record": record, "kind": found.event.kind,
            "runs": [{"run": run, "record": last} for run, last in runs],
        })  # fmt: skip
        return exit_codes.OK
    out.print(
        plain(f"record {record}: {found.event.kind}" + (f", {_line(trial)}" if trial else ""))
    )
    for run, last in runs:
        out.print(f"  playhead causes {run} {last}{log_option(log)}", soft_wrap=True)
    return exit_codes.OK


def _variants(
    reference: str | None, against: Sequence[str], changes: Sequence[str], strategy: str | None
) -> tuple[dict[str, AnyAgent], dict[str, Mapping[str, Json]]]:
    if reference is None:
        if against or changes or strategy:
            msg = "--against, --set and --strategy compare with --agent: give it"
            raise UsageError(msg)
        return {}, {}
    first = load(reference)
    found: dict[str, AnyAgent] = {first.name: first}
    options: dict[str, Mapping[str, Json]] = {}
    for other in against:
        agent = load(other)
        name = agent.name if agent.name not in found else other
        found[name] = agent
    changed: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if name != "model" or not equals or not value:
            msg = f"--set {change}: write model=NAME (for another change, --against)"
            raise UsageError(msg)
        changed |= {"model": value, "routing": None, "fallback": ()}
    if strategy is not None:
        changed["strategy"] = strategy
    if changed:
        found[CHANGED] = replace(first, **changed)
        options[CHANGED] = {k: v for k, v in changed.items() if k in ("model", "strategy")}
    return found, options


def _dataset(
    log: Reader, dataset: str, from_runs: str | None, at: int | None, *, anew: bool
) -> Dataset:
    if from_runs is None:
        if at is not None:
            msg = "--at is for --from-runs"
            raise UsageError(msg)
        if not dataset:
            msg = "give a DATASET, or --from-runs"
            raise UsageError(msg)
        path = Path(dataset)
        if path.suffix in (".jsonl", ".json", ".yaml", ".yml"):
            return Dataset.load(path)
        return load_named(dataset, "DATASET", Dataset)
    if dataset:
        msg = f"give {dataset} or --from-runs, not both"
        raise UsageError(msg)
    found = Dataset.from_runs(log, again=anew and at is None, **_query(from_runs))
    if at is not None:
        return Dataset.from_forks([case.id for case in found.cases], at)
    return found


def _query(from_runs: str) -> Wanted:
    wanted: dict[str, Any] = {}
    for part in from_runs.split():
        key, equals, value = part.partition("=")
        if not equals or key not in ("agent", "session", "status", "since", "limit"):
            msg = (
                f"--from-runs {part}: write agent=, session=, status=, since= or limit=, separated "
                "by spaces"
            )
            raise UsageError(msg)
        wanted[key] = value
    if "since" in wanted:
        wanted["since"] = parse_time(wanted["since"], "since=")
    if "limit" in wanted:
        wanted["limit"] = int(wanted["limit"]) if wanted["limit"].isdecimal() else None
    return cast("Wanted", wanted)


def _given(text: str) -> Given:
    kind, equals, value = text.partition("=")
    if not equals:
        return kind
    try:
        number = float(value)
    except ValueError:
        return {kind: value}
    return {kind: number if kind.startswith("max_") or kind == "numeric" else value}


def _line(trial: TrialEnded) -> str:
    told = "passed" if trial.passed else f"did not pass: {why(trial)}"
    return f"{trial.variant} {trial.case} [{trial.trial}]: {told}"[:300]


def _tell(trial: TrialEnded) -> None:
    err.print(plain(_line(trial)), style="dim" if trial.passed else "yellow")


def _next(report: Report, log: Path | None) -> None:
    failed = [trial for variant in report.variants for trial in variant.failed]
    if failed:
        err.print(f"  playhead why {failed[0].runs[-1]}{log_option(log)}", style="dim")
        err.print(
            f"  playhead eval-tests {report.evaluation} --into tests/evals{log_option(log)}",
            style="dim", soft_wrap=True,
        )  # fmt: skip


def _code(report: Report, min_pass: float | None) -> int:
    below = min_pass is not None and any(v.pass_1.value < min_pass for v in report.variants)
    worse = any(c.significant and c.difference.value < 0 for c in report.comparisons)
    if report.ended != "finished":
        return exit_codes.OPEN
    return exit_codes.NO if below or worse else exit_codes.OK
