"""Events per second of the log, and of a plain SQLite table with the same durability.

The event is the answer of a tool, about 600 bytes as a row. `together` producers each append their
next event when the one before is durable; the plain table gets as many inserts per commit.
"""

import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from playhead.events.codec import seal
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.contract import Append, Head
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.record import Record
from tests.bench.children import Figures, cpu

ANSWER = ToolSucceeded(result="x" * 440, duration_ms=1.5)


def appends(run: str, count: int) -> list[Append]:
    """A run's appends of one record each, sealed before the clock starts."""
    head, made = Head(), list[Append]()
    for seq in range(1, count + 1):
        record = Record(run, seq, 1_700_000_000_000_000 + seq, "tool", "effect", None, ANSWER)
        row, bodies = seal(record, head.hash)
        made.append(Append(run, head, (row,), bodies))
        head = Head(seq, row.hash)
    return made


class Producer:
    """Appends its next record when the one before is durable."""

    def __init__(self, log: SqliteLog, run: str, count: int, ended: threading.Semaphore) -> None:
        self._log = log
        self._left = iter(appends(run, count))
        self._ended = ended

    def next(self, outcome: int | Exception = 0) -> None:
        """Append the next; called on the log's thread but for the first."""
        if isinstance(outcome, Exception):
            raise outcome
        append = next(self._left, None)
        if append is None:
            self._ended.release()
        else:
            self._log.submit(append, self.next)


def measure_log(together: int, events: int) -> Figures:
    """Events per second and CPU us per event of SqliteLog, durable in full."""
    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder) / "log.db") as log:
        ended = threading.Semaphore(0)
        each = events // together
        producers = [Producer(log, f"run-{n}", each, ended) for n in range(together)]
        before, began = cpu(), time.perf_counter()
        for producer in producers:
            producer.next()
        for _ in producers:
            ended.acquire()
        return _rates(each * together, time.perf_counter() - began, cpu() - before)


def measure_sqlite(together: int, events: int) -> Figures:
    """The same events into one plain table, `together` per commit."""
    rows = [(a.run, row.seq, row.at, row.kind, row.data)
            for a in appends("run", events) for row in a.rows]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, run, seq, at, kind, data)")
        before, began = cpu(), time.perf_counter()
        for first in range(0, events, together):
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO event (run, seq, at, kind, data) VALUES (?, ?, ?, ?, ?)",
                rows[first : first + together],
            )
            db.execute("COMMIT")
        figures = _rates(events, time.perf_counter() - began, cpu() - before)
        db.close()
    return figures


def _rates(events: int, wall: float, used: float) -> Figures:
    return {"per_s": events / wall, "cpu_us": used * 1e6 / events}
