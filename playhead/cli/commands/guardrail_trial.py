"""`backtest --guardrail`: asks a guardrail about the texts of recorded runs."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from playhead.cli.shared.output import columns, count, out, plain
from playhead.definition.guardrails import Guardrail
from playhead.events.record import Record
from playhead.events.spec.guardrails import Verdict
from playhead.projections.history.guardrail_trial import GuardrailTrial, try_guardrail
from playhead.tools.validation.guardrails import verdict_on

SHOWN = 20


class Judge:
    """A guardrail on trial."""

    def __init__(self, guardrail: Guardrail) -> None:
        self.guardrail = guardrail

    def on(self, records: Iterable[Record]) -> GuardrailTrial:
        """Its verdicts on one run."""
        return try_guardrail(records, self.guardrail.spec(), self._verdict)

    def _verdict(self, text: str) -> Verdict:
        """As in a run: a function that raises, or answers anything else, blocks."""
        check = self.guardrail.check
        if check is None:
            return verdict_on(self.guardrail.spec(), text)
        try:
            given = check(text)
            verdict = asyncio.run(_awaited(given)) if inspect.isawaitable(given) else given
        except Exception as error:
            return Verdict.block(f"{type(error).__name__}: {error}")
        if isinstance(verdict, Verdict):
            return verdict
        if verdict is True:
            return Verdict.allow()
        return Verdict.block(f"it returned {type(verdict).__name__}, not a Verdict or True")


async def _awaited(given: Any) -> Any:
    return await given


def print_guardrail(name: str, trials: Sequence[GuardrailTrial]) -> None:
    """The result for people."""
    given = Counter(verdict.verdict for trial in trials for verdict in trial.verdicts)
    judged = sum(trial.judged for trial in trials)
    counts = ", ".join(f"{verdict} {number}" for verdict, number in sorted(given.items()))
    told = f"guardrail {name} would have judged {count(judged, 'text')}: {counts or 'all allowed'}"
    out.print(plain(told))
    wrong = [trial for trial in trials if trial.wrong]
    style = "red" if wrong else "green"
    out.print(f"{count(len(wrong), 'run')} that finished well would be blocked", style=style)
    table = columns("run", "became", "record", "on", "verdict", "text")
    rows = [(trial, verdict) for trial in trials for verdict in trial.verdicts]
    for trial, verdict in rows[:SHOWN]:
        text = verdict.text.partition("\n")[0][:80]
        table.add_row(
            trial.run, trial.status, str(verdict.seq), verdict.on, verdict.verdict, plain(text)
        )
    if rows:
        out.print(table)
    if len(rows) > SHOWN:
        out.print(f"... and {len(rows) - SHOWN} more (--json)", style="dim")


def guardrail_document(trials: Sequence[GuardrailTrial]) -> dict[str, Any]:
    """The result for programs."""
    return {
        "guardrail": {
            "judged": sum(trial.judged for trial in trials),
            "wrong": sum(trial.wrong for trial in trials),
            "verdicts": [
                {"run": trial.run, "status": trial.status, **verdict._asdict()}
                for trial in trials
                for verdict in trial.verdicts
            ],
        }
    }
