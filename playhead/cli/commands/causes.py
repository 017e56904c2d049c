"""`causes`: why a record is there, back to the goal; and forward, what it influenced."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from playhead.cli.commands.evaluate import causes_of_verdict
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find_or_evaluation, reading, records
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import columns, one_line, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.events.record import Record
from playhead.projections.history.causality import Causes
from playhead.projections.history.timeline import timeline


def causes(
    run: RunId,
    record: Annotated[int, typer.Argument(metavar="N", help="A record of the run.")],
    forward: Annotated[
        bool, typer.Option("--forward", help="Show what it influenced, not what led to it.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that led to it, not only the shortest path.")
    ] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Trace a record back to the goal, or forward.

    Each record names the one it was decided on; a model request also follows from what it read. A
    record of an evaluation leads to the runs that it judges.
    """
    with reading(log) as reader:
        run, is_evaluation = find_or_evaluation(reader, run)
        if is_evaluation:
            return causes_of_verdict(reader, run, record, log, json=json)
        found = {r.seq: r for r in records(reader, run)}
    if record not in found:
        msg = f"run {run} has the records 1 to {len(found)}: there is no record {record}"
        raise UsageError(msg)
    graph = Causes(found.values())
    way = graph.back if everything else graph.chain
    seqs = graph.forward(record) if forward else way(record)
    if json:
        say_json({
            "run": run, "record": record, "forward": forward,
            "records": [_line(found[seq], graph) for seq in seqs],
        })  # fmt: skip
        return exit_codes.OK
    table = columns("record", "kind", "because of", "")
    for seq in seqs:
        line = _line(found[seq], graph)
        because = [str(n) for n in line["causes"]] + [f"read {n}" for n in line["read"]]
        table.add_row(str(seq), line["kind"], _wrapped(because), plain(line["text"]))
    out.print(table)
    return exit_codes.OK


def _line(record: Record, graph: Causes) -> dict[str, Any]:
    links = graph.links(record.seq)
    return {
        "seq": record.seq,
        "kind": record.event.kind,
        "causes": [link.seq for link in links if not link.read],
        "read": [link.seq for link in links if link.read],
        "text": one_line("; ".join(entry.text for entry in timeline([record])))[:200],
    }


def _wrapped(words: Iterable[str]) -> str:
    return "\n".join(words)
