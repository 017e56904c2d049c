"""The log in memory, for tests and simulation: deterministic, `done` is called within submit.

An append submitted inside a `done` is written when that `done` has returned, so that a run that
continues by itself does not grow the stack.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from threading import RLock

from playhead.events.errors import HeadMoved, LogClosed
from playhead.events.log.contract import (
    Append,
    Head,
    OnAppended,
    Stream,
    Tail,
    accept_append,
)
from playhead.events.record import Stored


class MemoryLog:
    """A Log that exists as long as its process."""

    def __init__(self) -> None:
        self._records: list[Stored] = []
        self._own: dict[str, list[Stored]] = {}
        self._tails: dict[str, Tail] = {}
        self._bodies: dict[str, bytes] = {}
        self._commands: set[str] = set()
        self._waiting: deque[tuple[Sequence[Append], OnAppended]] = deque()
        self._draining = False
        self._closed = False
        self._lock = RLock()

    def submit(self, append: Append, done: OnAppended) -> None:
        """Write the append and call `done`, at once or when the running `done` returns."""
        self.submit_together((append,), done)

    def submit_together(self, appends: Sequence[Append], done: OnAppended) -> None:
        """Write all of them or none, like `submit`."""
        with self._lock:
            self._waiting.append((appends, done))
            if self._draining:
                return
            self._draining = True
            try:
                while self._waiting:
                    waiting, told = self._waiting.popleft()
                    told(self._append_all(waiting))
            finally:
                self._draining = False

    def _append_all(self, appends: Sequence[Append]) -> int | Exception:
        if len(appends) == 1:
            return self._append(appends[0])
        before = (
            self._records[:], {run: rows[:] for run, rows in self._own.items()},
            self._tails.copy(), self._bodies.copy(), self._commands.copy(),
        )  # fmt: skip
        outcome: int | Exception = len(self._records)
        for append in appends:
            outcome = self._append(append)
            if isinstance(outcome, Exception):
                self._records, self._own, self._tails, self._bodies, self._commands = before
                return outcome
        return outcome

    def _append(self, append: Append) -> int | Exception:
        if self._closed:
            return LogClosed("the log is closed")
        try:
            append, tail = accept_append(append, self._tails.get(append.run), self)
        except HeadMoved as error:
            return self._landed(append) or error
        except Exception as error:
            return error
        self._tails[append.run] = tail
        self._bodies.update(append.bodies)
        for row in append.rows:
            if row.command is not None:
                self._commands.add(row.command)
            stored = row._replace(position=len(self._records) + 1)
            self._records.append(stored)
            self._own.setdefault(append.run, []).append(stored)
        return len(self._records)

    def _landed(self, append: Append) -> int | None:
        """The position of an append that was submitted before and is here."""
        wanted = append.rows[-1].hash if append.rows else None
        own = self._own.get(append.run, [])
        return next((row.position for row in reversed(own) if row.hash == wanted), None)

    def head(self, run: str) -> Head:
        """The end of the run's stream."""
        tail = self._tails.get(run)
        return tail.head if tail else Head()

    def stream(self, run: str) -> Stream | None:
        """The stream; None if it has no records."""
        tail = self._tails.get(run)
        return Stream(run, *tail[:4]) if tail else None

    def streams(self, beginning: str = "") -> Iterator[Stream]:
        """The streams whose ids begin with `beginning`, oldest first."""
        for run, tail in list(self._tails.items()):
            if run.startswith(beginning):
                yield Stream(run, *tail[:4])

    def read(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Stored]:
        """The run's records with after < seq <= to, including a fork's inherited past."""
        tail = self._tails.get(run)
        if tail is None:
            return
        begin = tail.parent_seq or 0
        if tail.parent is not None and after < begin:
            yield from self.read(tail.parent, after, begin if to is None else min(begin, to))
        end = tail.head.seq if to is None else to
        yield from self._own[run][max(after - begin, 0) : max(end - begin, 0)]

    def follow(self, after: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """Records after that position, in position order, up to the current end."""
        end = len(self._records) if limit is None else after + limit
        yield from self._records[after:end]

    def body(self, digest: str) -> bytes:
        """A body by its SHA-256 (hex). Raises KeyError if it is missing."""
        return self._bodies[digest]

    def has_command(self, command: str) -> bool:
        """Whether a record carries that command id."""
        return command in self._commands

    def close(self) -> None:
        """Refuse appends from now on; reading still works."""
        self._closed = True
