"""`memory add`, `search` and `promote`: what a namespace remembers across runs."""

from typing import Annotated

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_path, reading
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import columns, local_time, one_line, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.memory.index import MemoryIndex
from playhead.projections.memory.hits import MemoryHit
from playhead.projections.memory.search import Ranking
from playhead.runtime import Runtime
from playhead.service.redaction import redactor_of
from playhead.tools.context import from_environment
from playhead.tools.models.embedders import chosen_embedder

Namespace = Annotated[
    str,
    typer.Option(
        "--namespace", "-n", metavar="NAME", help="Whose memory: a user, a customer, a project."
    ),
]


def add(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")],
    namespace: Namespace,
    importance: Annotated[float, typer.Option(metavar="X", help="From 0 to 1.")] = 0.5,
    log: LogFile = None,
) -> int:
    """Store a text in a namespace's memory."""
    with Runtime(log_path(log), only_runs=()) as runtime:
        out.print(runtime.memory.remember(text, namespace, importance=importance))
    return exit_codes.OK


def promote(
    run: RunId,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason; it is recorded in the log.")
    ] = "",
    log: LogFile = None,
) -> int:
    """Let what a fork has learned count for everybody.

    Facts and memories of a fork stay in it until then.
    """
    with reading(log) as reader:
        run = find(reader, run)
    with Runtime(log_path(log), only_runs=()) as runtime:
        runtime.memory.promote(run, reason)
    out.print(f"what {run} has learned counts for everybody now")
    return exit_codes.OK


def search(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What to search for.")],
    namespace: Namespace,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most N.")] = 5,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only memories with this metadata."),
    ] = None,
    recency: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="X", help="How much of the score age can take away."),
    ] = 0.0,
    half_life: Annotated[
        float,
        typer.Option(min=0.01, metavar="DAYS", help="Days until age has taken away half of that."),
    ] = 30.0,
    importance: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="X", help="How much of the score low importance can take away."
        ),
    ] = 0.0,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Search a namespace's memory by words and by meaning, best match first."""
    ranking = Ranking(recency=recency, half_life=half_life, importance=importance)
    metadata = _metadata(where or [])
    embedder = chosen_embedder(None, from_environment)
    with reading(log) as reader, MemoryIndex(reader, embedder, redactor_of(None)) as memories:
        found = memories.recall(words, namespace, limit, metadata, ranking=ranking)
    if json:
        say_json([_plain(memory) for memory in found])
        return exit_codes.OK
    table = columns("memory", "since", "text")
    for memory in found:
        table.add_row(memory.id, local_time(memory.at)[:10], plain(one_line(memory.text)))
    out.print(table if found else f"{namespace} has no matching memory")
    return exit_codes.OK


def _metadata(where: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in where]
    for key, equals, value in pairs:
        if not key or not equals:
            msg = f"--where {key}{value}: say KEY=VALUE"
            raise UsageError(msg)
    return {key: value for key, _, value in pairs}


def _plain(memory: MemoryHit) -> dict[str, object]:
    """For machines: with the score, each part's rank and score, and the record it comes from."""
    parts = {name: part._asdict() for name, part in memory.parts.items()}
    return {**memory._asdict(), "parts": parts}
