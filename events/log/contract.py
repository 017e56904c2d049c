"""The contract of a log: append on an expected head, read, follow. One test suite for all backends.

What it does NOT promise: order between runs (positions are in commit order), anything about
decoded events (a log never looks inside `data`), or that `submit` has written when it returns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from playhead.events.codec import body_refs
from playhead.events.errors import HeadMoved, LogError
from playhead.events.record import GENESIS, Stored

FORMAT = 1
"""The log format written by this code; a file with a higher one is refused untouched."""

StreamKind: TypeAlias = Literal["run", "session", "memory", "runtime", "evaluation"]
"""What a stream contains: a run, or the records of a session, a namespace, an evaluation or the
runtime itself."""

RUNTIME_STREAM = "runtime"
"""The runtime's own stream: statements about ended runs, accepted losses."""


class Head(NamedTuple):
    """The end of a stream: seq 0 and the empty hash before its first record."""

    seq: int = 0
    hash: bytes = GENESIS


ANY: Final = Head(-1)
"""As an append's `expected`: the end of the stream at the time of writing. For streams with several
writers; the log assigns seq and hash to the rows."""


class Stream(NamedTuple):
    """One stream and its end."""

    id: str
    kind: StreamKind
    parent: str | None
    """A fork's parent run: records up to `parent_seq` are read from there."""
    parent_seq: int | None
    head: Head


class Append(NamedTuple):
    """One turn: the rows go in together, on the expected head, or not at all."""

    run: str
    expected: Head
    """The expected end of the stream, or ANY."""
    rows: tuple[Stored, ...]
    """Positions are 0, because the log assigns them; so are seq and hash with ANY."""
    bodies: Mapping[str, bytes] = {}
    """SHA-256 (hex) -> content; a body that the log already has is stored once."""
    kind: StreamKind = "run"
    parent: str | None = None
    """Set by a stream's first append. With `parent_seq` a fork: its first seq is the next one.
    Without, it is a child: it names its parent, and has only its own records."""
    parent_seq: int | None = None
    epoch: int = 0
    """The lease under which it was written; one lower than the stream's is refused."""


OnAppended: TypeAlias = Callable[[int | Exception], None]
"""Called once, on the log's thread: with the last row's position when durable, or the error."""


class Reader(Protocol):
    """What a second process may do: read, never write, never checkpoint."""

    def head(self, run: str) -> Head:
        """The end of the run's stream."""
        ...

    def stream(self, run: str) -> Stream | None:
        """The stream; None if it has no records."""
        ...

    def streams(self, beginning: str = "") -> Iterator[Stream]:
        """The streams whose ids begin with `beginning`, oldest first; with "" all of them."""
        ...

    def read(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Stored]:
        """The run's records with after < seq <= to, in order, including a fork's inherited past."""
        ...

    def follow(self, after: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """Records after that position, in position order, up to the current end."""
        ...

    def body(self, digest: str) -> bytes:
        """A body by its SHA-256 (hex). Raises KeyError if it is missing."""
        ...

    def has_command(self, command: str) -> bool:
        """Whether a record carries that command id."""
        ...

    def close(self) -> None:
        """Release files and connections. Safe to call twice."""
        ...


class Log(Reader, Protocol):
    """A reader that also appends; at most one process has a log open."""

    def submit(self, append: Append, done: OnAppended) -> None:
        """Queue an append. Appends of one run are written in the order of submission.

        With `expected=ANY` it goes to the end of its stream, even with other writers there.

        `done` gets HeadMoved if the stream's head is not `expected`, LogClosed after close (at
        once, on the caller's thread), and ValueError for an invalid append: gaps between the rows,
        a wrong hash, a missing body, a command appended before; nothing is written then.
        StorageUnavailable means that it cannot be written at present, and may be in the log or not:
        submitting the same append again gives its position if it is, and writes it if it is not.
        """
        ...

    def submit_together(self, appends: Sequence[Append], done: OnAppended) -> None:
        """Queue appends for one transaction: all or none are written; otherwise like `submit`."""
        ...

    def close(self) -> None:
        """Write what was submitted, then release the log. Safe to call twice."""
        ...


class Tail(NamedTuple):
    """A stream as an append finds it."""

    kind: StreamKind
    parent: str | None
    parent_seq: int | None
    head: Head
    epoch: int = 0

    def after(self, append: Append) -> "Tail":
        """The same stream after the append."""
        last = append.rows[-1]
        return self._replace(head=Head(last.seq, last.hash), epoch=append.epoch)


def placed(append: Append, tail: Tail) -> Append:
    """The append as it is written: with ANY, seqs and hashes are assigned now."""
    if append.expected != ANY:
        return append
    rows: list[Stored] = []
    begin, previous = tail.head
    for seq, row in enumerate(append.rows, begin + 1):
        numbered = row._replace(seq=seq)
        previous = numbered.computed_hash(previous)
        rows.append(numbered._replace(hash=previous))
    return append._replace(expected=tail.head, rows=tuple(rows))


def check_append(append: Append, tail: Tail) -> None:
    """Raise HeadMoved, ValueError or LogError (an old epoch) if the append is invalid."""
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
            msg = f"run {append.run}: the hash of seq {seq} does not match"
            raise ValueError(msg)
        previous = row.hash


def wanted_bodies(append: Append) -> set[str]:
    """The digests that the rows refer to and the append does not contain.

    Raises ValueError if a contained body does not match its digest.
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


def accept_append(append: Append, tail: Tail | None, log: Reader) -> tuple[Append, Tail]:
    """All checks of an append: what to write, and where its stream ends afterwards.

    `tail` is the current end of the stream, None before its first record. For backends that write
    one append at a time. Raises the error for `done`: HeadMoved, ValueError or LogError.
    """
    tail = tail or _first_tail(append, log)
    append = placed(append, tail)
    check_append(append, tail)
    commands = [row.command for row in append.rows if row.command is not None]
    if len(commands) != len({*commands}) or any(map(log.has_command, commands)):
        msg = f"run {append.run}: a command was appended before: {commands}"
        raise ValueError(msg)
    for digest in wanted_bodies(append):
        try:
            log.body(digest)
        except KeyError as error:
            msg = f"run {append.run}: the log has no body {digest}"
            raise ValueError(msg) from error
    return append, tail.after(append)


def _first_tail(append: Append, log: Reader) -> Tail:
    """Where an empty stream begins: for a fork, after the record that it points to."""
    head, parent, seq = Head(), append.parent, append.parent_seq
    if parent is not None and log.stream(parent) is None:
        msg = f"run {append.run}: there is no parent {parent}"
        raise ValueError(msg)
    if parent is not None and seq is not None:
        last = next(iter(log.read(parent, seq - 1, seq)), None)
        if last is None:
            msg = f"run {append.run}: {parent} has no record {seq}"
            raise ValueError(msg)
        head = Head(seq, last.hash)
    return Tail(append.kind, parent, seq, head)
