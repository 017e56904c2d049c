"""An evaluation's report for a terminal, for programs, and as JUnit XML."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, cast
from xml.etree import ElementTree as ET

from pydantic_core import to_json

from playhead.cli.shared.output import columns, count, facts, out, plain
from playhead.events.kinds.evaluations import TrialEnded
from playhead.projections.evaluation.report import Comparison, Report, VariantReport
from playhead.projections.evaluation.statistics import Interval

SHOWN = 10

_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def print_report(report: Report) -> None:
    """The report for people."""
    state = {"finished": "finished", "budget": "the budget is spent"}.get(
        report.ended or "", "not finished"
    )
    cases = f"{count(report.cases, 'case')} x {report.repeats}"
    spent = "unknown" if report.spent is None else f"${report.spent:.4f}"
    out.print(facts([
        ("evaluation", f"{report.evaluation} ({state})"),
        ("dataset", f"{report.dataset}: {cases}"),
        ("cost", f"{spent}, judges included"),
    ]))  # fmt: skip
    for variant in report.variants:
        out.line()
        _print_variant(variant, report.repeats)
    for comparison in report.comparisons:
        out.line()
        _print_comparison(comparison)


def _print_variant(variant: VariantReport, repeats: int) -> None:
    made = count(variant.trials, "trial")
    missing = f", {variant.missing} not made" if variant.missing else ""
    options = ", ".join(f"{k}={v}" for k, v in variant.options.items())
    rows = [("variant", variant.name + (f" ({options})" if options else ""))]
    rows += [("trials", f"{made}{missing}"), ("pass@1", _percent(variant.pass_1))]
    if repeats > 1:
        rows.append((f"pass^{repeats}", _percent(variant.pass_k)))
    rows += [
        ("cost", "unknown" if variant.cost is None else _interval(variant.cost, "$", 4)),
        ("tokens", _interval(variant.tokens)),
        ("steps", _interval(variant.steps, digits=1)),
        ("seconds", _interval(variant.seconds, digits=2)),
    ]
    unfinished = {k: v for k, v in variant.statuses.items() if k != "finished"}
    if unfinished:
        rows.append(("ended", ", ".join(f"{v} {k}" for k, v in sorted(unfinished.items()))))
    out.print(facts(rows))
    table = columns("passed", "evaluator")
    for each in variant.evaluators:
        if not each.of:
            continue
        agreed = ""
        if each.agreement is not None:
            kappa = "" if each.agreement.kappa is None else f", kappa {each.agreement.kappa:.2f}"
            agreed = f"; people agree in {each.agreement.same} of {each.agreement.labels}{kappa}"
        table.add_row(f"{each.passed} of {each.of}", plain(f"{each.name}{agreed}"))
    if table.row_count:
        out.print(table)
    _print_failed(variant.failed)


def _print_failed(failed: Sequence[TrialEnded]) -> None:
    if not failed:
        return
    cases: dict[str, list[TrialEnded]] = defaultdict(list)
    for trial in failed:
        cases[trial.case].append(trial)
    table = columns("failed", "case", "why, the first time")
    for case, trials in list(cases.items())[:SHOWN]:
        table.add_row(f"{len(trials)} x", plain(case), plain(why(trials[0]))[:300])
    out.print(table)
    if len(cases) > SHOWN:
        out.print(f"... and {count(len(cases) - SHOWN, 'case')} more (--json)", style="dim")


def _print_comparison(comparison: Comparison) -> None:
    style = "" if not comparison.significant else (
        "green" if comparison.difference.value > 0 else "red"
    )  # fmt: skip
    out.print(plain(comparison.verdict), style=style)
    rows = [("pass@1", _points(comparison.difference))]
    if comparison.cost is not None:
        rows.append(("cost", _signed(comparison.cost, "$", 4)))
    rows.append(("seconds", _signed(comparison.seconds, "", 2)))
    for what, changes in (("better", comparison.better), ("worse", comparison.worse)):
        if changes:
            told = ", ".join(f"{c.case} ({c.before:.0%} -> {c.after:.0%})" for c in changes[:SHOWN])
            more = f", and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
            rows.append((what, told + more))
    out.print(facts(rows))


def why(trial: TrialEnded) -> str:
    """Why a trial did not pass, on one line."""
    if trial.status != "finished":
        return " ".join(f"{trial.status}: {trial.reason}".split())
    failed = [score for score in trial.scores if not score.passed]
    return "; ".join(f"{s.evaluator}: {' '.join(s.reason.split()) or 'no'}" for s in failed)


def _percent(figure: Interval) -> str:
    return f"{figure.value:.1%} (95 %: {figure.low:.1%} to {figure.high:.1%})"


def _points(figure: Interval) -> str:
    value, low, high = (100 * each for each in figure)
    return f"{value:+.1f} points (95 %: {low:+.1f} to {high:+.1f})"


def _interval(figure: Interval, unit: str = "", digits: int = 0) -> str:
    value, low, high = (f"{unit}{each:,.{digits}f}" for each in figure)
    return value if low == high else f"{value} (95 %: {low} to {high})"


def _signed(figure: Interval, unit: str, digits: int) -> str:
    def told(each: float) -> str:
        sign = "-" if each < 0 else "+"
        return f"{sign}{unit}{abs(each):.{digits}f}"

    value, low, high = map(told, figure)
    return f"{value} (95 %: {low} to {high})"


def document(report: Report) -> dict[str, Any]:
    """The report for programs."""
    found: dict[str, Any] = json.loads(to_json(_named(report)))
    return found


def _named(value: object) -> Any:
    """Named tuples as objects, also inside one another."""
    as_dict: Callable[[], dict[str, object]] | None = getattr(value, "_asdict", None)
    if as_dict is not None:
        return {name: _named(each) for name, each in as_dict().items()}
    if isinstance(value, tuple):
        return [_named(each) for each in cast("tuple[object, ...]", value)]
    return value


def junit(report: Report, trials: Sequence[TrialEnded]) -> bytes:
    """JUnit XML: a suite for each variant, a test case for each trial."""
    root = ET.Element("testsuites", name=report.dataset)
    by_variant: dict[str, list[TrialEnded]] = defaultdict(list)
    for trial in trials:
        by_variant[trial.variant].append(trial)
    for variant in report.variants:
        made = by_variant[variant.name]
        suite = ET.SubElement(
            root, "testsuite", name=variant.name, tests=str(len(made)),
            failures=str(sum(not trial.passed for trial in made)), errors="0",
            time=f"{sum(trial.seconds for trial in made):.3f}",
        )  # fmt: skip
        for trial in made:
            case = ET.SubElement(
                suite, "testcase", classname=f"{report.dataset}.{variant.name}",
                name=f"{trial.case} [{trial.trial}]", time=f"{trial.seconds:.3f}",
            )  # fmt: skip
            if not trial.passed:
                told = _xml(why(trial))
                failure = ET.SubElement(case, "failure", message=told[:200])
                failure.text = _xml(f"{why(trial)}\nrun {trial.runs[-1]}")
    written: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return written


def _xml(text: str) -> str:
    """The text without what XML cannot hold."""
    return _NOT_XML.sub("?", text)
