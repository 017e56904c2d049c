"""What every backend checks before it writes: an append fits its stream's end, or is refused."""

from hashlib import sha256
from typing import NamedTuple

from playhead.events.errors import HeadMoved, LogError
from playhead.events.kinds.codec import body_refs
from playhead.events.log.contract import Append, Head, StreamKind


class Tail(NamedTuple):
    """A stream as an append finds it."""

    kind: StreamKind
    parent: str | None
    parent_seq: int | None
    head: Head
    epoch: int = 0

    def after(self, append: Append) -> "Tail":
        """The same stream once the append is in."""
        last = append.rows[-1]
        return self._replace(head=Head(last.seq, last.hash), epoch=append.epoch)


def check_append(append: Append, tail: Tail) -> None:
    """Raise HeadMoved, ValueError or LogError (an old epoch) when the append does not fit."""
    if append.epoch < tail.epoch:
        msg = (
            f"run {append.run} is held under epoch {tail.epoch}; the append of epoch "
            f"{append.epoch} comes from a worker that has lost it: nothing was written"
        )
        raise LogError(msg)
    if append.expected != tail.head:
        raise HeadMoved(append.run, append.expected.seq, tail.head.seq)
    stated = (append.parent, append.parent_seq)
    if append.kind != tail.kind or stated not in ((None, None), (tail.parent, tail.parent_seq)):
        msg = f"run {append.run}: its kind and parent were fixed by its first append"
        raise ValueError(msg)
    if not append.rows:
        msg = f"run {append.run}: an append needs at least one row"
        raise ValueError(msg)
    _check_chain(append)


def _check_chain(append: Append) -> None:
    seq, previous = append.expected
    for row in append.rows:
        seq += 1
        if row.run != append.run or row.seq != seq:
            msg = f"run {append.run}: expected seq {seq}, got {row.run} {row.seq}"
            raise ValueError(msg)
        if row.hash != row.computed_hash(previous):
            msg = f"run {append.run}: the hash of seq {seq} does not fit"
            raise ValueError(msg)
        previous = row.hash


def wanted_bodies(append: Append) -> set[str]:
    """The digests that the rows point at and the append does not bring along.

    Raises ValueError when a body that it does bring is not what its digest says.
    """
    for digest, content in append.bodies.items():
        if sha256(content).hexdigest() != digest:
            msg = f"run {append.run}: a body does not have the hash {digest}"
            raise ValueError(msg)
    wanted: set[str] = set()
    for row in append.rows:
        if row.bodies is not None:
            wanted.update(body_refs(row).values())
    return wanted - append.bodies.keys()
