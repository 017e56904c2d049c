"""`facts` and `forget`: what the runs have learned, and taking a record back."""

from typing import Annotated

import typer
from pydantic_core import to_json

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_path, reading
from playhead.cli.shared.options import JsonOption, LogFile
from playhead.cli.shared.output import columns, count, one_line, out, plain, say_json
from playhead.memory.facts import facts_view
from playhead.projections.memory.facts import find_facts
from playhead.runtime import Runtime


def facts(
    entity: Annotated[
        str | None, typer.Argument(metavar="[ENTITY]", help="Only facts about this entity.")
    ] = None,
    as_of: Annotated[
        int | None,
        typer.Option("--as-of", metavar="N", help="What was known at position N of the log."),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Include superseded values.")] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """List what the runs have learned, and which records say it."""
    with reading(log) as reader, facts_view(reader) as views:
        found = find_facts(views.connection, entity, as_of, superseded=history)
    if json:
        say_json([fact._asdict() for fact in found])
        return exit_codes.OK
    table = columns("entity", "field", "run", "record", "position", "value")
    for fact in found:
        value = fact.value if isinstance(fact.value, str) else to_json(fact.value).decode()
        row = (plain(fact.entity), plain(fact.field), fact.run, str(fact.seq), str(fact.position))
        table.add_row(*row, plain(one_line(value)))
    out.print(table if found else "no facts")
    return exit_codes.OK


def forget(
    run: Annotated[
        str, typer.Argument(metavar="RUN|MEMORY|NAMESPACE", help="A run's id, or a memory's.")
    ],
    record: Annotated[
        int | None,
        typer.Argument(
            metavar="[RECORD]", help="A fact in the run, or a record that it came from."
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason; it is recorded in the log.")
    ] = "",
    namespace: Annotated[
        bool, typer.Option("--namespace", help="RUN is a namespace: forget all of it.")
    ] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Take a record back, and all facts and memories from it; or recall a memory no more.

    The record stays in the log. What had used it is listed: replies, calls, answers, later runs.
    """
    if namespace:
        with Runtime(log_path(log), only_runs=()) as runtime:
            forgotten = runtime.memory.forget_namespace(run, reason)
        out.print(f"{run} is forgotten: {forgotten} remembered, and what was learned")
        return exit_codes.OK
    if record is None:
        with Runtime(log_path(log), only_runs=()) as runtime:
            runtime.memory.forget(run, reason)
        out.print(f"memory {run} is not recalled any more")
        return exit_codes.OK
    with reading(log) as reader:
        run = run if run.startswith("memory/") else find(reader, run)
    with Runtime(log_path(log), only_runs=()) as runtime:
        taken = runtime.memory.retract(run, record, reason)
    if json:
        say_json({
            "facts": [fact.model_dump() for fact in taken.facts],
            "memories": taken.memories,
            "runs": taken.runs,
            "influenced": [
                {"run": each.run, "seq": each.seq, "kind": each.event.kind}
                for each in taken.influenced
            ],
        })  # fmt: skip
        return exit_codes.OK
    used = f"{count(len(taken.influenced), 'record')} in {count(len(taken.runs), 'run')}"
    gone = f"{count(len(taken.facts), 'fact')} and {len(taken.memories)} remembered"
    out.print(f"{gone} taken back; {used} had used it")
    for each in taken.influenced:
        out.print(f"  {each.run} {each.seq:4}  {each.event.kind}")
    return exit_codes.OK
