"""`check-compat`: whether the installed code would decide as the runs in the log did."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer

from playhead.actors.replay import replay
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import reading, run_list
from playhead.cli.shared.options import JsonOption, LogFile
from playhead.cli.shared.output import columns, count, out, plain, say_json
from playhead.events.errors import LogError, PlayheadError, RedactedRun
from playhead.events.log.contract import Reader
from playhead.events.registry import ENDINGS
from playhead.events.version import VERSION
from playhead.projections.stored.run_list import RunRow, find_runs


class CompatVerdict(NamedTuple):
    """The result of replaying one run."""

    run: str
    status: str
    agent: str
    same: bool
    record: int | None = None
    field: str | None = None
    problem: str | None = None
    """Why it could not be replayed at all."""


def check_compat(
    sample: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Check only N of the ended runs, spread over the log."
        ),
    ] = 100,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Replay open runs, and a sample of ended ones.

    Says which would act differently under this code; the exit code is 1 if one would. For deploy
    pipelines: run it with the new version before it takes the log over. Redacted copies are left
    out: no code can decide on them.
    """
    with reading(log) as reader:
        with run_list(reader) as views:
            rows = find_runs(views.connection)
        compared = [(row, _verdict(reader, row)) for row in _chosen(rows, sample)]
    verdicts = [verdict for _, verdict in compared if verdict is not None]
    redacted = len(compared) - len(verdicts)
    wrong = [verdict for verdict in verdicts if not verdict.same]
    code = exit_codes.NO if wrong else exit_codes.OK
    if json:
        say_json({
            "code": VERSION, "checked": len(verdicts), "redacted": redacted,
            "different": len(wrong), "runs": [verdict._asdict() for verdict in wrong],
        })  # fmt: skip
        return code
    if redacted:
        out.print(f"{count(redacted, 'run')} skipped: redacted", style="dim")
    checked = f"{count(len(verdicts), 'run')} replayed under playhead {VERSION}"
    if not wrong:
        out.print(f"{checked}: all as recorded", style="green")
        return code
    out.print(f"{checked}: {count(len(wrong), 'run')} would act differently", style="red")
    table = columns("run", "status", "agent", "")
    for v in wrong:
        words = v.problem or f"at record {v.record}: {v.field} (playhead replay {v.run})"
        table.add_row(v.run, v.status, plain(v.agent), plain(words))
    out.print(table)
    return code


def _chosen(rows: list[RunRow], sample: int) -> Iterator[RunRow]:
    ended = [row for row in rows if row.status in ENDINGS.values()]
    yield from (row for row in rows if row.status not in ENDINGS.values())
    if sample >= len(ended):
        yield from ended
    elif sample:
        yield from (ended[n * len(ended) // sample] for n in range(sample))


def _verdict(reader: Reader, row: RunRow) -> CompatVerdict | None:
    """None for a redacted copy, which cannot be replayed."""
    try:
        report = replay(reader, row.run)
    except RedactedRun:
        return None
    except LogError:
        raise
    except PlayheadError as error:
        return CompatVerdict(row.run, row.status, row.agent, same=False, problem=str(error))
    at = report.divergence
    if at is None:
        return CompatVerdict(row.run, row.status, row.agent, same=True)
    return CompatVerdict(row.run, row.status, row.agent, same=False, record=at.seq, field=at.field)
