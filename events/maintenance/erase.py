"""Erasure: rewrites a log, its backups and the files beside it without some of its streams.

    group what belongs together -> note the hashes -> backups, inbox, views -> rewrite and swap

Rows of a log are never deleted in place: as in archiving, a new file is written, every record that
is left keeps its position and its hash, and the first new record says what is gone, in figures and
hashes. The log comes last, so that after a crash at any point the same call finds what is left.
"""

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from playhead.events.codec import body_refs, decode
from playhead.events.errors import LogError, UsageError
from playhead.events.kinds.approvals import Decider
from playhead.events.kinds.logs import ErasedStream, StreamsErased
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.anchor import LogPosition, write_anchor
from playhead.events.log.contract import RUNTIME_STREAM, Reader, Stream
from playhead.events.log.inbox import inbox_path
from playhead.events.log.owner_lock import OwnerLock
from playhead.events.log.private_files import open_private
from playhead.events.log.sqlite.driver import BUSY_MS, Driver, driver_named
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.archive import Groups, ended, kin, rewrite
from playhead.events.maintenance.backup import (
    beside,
    checked,
    discard,
    fold_wal,
    put_in_place,
    sync,
)
from playhead.events.record import Stored

VIEWS = (".views", ".views-wal", ".views-shm")

AGAIN = "erased before; a backup held it still"

CostOf = Callable[[Reader, Stream], int | None]
"""What a run cost by itself, in picodollars; None if a price is not known."""


class Whose(NamedTuple):
    """What to erase: by one of run, session, namespace or agent, and by time."""

    run: str | None = None
    """An id; with it goes what belongs together: its session, forks, children."""
    session: str | None = None
    namespace: str | None = None
    """The runs that worked for it, and what was remembered there."""
    agent: str | None = None
    """The runs of this agent: for retention, with `before`."""
    before: int | None = None
    """Only what had wholly ended by then: microseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Another place where the words stand."""

    place: str
    """A run or another stream of the log, or a file beside it."""
    seq: int | None = None
    """The record; None for a file."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased from a log, or would be."""

    streams: tuple[str, ...]
    """Names, of runs and memory/NAMESPACE; they are not recorded."""
    records: int
    open: int
    """How many of the runs had not ended."""
    traces: tuple[str, ...]
    """Trace ids of the runs that had one from outside, for the operator of the tracing backend."""
    others: tuple[str, ...]
    """Backups that were rewritten, or would be."""
    mentions: tuple[Mention, ...] = ()
    """Where else the words stand."""


def erase(
    log: Path, whose: Whose, *, by: Decider, reason: str, also: Iterable[Path] = (),
    words: Iterable[str] = (), dry_run: bool = False, cost_of: CostOf | None = None,
    driver: str | Driver = "sqlite3",
) -> Erasure:  # fmt: skip
    """Rewrite a log, and the backups `also`, without what belongs to `whose`.

    Runs that belong together (a session, a run and its forks and children) go together. With
    `dry_run` nothing is written. `words`: where else they stand is told. Raises UsageError,
    LogOwned while the log or a backup has an owner, LogDamaged and LogError.
    """
    driver = driver_named(driver) if isinstance(driver, str) else driver
    others = [*also, *_replaced(log)]
    for path in (log, *others):
        SqliteReader(path, driver).close()  # raises for a missing log instead of creating it
    if dry_run:
        return _found(log, whose, others, tuple(words), driver)
    for path in (log, *others):
        SqliteLog(path, driver=driver).close()  # complete, anchored, and the WAL folded in
    owner = OwnerLock(log)
    try:
        found = _found(log, whose, others, (), driver)
        gone = [stream for path in (log, *others) for stream in _lost(path, whose, driver)]
        if gone:
            _note(log, gone)
            _erase_inbox(log, set(found.streams))
            _drop_views(log)
            for path in (*others, log):
                with _owned(path) if path != log else nullcontext():
                    chosen = _chosen_in(path, whose, driver)
                    end = _rewritten(path, chosen, by, reason, cost_of, driver)
                    if end is not None:
                        write_anchor(path, end)
            _drop_views(log)
    finally:
        owner.release()
    if not words:
        return found
    return _with_mentions(found, log, tuple(words), driver)


# What belongs together


def _chosen_in(log: Path, whose: Whose, driver: Driver) -> set[str]:
    with closing(SqliteReader(log, driver)) as reader:
        return _chosen(reader, whose)


def _chosen(reader: SqliteReader, whose: Whose) -> set[str]:
    groups, seeds, stays, runs = Groups(), list[str](), list[str](), list[str]()
    for stream in reader.streams():
        if stream.kind != "run":
            continue
        runs.append(stream.id)
        groups.join(stream.id, *kin(reader, stream))
        if _is_of(reader, stream, whose):
            seeds.append(stream.id)
        if whose.before is not None and not ended(reader, stream, whose.before):
            stays.append(stream.id)
    wanted = {groups.of(run) for run in seeds} - {groups.of(run) for run in stays}
    chosen = {run for run in runs if groups.of(run) in wanted}
    memory = f"memory/{whose.namespace}"
    if whose.namespace is not None and whose.before is None and reader.stream(memory) is not None:
        chosen.add(memory)
    return chosen


def _is_of(reader: SqliteReader, stream: Stream, whose: Whose) -> bool:
    if whose.run is not None:
        return stream.id == whose.run
    first = next(reader.read(stream.id, 0, 1), None)
    event = decode(first, reader.body).event if first is not None else None
    if not isinstance(event, RunStarted):
        return False
    if whose.session is not None:
        return event.session == whose.session
    if whose.namespace is not None:
        return event.agent.memory.namespace == whose.namespace
    return whose.agent is None or event.agent.name == whose.agent


def _found(
    log: Path, whose: Whose, others: list[Path], words: tuple[str, ...], driver: Driver
) -> Erasure:
    with closing(SqliteReader(log, driver)) as reader:
        chosen = _chosen(reader, whose)
        records, traces, still_open = 0, set[str](), 0
        for name in sorted(chosen):
            stream = reader.stream(name)
            assert stream is not None
            records += stream.head.seq - (stream.parent_seq or 0)
            still_open += stream.kind == "run" and not ended(reader, stream, 1 << 62)
            own = reader.read(name, stream.parent_seq or 0)
            traces |= {row.traceparent.split("-")[1] for row in own if row.traceparent}
    found = Erasure(
        tuple(sorted(chosen)), records, still_open, tuple(sorted(traces)), tuple(map(str, others))
    )
    return _with_mentions(found, log, words, driver) if words else found


# The files


def _replaced(log: Path) -> list[Path]:
    """The logs that `restore --replace` kept beside this one."""
    names = sorted(log.parent.glob(f"{log.name}.replaced*"))
    return [p for p in names if not p.name.endswith(("-wal", "-shm", ".anchor"))]


@contextmanager
def _owned(log: Path) -> Generator[None]:
    owner = OwnerLock(log)
    try:
        yield
    finally:
        owner.release()


def _rewritten(
    log: Path, chosen: set[str], by: Decider | None, reason: str, cost_of: CostOf | None,
    driver: Driver,
) -> LogPosition | None:  # fmt: skip
    """Swap an owned log for one without those streams; its new end, to be anchored."""
    if not chosen:
        return None
    fold_wal(log, driver)
    end = checked(log, None, driver).mark
    with closing(SqliteReader(log, driver)) as reader:
        left = [stream.id for stream in reader.streams() if stream.id not in chosen]
        gone = tuple(_figures(reader, name, cost_of) for name in sorted(chosen))

    def said(kept: LogPosition) -> StreamsErased:
        return StreamsErased(
            position=end.position, hash=end.hash.hex(), running=end.running.hex(),
            kept=kept.running.hex(), streams=gone, by=by, reason=reason,
        )  # fmt: skip

    new = beside(log, ".erasing")
    try:
        rewrite(log, new, left, end, said, driver)
        after = checked(new, end, driver).mark
        put_in_place(new, log)
    finally:
        discard(new)
    return after


def _figures(reader: SqliteReader, name: str, cost_of: CostOf | None) -> ErasedStream:
    stream = reader.stream(name)
    assert stream is not None
    begin = stream.parent_seq or 0
    rows = list(reader.read(name, begin))
    is_run = stream.kind == "run"
    answers = [decode(row, reader.body).event for row in rows if row.kind == "model_answered"]
    usage = [event.usage for event in answers if isinstance(event, ModelAnswered)]
    return ErasedStream(
        stream="run" if is_run else "memory",
        first=rows[0].hash.hex(),
        run=digest_of(name) if is_run else None,
        key=name if name.startswith("key-") else None,
        records=len(rows), first_at=rows[0].at, last_at=rows[-1].at, model_calls=len(usage),
        input_tokens=sum(each.input_total for each in usage),
        output_tokens=sum(each.output_tokens for each in usage),
        cost=cost_of(reader, stream) if is_run and cost_of is not None else None,
    )  # fmt: skip


def _drop_views(log: Path) -> None:
    for ending in VIEWS:
        beside(log, ending).unlink(missing_ok=True)


def _erase_inbox(log: Path, runs: set[str]) -> None:
    path = inbox_path(log)
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.executemany("DELETE FROM commands WHERE run = ?", [(run,) for run in runs])
        connection.execute("VACUUM")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        msg = f"{path} cannot be rewritten: {error}"
        raise LogError(msg) from error
    finally:
        connection.close()
    if busy:
        msg = f"{path} is being read by another program: try again"
        raise LogError(msg)


# What is remembered of it


def digest_of(run: str) -> str:
    """SHA-256 (hex) of a run's id, by which a copy of an erased run is refused."""
    return sha256(run.encode()).hexdigest()


def noted_path(log: Path) -> Path:
    """The file of hashes beside a log, which outlives a restore."""
    return log.with_name(log.name + ".erased")


def noted(log: Path) -> frozenset[str]:
    """Hashes of what was ever erased from this log, one a line in `<log>.erased`."""
    try:
        return frozenset(noted_path(log).read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()
    except ValueError as error:
        msg = f"{noted_path(log)} is not a list of hashes: {error}"
        raise LogError(msg) from error


def marks_of(name: str, kind: str, first: Stored) -> tuple[str, ...]:
    """The hashes by which a stream is recognised: of its first record, and of a run's id."""
    return (first.hash.hex(), digest_of(name)) if kind == "run" else (first.hash.hex(),)


def _lost(log: Path, whose: Whose, driver: Driver) -> Iterator[str]:
    with closing(SqliteReader(log, driver)) as reader:
        for name in sorted(_chosen(reader, whose)):
            yield from _marks(reader, name)


def _marks(reader: SqliteReader, name: str) -> tuple[str, ...]:
    stream = reader.stream(name)
    assert stream is not None
    begin = stream.parent_seq or 0
    first = next(reader.read(name, begin, begin + 1), None)
    return () if first is None else marks_of(name, stream.kind, first)


def _note(log: Path, marks: Iterable[str]) -> None:
    lines = sorted({*noted(log), *marks})
    new = beside(noted_path(log), ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(open_private(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
        file.write("\n".join([*lines, ""]))
    sync(new)
    new.replace(noted_path(log))
    sync(log.parent)


def erase_noted(copy: Path, log: Path, driver: Driver) -> bool:
    """Erase from a restored copy what was erased from the log that it is to replace."""
    marks = noted(log)
    with closing(SqliteReader(copy, driver)) as reader:
        streams = [s.id for s in reader.streams() if s.id != RUNTIME_STREAM]
        chosen = {name for name in streams if marks.intersection(_marks(reader, name))}
    return _rewritten(copy, chosen, None, AGAIN, None, driver) is not None


# Where else the words stand


def _with_mentions(found: Erasure, log: Path, words: tuple[str, ...], driver: Driver) -> Erasure:
    if any(not word for word in words):
        msg = "an empty word stands everywhere: name the words that must be found"
        raise UsageError(msg)
    wanted = [word.casefold() for word in words]
    gone = set(found.streams)
    with closing(SqliteReader(log, driver)) as reader:
        mentions = [
            Mention(row.run, row.seq)
            for row in reader.follow()
            if row.run not in gone and _holds(reader, row, wanted)
        ]
    own = tuple(f"{log}{ending}" for ending in ("", "-wal", "-shm", *VIEWS))
    for path in sorted(p for p in log.parent.iterdir() if p.is_file() and str(p) not in own):
        text = path.read_bytes().decode(errors="replace").casefold()
        if any(word in text for word in wanted):
            mentions.append(Mention(str(path)))
    return Erasure(
        found.streams, found.records, found.open, found.traces, found.others, tuple(mentions)
    )


def _holds(reader: SqliteReader, row: Stored, words: list[str]) -> bool:
    parts = [row.data, row.run.encode()]
    if row.bodies is not None:
        parts += [reader.body(digest) for digest in set(body_refs(row).values())]
    texts = [part.decode(errors="replace").casefold() for part in parts]
    return any(word in text for word in words for text in texts)
