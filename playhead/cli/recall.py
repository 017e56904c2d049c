"""`memory add` and `memory search`: what a namespace remembers across runs."""

from typing import Annotated

import typer

from playhead.cli import exits
from playhead.cli.find import log_path, reading
from playhead.cli.options import Json, LogFile
from playhead.cli.output import columns, moment, one_line, out, plain, say_json
from playhead.recollection import Recollection
from playhead.runtime import Runtime

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NAME", help="A user, a customer, a project.")
]


def add(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")],
    namespace: Namespace,
    importance: Annotated[float, typer.Option(metavar="X", help="From 0 to 1.")] = 0.5,
    log: LogFile = None,
) -> int:
    """Have a namespace remember a text."""
    with Runtime(log_path(log), only_runs=()) as runtime:
        out.print(runtime.remember(text, namespace, importance=importance))
    return exits.OK


def search(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What to look for.")],
    namespace: Namespace,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 5,
    log: LogFile = None,
    json: Json = False,
) -> int:
    """Find what a namespace remembers, the nearest first."""
    with reading(log) as reader, Recollection(reader) as memories:
        found = memories.recall(words, namespace, limit)
    if json:
        say_json([memory._asdict() for memory in found])
        return exits.OK
    table = columns("memory", "since", "text")
    for memory in found:
        table.add_row(memory.id, moment(memory.at)[:10], plain(one_line(memory.text)))
    out.print(table if found else f"{namespace} remembers nothing like that")
    return exits.OK
