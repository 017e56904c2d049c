"""Exports as an attacker makes them: any records, sealed with hashes that fit, and a right end."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from playhead import Agent, Runtime, tool
from playhead.events.codec import decode, seal
from playhead.events.event import Event
from playhead.events.log.contract import Append, Head
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.maintenance.export import lines_of
from playhead.events.record import GENESIS, Record, Stored
from playhead.testing import ScriptedModel, call
from playhead.testing.appends import write
from tests.support.waiting import asks_here, first_record

PAID = list[int]()


@tool(effect="once", approval=True)
def pay(amount: int) -> str:
    """Pay somebody an amount of money, which cannot be undone.

    Args:
        amount: How much.

    Returns:
        That it is paid.
    """
    PAID.append(amount)
    return "paid"


@tool(effect="read", approval=True)
def settle(amount: int) -> str:
    """Settle a bill, which may be asked for again without harm.

    Args:
        amount: How much.

    Returns:
        That it is settled.
    """
    PAID.append(amount)
    return "settled"


def _say(body: dict[str, Any]) -> Any:
    wants = "settle" if "settle" in json.dumps(body["messages"][0]) else "pay"
    done = sum(isinstance(message["content"], list) for message in body["messages"])
    answered = "tool_result" in json.dumps(body["messages"])
    return "done" if answered else [f"round {done}", call(wants, amount=7)]


def payer() -> Agent[str]:
    return Agent(name="payer", tools=[pay, settle], model=ScriptedModel(_say))


class Forged(NamedTuple):
    """One stream to be."""

    name: str
    records: Sequence[Record]
    kind: str = "run"
    parent: str | None = None
    parent_seq: int | None = None


def waiting_records(folder: Path, goal: str = "pay", name: str = "evil") -> list[Record]:
    """An honest run that waits for an approval, under another name."""
    path = folder / "elsewhere.db"
    with Runtime(path, model=None) as runtime:
        run = runtime.start(payer(), goal)
        first_record(run, asks_here)
    with SqliteLog(path) as log:
        found = [decode(row, log.body)._replace(run=name) for row in log.read(run.id)]
    path.unlink()
    return found


def event_of(records: Sequence[Record], kind: str) -> Any:
    return next(record.event for record in records if record.event.kind == kind)


def after(records: Sequence[Record], event: Event, **more: Any) -> list[Record]:
    """The records and one more."""
    last = records[-1]
    added = Record(last.run, last.seq + 1, last.at + 1, "user", "outside", None, event)
    return [*records, added._replace(**more)]


def changed(records: Sequence[Record], kind: str, **fields: Any) -> list[Record]:
    """The records with other fields in the events of a kind, unchecked."""
    return [
        record._replace(event=record.event.model_copy(update=fields))
        if record.event.kind == kind
        else record
        for record in records
    ]


def export_of(*streams: Forged, run: str | None = None) -> list[bytes]:
    """Its lines, whole and consistent, whatever it says."""
    log = MemoryLog()
    for stream in streams:
        head = previous = _head(log, stream)
        rows, bodies = list[Stored](), dict[str, bytes]()
        for record in stream.records:
            row, parts = seal(record._replace(run=stream.name), previous.hash)
            rows.append(row)
            bodies.update(parts)
            previous = Head(row.seq, row.hash)
        write(
            log,
            Append(
                stream.name, head, tuple(rows), bodies, stream.kind,  # type: ignore[arg-type]
                stream.parent, stream.parent_seq,
            ),
        )  # fmt: skip
    return list(lines_of(log, run or streams[0].name, log.streams(), redacted=False))


def _head(log: MemoryLog, stream: Forged) -> Head:
    if stream.parent is None or stream.parent_seq is None:
        return Head(0, GENESIS)
    (row,) = log.read(stream.parent, stream.parent_seq - 1, stream.parent_seq)
    return Head(stream.parent_seq, row.hash)


def rewritten(
    lines: Sequence[bytes], change: Callable[[list[dict[str, Any]]], list[dict[str, Any]] | None]
) -> list[bytes]:
    """The lines after a change to them as JSON, with the right end again."""
    fields = [json.loads(line) for line in lines[:-1]]
    return ended([to_line(each) for each in change(fields) or fields])


def ended(lines: Sequence[bytes]) -> list[bytes]:
    digest = sha256(b"".join(line.rstrip(b"\r\n") + b"\n" for line in lines)).hexdigest()
    records = sum(line.startswith(b'{"seq"') for line in lines)
    return [*lines, to_line({"end": records, "sha256": digest})]


def to_line(fields: Mapping[str, Any]) -> bytes:
    return to_json(fields) + b"\n"
