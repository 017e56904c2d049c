"""`memory add`, `list`, `search`, `export`, `promote`: what a namespace remembers across runs."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic_core import to_json
from rich.table import Table

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_path, reading
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import columns, local_time, one_line, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.memory.index import MemoryIndex
from playhead.projections.memory.filter import Filter
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
    at: Annotated[
        datetime | None, typer.Option(metavar="TIME", help="When it was true or said, in UTC.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who said it.")] = "",
    supersedes: Annotated[
        list[str] | None, typer.Option(metavar="MEMORY", help="A memory that is out of date now.")
    ] = None,
    log: LogFile = None,
) -> int:
    """Store a text in a namespace's memory."""
    said_at = None if at is None else at.replace(tzinfo=UTC)
    with Runtime(log_path(log), only_runs=()) as runtime:
        memory = runtime.memory.remember(
            text, namespace, importance=importance, at=said_at, by=by, supersedes=supersedes or ()
        )
    out.print(memory)
    return exit_codes.OK


def list_(
    namespace: Annotated[
        str | None, typer.Argument(metavar="[NAMESPACE]", help="Its memories; or all namespaces.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most N.")] = 50,
    after: Annotated[
        int | None, typer.Option(metavar="N", help="The next page, from the number below the last.")
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """List what a namespace remembers, newest first; without a name, the namespaces."""
    with reading(log) as reader, MemoryIndex(reader) as memories:
        if namespace is None:
            return _namespaces(memories.namespaces(), json=json)
        page = memories.page(Filter(namespace), limit, after)
    if json:
        say_json({**page._asdict(), "memories": [_plain(memory) for memory in page.memories]})
        return exit_codes.OK
    out.print(_table(page.memories) if page.memories else f"{namespace} remembers nothing")
    if page.next is not None:
        out.print(f"{page.total} in all; the next page: --after {page.next}")
    return exit_codes.OK


def _namespaces(known: dict[str, int], *, json: bool) -> int:
    table = columns("namespace", "memories")
    for name, total in known.items():
        table.add_row(plain(name), str(total))
    if json:
        say_json(known)
    else:
        out.print(table if known else "nothing is remembered")
    return exit_codes.OK


def export(
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Whose memories.")],
    log: LogFile = None,
) -> int:
    """Print all that a namespace remembers as JSON lines, oldest first."""
    with reading(log) as reader, MemoryIndex(reader) as memories:
        for memory in memories.export(namespace):
            typer.echo(to_json(memory).decode())
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
    as_of: Annotated[
        int | None,
        typer.Option("--as-of", metavar="N", help="What was known at position N of the log."),
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Search a namespace's memory by words and by meaning, best match first."""
    ranking = Ranking(recency=recency, half_life=half_life, importance=importance)
    metadata = _metadata(where or [])
    embedder = chosen_embedder(None, from_environment)
    with reading(log) as reader, MemoryIndex(reader, embedder, redactor_of(None)) as memories:
        found = memories.recall(words, namespace, limit, metadata, ranking=ranking, as_of=as_of)
    if json:
        say_json([_plain(memory) for memory in found])
        return exit_codes.OK
    out.print(_table(found) if found else f"{namespace} has no matching memory")
    return exit_codes.OK


def _table(memories: list[MemoryHit]) -> Table:
    table = columns("memory", "since", "text")
    for memory in memories:
        text = f"{memory.text} (superseded)" if memory.superseded_by else memory.text
        table.add_row(memory.id, local_time(memory.at)[:10], plain(one_line(text)))
    return table


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
    said = [each._asdict() for each in memory.occurrences]
    return {**memory._asdict(), "parts": parts, "occurrences": said}
