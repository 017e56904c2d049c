"""Archiving: moves runs that ended long ago to a separate file, so that the log becomes small.

    group runs that belong together -> write the archive -> write the log without them -> swap

Rows of a log are never deleted: both files are new, every record keeps its position and its hash,
and the first new record of both says what was moved. A crash at any point leaves either the old log
or the new one, intact; an archive that was finished before the swap is then a mere copy.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playhead.events.codec import decode, seal
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.logs import MovedRun, RunsMoved
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.anchor import LogPosition, write_anchor
from playhead.events.log.contract import ANY, RUNTIME_STREAM, Append, Stream
from playhead.events.log.owner_lock import OwnerLock
from playhead.events.log.private_files import make_private
from playhead.events.log.sql.admission import admit
from playhead.events.log.sqlite.driver import Driver, DriverConnection, driver_named
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.log.sqlite.schema import prepare
from playhead.events.log.sqlite.store import Store
from playhead.events.maintenance.backup import beside, checked, discard, fold_wal, put_in_place
from playhead.events.record import GENESIS, Record, Stored
from playhead.events.registry import ENDINGS

COPY = """
INSERT INTO streams SELECT * FROM old.streams WHERE id IN (SELECT id FROM chosen) ORDER BY id;
INSERT INTO records SELECT * FROM old.records WHERE stream IN (SELECT id FROM chosen)
    ORDER BY position;
INSERT INTO bodies SELECT * FROM old.bodies WHERE lower(hex(digest)) IN
    (SELECT value FROM records, json_each(records.bodies)) ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Archived:
    """The result of archiving."""

    archive: Path
    runs: int
    records: int
    """Records moved with the runs."""
    freed: int
    """Bytes by which the log's file shrank."""


def archive(log: Path, to: Path, before: int, driver: str | Driver = "sqlite3") -> Archived | None:
    """Move what ended before a time (microseconds since the epoch) to the new log `to`.

    Runs that belong together (a session, a run and its forks and children) move together, or stay
    until the last of them has ended. A run that is later started in a moved session begins without
    that session's past. None if there is nothing to move. Raises UsageError if `log` is missing or
    `to` already exists, LogOwned while the log has an owner, LogDamaged and LogError.
    """
    driver = driver_named(driver) if isinstance(driver, str) else driver
    if to.exists():
        msg = f"{to} already exists: an archive is a new file, choose another name"
        raise UsageError(msg)
    SqliteReader(log, driver).close()  # raises for a missing log instead of creating it
    SqliteLog(log, driver=driver).close()  # complete, anchored, and the WAL folded in
    owner = OwnerLock(log)
    try:
        fold_wal(log, driver)
        end = checked(log, None, driver).mark
        streams, moved = _chosen(log, before, driver)
        if not moved:
            return None
        return _part(log, to, streams, moved, end, driver)
    finally:
        for path in (log, to):
            discard(beside(path, ".parting"))
        owner.release()


def _part(
    log: Path, to: Path, streams: list[str], moved: list[Stream], end: LogPosition, driver: Driver
) -> Archived:
    size = log.stat().st_size
    runs = tuple(MovedRun(run=s.id, seq=s.head.seq, hash=s.head.hash.hex()) for s in moved)
    names = {s.id for s in moved}
    archived, left = beside(to, ".parting"), beside(log, ".parting")

    def move(side: Literal["log", "archive"], other: str) -> Callable[[LogPosition], RunsMoved]:
        return lambda kept: RunsMoved(
            position=end.position, hash=end.hash.hex(), running=end.running.hex(),
            kept=kept.running.hex(), side=side, other=other, runs=runs,
        )  # fmt: skip

    records = rewrite(log, archived, names, end, move("archive", log.name), driver)
    rewrite(log, left, set(streams) - names, end, move("log", to.name), driver)
    write_anchor(to, checked(archived, end, driver).mark)
    put_in_place(archived, to)
    after = checked(left, end, driver).mark
    for ending in ("", "-wal", "-shm"):
        beside(log, f".views{ending}").unlink(missing_ok=True)
    put_in_place(left, log)
    write_anchor(log, after)
    return Archived(to, len(moved), records, size - log.stat().st_size)


# Grouping


def _chosen(log: Path, before: int, driver: Driver) -> tuple[list[str], list[Stream]]:
    """All streams, and the streams of groups in which every run had ended by then."""
    reader = SqliteReader(log, driver)
    try:
        streams = list(reader.streams())
        groups = Groups()
        stays: set[str] = set()
        for stream in streams:
            groups.join(stream.id, *kin(reader, stream))
            if stream.kind != "run" or not ended(reader, stream, before):
                stays.add(stream.id)
    finally:
        reader.close()
    staying = {groups.of(run) for run in stays}
    return [s.id for s in streams], [s for s in streams if groups.of(s.id) not in staying]


def kin(reader: SqliteReader, stream: Stream) -> Iterator[str]:
    """What a stream must stay with: its parent, its session, and the run it continues."""
    if stream.parent is not None:
        yield stream.parent
    first = next(reader.read(stream.id, 0, 1), None)
    event = decode(first, reader.body).event if first is not None else None
    if isinstance(event, RunStarted):
        if event.session is not None:
            yield f"session {event.session}"
        if event.past is not None:
            yield event.past.run


def ended(reader: SqliteReader, stream: Stream, before: int) -> bool:
    """Whether a run had ended by then (microseconds since the epoch)."""
    last: Stored | None = next(reader.read(stream.id, stream.head.seq - 1), None)
    return last is not None and last.kind in ENDINGS and last.at < before


class Groups:
    """Union-find over names."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The representative of the name's group."""
        root = name
        while (up := self._up.setdefault(root, root)) != root:
            root = up
        self._up[name] = root
        return root

    def join(self, name: str, *others: str) -> None:
        """Put all of them in one group."""
        for other in others:
            self._up[self.of(other)] = self.of(name)


# The two files


def rewrite(
    log: Path, new: Path, streams: Iterable[str], end: LogPosition,
    said: Callable[[LogPosition], Event], driver: Driver,
) -> int:  # fmt: skip
    """Write a new log with those streams of the old one, and the record of what was done.

    `said` makes that record, given the end of what is kept. Returns the number of kept records.
    """
    discard(new)
    make_private(new)
    connection = driver.connect(new, "rwc")
    try:
        connection.execute("PRAGMA journal_mode = OFF").fetchall()  # not a log until it is done
        connection.execute("PRAGMA synchronous = OFF")
        prepare(connection, new)
        records = _copy(connection, log, streams)
        kept = LogPosition()
        for position, digest in connection.execute(
            "SELECT position, hash FROM records ORDER BY position"
        ).fetchall():
            kept = kept.after(position, digest)
    finally:
        connection.close()
    _say(new, said(kept), end, driver)
    return records


def _copy(connection: DriverConnection, log: Path, streams: Iterable[str]) -> int:
    connection.execute("ATTACH ? AS old", (f"{log.absolute().as_uri()}?mode=ro",))
    connection.execute("BEGIN")
    connection.execute("CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY)")
    connection.execute(
        "INSERT INTO chosen SELECT id FROM old.streams WHERE name IN (SELECT value FROM"
        " json_each(?))",
        (json.dumps(list(streams)),),
    )
    for statement in COPY.split(";"):
        connection.execute(statement)
    (records,) = connection.execute("SELECT count(*) FROM records").fetchone()
    connection.execute("COMMIT")
    connection.execute("DETACH old")
    return int(records)


def _say(log: Path, event: Event, end: LogPosition, driver: Driver) -> None:
    """Append the event to the runtime stream of a log that ends at `end`, with or without gaps."""
    store = Store(log, driver, "full")
    try:
        store.catch_up(end)
        at = time.time_ns() // 1000
        row, bodies = seal(Record(RUNTIME_STREAM, 0, at, "user", "outside", None, event), GENESIS)
        batch = store.batch()
        admit(store, batch, Append(RUNTIME_STREAM, ANY, (row,), bodies, "runtime"))
        store.commit(batch)
        store.checkpoint("TRUNCATE")
    finally:
        store.disconnect()
