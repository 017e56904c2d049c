"""Which appends go into one transaction: the checks of backends that write several at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from playhead.events.log.anchor import LogPosition
from playhead.events.log.contract import Append, Head, Tail, check_append, placed, wanted_bodies


class KnownStreams(Protocol):
    """What the checks ask of the committed log."""

    def known(self, run: str) -> tuple[int, Tail] | None:
        """A stream's number and end; None if it has no records."""
        ...

    def hash_in_line(self, stream: int, seq: int) -> bytes | None:
        """The hash at `seq` of a stream or, before its first own record, of its ancestors."""
        ...

    def has_command(self, command: str) -> bool:
        """Whether a record with that command id was committed."""
        ...

    def has_body(self, digest: str) -> bool:
        """Whether the log has the body."""
        ...


@dataclass
class Batch:
    """Appends that passed their checks and are committed together."""

    mark: LogPosition
    """The end of the log after the batch."""
    first_stream: int
    """The number for the next new stream."""
    tails: dict[str, tuple[int, Tail]] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)
    streams: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)


def admit_together(store: KnownStreams, batch: Batch, appends: Sequence[Append]) -> list[Append]:
    """Add all appends to the batch, or none; returns them as added.

    Raises like `admit`.
    """
    if len(appends) == 1:
        return [admit(store, batch, appends[0])]
    trial = Batch(
        batch.mark, batch.first_stream, batch.tails.copy(), batch.commands.copy(),
        batch.streams.copy(), batch.bodies.copy(), batch.rows.copy(),
    )  # fmt: skip
    placed_appends = [admit(store, trial, append) for append in appends]
    vars(batch).update(vars(trial))
    return placed_appends


def admit(store: KnownStreams, batch: Batch, append: Append) -> Append:
    """Add the append to the batch; returns it as added, with its seqs and hashes.

    Raises HeadMoved, ValueError or LogError; the batch is then unchanged.
    """
    found = batch.tails.get(append.run) or store.known(append.run)
    stream, tail = found or _fresh(store, batch, append)
    append = placed(append, tail)
    check_append(append, tail)
    commands = _new_commands(store, batch, append)
    for digest in wanted_bodies(append):
        if digest not in batch.bodies and not store.has_body(digest):
            msg = f"run {append.run}: the log has no body {digest}"
            raise ValueError(msg)
    if found is None:
        parent = None if append.parent is None else _number(store, batch, append.parent)
        batch.streams.append((stream, append.run, append.kind, parent, append.parent_seq))
    batch.commands |= commands
    batch.bodies.update(append.bodies)
    batch.tails[append.run] = stream, tail.after(append)
    mark = batch.mark
    for row in append.rows:
        mark = mark.after(mark.position + 1, row.hash)
        batch.rows.append((mark.position, stream, *row[2:], append.epoch))
    batch.mark = mark
    return append


def _fresh(store: KnownStreams, batch: Batch, append: Append) -> tuple[int, Tail]:
    """The number and the end of a stream without records; for a fork, the end is in its parent."""
    head = Head()
    if append.parent is not None and append.parent_seq is not None:
        parent = _number(store, batch, append.parent)
        record_hash = _hash_in_line(store, batch, parent, append.parent_seq)
        if record_hash is None:
            msg = f"run {append.run}: {append.parent} has no record {append.parent_seq}"
            raise ValueError(msg)
        head = Head(append.parent_seq, record_hash)
    number = batch.first_stream + len(batch.streams)
    return number, Tail(append.kind, append.parent, append.parent_seq, head)


def _hash_in_line(store: KnownStreams, batch: Batch, stream: int, seq: int) -> bytes | None:
    """Like the store's, if the batch may contain the stream or its ancestors."""
    fresh = {number: (parent, begin) for number, _, _, parent, begin in batch.streams}
    while stream in fresh:
        parent, begin = fresh[stream]
        if begin is None or seq > begin:
            break
        stream = parent
    for row in batch.rows:
        if row[1] == stream and row[2] == seq:
            return bytes(row[-2])
    return None if stream in fresh else store.hash_in_line(stream, seq)


def _number(store: KnownStreams, batch: Batch, run: str) -> int:
    found = batch.tails.get(run) or store.known(run)
    if found is None:
        msg = f"there is no parent {run}"
        raise ValueError(msg)
    return found[0]


def _new_commands(store: KnownStreams, batch: Batch, append: Append) -> set[str]:
    commands: set[str] = set()
    for row in append.rows:
        command = row.command
        if command is None:
            continue
        if command in commands or command in batch.commands or store.has_command(command):
            msg = f"run {append.run}: command {command} was appended before"
            raise ValueError(msg)
        commands.add(command)
    return commands
