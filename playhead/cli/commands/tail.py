"""`tail`: follow a log, or one run of it, as another process writes it."""

import time
from collections.abc import Iterator
from typing import Annotated

import typer
from pydantic_core import to_json

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, reading
from playhead.cli.shared.options import LogFile
from playhead.cli.shared.output import out
from playhead.cli.shared.run_format import entry_row
from playhead.events.codec import decode
from playhead.events.log.contract import Reader
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.history.timeline import timeline

SECONDS = 0.2
"""Seconds between two reads of the log."""


def tail(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="Follow one run to its end; by default the whole log."
        ),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, metavar="N", help="Start N records back.")
    ] = 20,
    json: Annotated[bool, typer.Option("--json", help="One record per line, as JSON.")] = False,
    log: LogFile = None,
) -> int:
    """Follow a run to its end, or the whole log until Ctrl-C.

    It only reads: the process that writes does not notice.
    """
    with reading(log) as reader:
        name = None if run is None else find(reader, run)
        for record in _records(reader, name, lines):
            _print(record, json, whole_log=name is None)
    return exit_codes.OK


def _records(reader: SqliteReader, run: str | None, back: int) -> Iterator[Record]:
    after = max(0, (reader.end() if run is None else reader.head(run).seq) - back)
    while True:
        for record in _since(reader, run, after):
            after = record.position if run is None else record.seq
            yield record
            if run is not None and record.event.kind in ENDINGS:
                return
        if run is not None and _ended(reader, run, after):
            return
        time.sleep(SECONDS)


def _since(reader: Reader, run: str | None, after: int) -> Iterator[Record]:
    rows = reader.follow(after) if run is None else reader.read(run, after)
    return (decode(row, reader.body) for row in rows)


def _ended(reader: Reader, run: str, seq: int) -> bool:
    """Whether the record last shown was the run's end (nothing was, with --lines 0)."""
    last = next(reader.read(run, seq - 1, seq), None)
    return last is not None and last.kind in ENDINGS


def _print(record: Record, json: bool, *, whole_log: bool) -> None:
    if json:
        fields = {
            "run": record.run, "seq": record.seq, "position": record.position, "at": record.at,
            "actor": record.actor, "cause": record.cause,
            "event": record.event.model_dump(mode="json"),
        }  # fmt: skip
        out.out(to_json(fields).decode())
    for entry in () if json else timeline([record]):
        note = (
            record.actor if record.cause is None else f"{record.actor}, because of {record.cause}"
        )
        out.print(entry_row(entry, f"{record.run}, {note}" if whole_log else note))
    out.file.flush()
