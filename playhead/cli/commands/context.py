"""`context`: what the model was sent, and which record each block of it comes from."""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import typer
from pydantic_core import to_json
from rich.text import Text

from playhead.actors.engine.load_state import load_state
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, reading, records
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import one_line, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.log.contract import Reader
from playhead.projections.prompt.compression import ContextPiece

SHOWN = 160
"""Characters of a block, without --full."""


class ShownBlock(NamedTuple):
    """One block of a request."""

    role: str
    type: str
    text: str
    run: str
    seq: int | None
    """The record it comes from; None for the goal restated at the end."""


def context(
    run: RunId,
    at: Annotated[
        int | None, typer.Option("--at", metavar="N", help="The last request up to record N.")
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="The record that each block comes from.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="The first block that differs from the request before.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten long texts.")] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Show a request as the model got it.

    It is rendered from the log, block by block: the goal first, then the summary of older turns,
    the last turns word for word, and the goal again.
    """
    with reading(log) as reader:
        run = find(reader, run)
        asked = requests(reader, run, at)
        if not asked:
            msg = f"run {run} has asked the model nothing up to record {at or 'its last'}"
            raise UsageError(msg)
        now = blocks(reader, run, asked[-1])
        before = blocks(reader, run, asked[-2]) if diff and len(asked) > 1 else None
    if diff:
        return _tell_difference(asked, before or [], now, json)
    if json:
        say_json({"run": run, "request": asked[-1], "blocks": [b._asdict() for b in now]})
        return exit_codes.OK
    out.print(f"run {run}, request {asked[-1]}: {len(now)} blocks", style="bold")
    for block in now:
        _print(block, run, why=why, full=full)
    return exit_codes.OK


def requests(log: Reader, run: str, at: int | None = None) -> list[int]:
    """The seqs of the run's requests for a step, up to a record."""
    return [
        record.seq
        for record in records(log, run)
        if isinstance(record.event, ModelRequested) and (at is None or record.seq <= at)
    ]


def blocks(log: Reader, run: str, seq: int) -> list[ShownBlock]:
    """The blocks of a recorded request, each with its record."""
    state = load_state(log, run, seq)
    asked = state.open[seq].event
    assert isinstance(asked, ModelRequested)
    body = state.request_of(asked).body
    pieces = state.steps[asked.step].context.pieces
    return list(_system(body)) + [
        shown
        for message, piece in zip(body["messages"], pieces, strict=True)
        for shown in _message(message, piece)
    ]


def _system(body: dict[str, Any]) -> Iterator[ShownBlock]:
    system = body.get("system") or ()
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        yield ShownBlock("system", "text", str(block["text"]), "", 1)


def _message(message: dict[str, Any], piece: ContextPiece) -> Iterator[ShownBlock]:
    for number, block in enumerate(message["content"]):
        seq = piece.sources[number] if number < len(piece.sources) else None
        yield ShownBlock(message["role"], block["type"], _text(block), piece.run, seq)


def _text(block: dict[str, Any]) -> str:
    match block["type"]:
        case "text":
            return str(block["text"])
        case "tool_use":
            return f"{block['name']} {to_json(block['input']).decode()}"
        case "tool_result":
            content = block["content"]
            return content if isinstance(content, str) else to_json(content).decode()
        case _:
            return to_json({k: v for k, v in block.items() if k != "cache_control"}).decode()


def _print(block: ShownBlock, run: str, *, why: bool, full: bool) -> None:
    text = block.text if full else one_line(block.text)[:SHOWN]
    line = Text(f"{block.role:9} {block.type:11} ", style="dim")
    line.append(plain(text), style="")
    if why:
        where = "" if block.run in ("", run) else f" of {block.run}"
        source = "the goal, restated" if block.seq is None else f"record {block.seq}{where}"
        line.append(f"  <- {source}", style="cyan")
    out.print(line)


def _tell_difference(
    asked: list[int], before: list[ShownBlock], now: list[ShownBlock], json: bool
) -> int:
    same = 0
    for old, new in zip(before, now, strict=False):
        if old != new:
            break
        same += 1
    earlier = asked[-2] if len(asked) > 1 else None
    left, came = before[same : same + 1], now[same : same + 1]
    if json:
        say_json({
            "requests": [earlier, asked[-1]],
            "same_blocks": same,
            "before": left[0]._asdict() if left else None,
            "now": came[0]._asdict() if came else None,
        })  # fmt: skip
        return exit_codes.OK
    out.print(f"requests {earlier} and {asked[-1]}: the first {same} blocks are the same")
    for word, found in (("before", left), ("now", came)):
        for block in found:
            out.print(Text(f"{word:7}").append(plain(one_line(block.text)[:SHOWN])))
    return exit_codes.OK
