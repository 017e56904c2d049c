"""Whether an append may go into a batch: everything is checked here, before BEGIN."""

from playhead.events.log.checks import Tail, check_append, wanted_bodies
from playhead.events.log.contract import Append, Head
from playhead.events.log.sqlite.store import Batch, Store


def admit(store: Store, batch: Batch, append: Append) -> int:
    """Put the append into the batch; the position of its last row.

    Raises HeadMoved, ValueError or LogError; the batch is then as it was.
    """
    found = batch.tails.get(append.run) or store.known(append.run)
    stream, tail = found or _fresh(store, batch, append)
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
    return mark.position


def _fresh(store: Store, batch: Batch, append: Append) -> tuple[int, Tail]:
    """The number and the end of a stream that has no record yet: for a fork, in its parent."""
    head = Head()
    if append.parent is not None and append.parent_seq is not None:
        parent = _number(store, batch, append.parent)
        record_hash = store.hash_in_line(parent, append.parent_seq)
        if record_hash is None:
            msg = f"run {append.run}: {append.parent} has no record {append.parent_seq}"
            raise ValueError(msg)
        head = Head(append.parent_seq, record_hash)
    number = batch.first_stream + len(batch.streams)
    return number, Tail(append.kind, append.parent, append.parent_seq, head)


def _number(store: Store, batch: Batch, run: str) -> int:
    found = batch.tails.get(run) or store.known(run)
    if found is None:
        msg = f"there is no parent {run}"
        raise ValueError(msg)
    return found[0]


def _new_commands(store: Store, batch: Batch, append: Append) -> set[str]:
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
