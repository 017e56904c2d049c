"""A log between the engine and the real one: it fails, delays, and dies with its process."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from random import Random

from playhead.events.errors import LogError, StorageUnavailable
from playhead.events.log.contract import Append, Head, Log, OnAppended, Stream
from playhead.events.record import Stored
from playhead.simulation.faults.ground_truth import GroundTruth
from playhead.simulation.faults.mix import Mix
from playhead.simulation.faults.role import Alive

LONGEST_FULL = 60.0
"""Maximum seconds for which a disk stays full: several times an engine's waiting limit."""


class FaultyLog:
    """A Log that wraps another one; writes waiting appends together, after the disk's delay."""

    def __init__(
        self, log: Log, process: Alive, loop: asyncio.AbstractEventLoop, random: Random, mix: Mix,
        ledger: GroundTruth,
    ) -> None:  # fmt: skip
        self.under = log
        self._process = process
        self._loop = loop
        self._random = random
        self._mix = mix
        self._ledger = ledger
        self._waiting: list[tuple[Append, OnAppended]] = []
        self._late: set[bytes] = set()
        """Last hashes of appends that were submitted after they had been withdrawn."""
        self._full_from = self._full_until = 0.0
        self.refused: set[str] = set()
        """Runs with a permanently refused append."""
        self._quick = random.random() < 0.5
        """Like a log with its own thread: it may write and report before `submit` has returned."""

    def submit(self, append: Append, done: OnAppended) -> None:
        """Queue an append; the whole queue is written when the disk is ready."""
        self._waiting.append((append, done))
        if self._ledger.is_withdrawn(append):
            self._late.add(append.rows[-1].hash)
        if self._quick and len(self._waiting) == 1:
            self._flush()
        elif len(self._waiting) == 1:
            slow = self._random.random() < self._mix.append_slow
            hangs = slow and self._random.random() < 0.02
            delay = self._random.random() ** 4 * 5 if slow else 0.0
            delay += self._random.random() * LONGEST_FULL if hangs else 0.0
            self._loop.call_later(delay, self._flush) if delay else self._loop.call_soon(
                self._flush
            )

    def submit_together(self, appends: Sequence[Append], done: OnAppended) -> None:
        """Like the wrapped log: imports are not part of a simulation."""
        self.under.submit_together(appends, done)

    def _flush(self) -> None:
        group, self._waiting = self._waiting, []
        trigger = group[0][0].rows[0].kind
        self._process.reach("append.before", trigger)
        refused = [self._refusal() for _ in group]
        written = [append for (append, _), error in zip(group, refused, strict=True) if not error]
        results = iter(write(self.under, written))
        outcomes = [error or next(results) for error in refused]
        for (append, _), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, int):
                self._ledger.commit(append, late=append.rows[-1].hash in self._late)
        self._process.reach("append.committed", trigger)
        for (append, done), outcome in zip(group, outcomes, strict=True):
            self._tell(append, done, outcome)
        self._process.reach("append.told", trigger)

    def _tell(self, append: Append, done: OnAppended, outcome: int | Exception) -> None:
        if isinstance(outcome, int) and self._random.random() < self._mix.append_doubt:
            self._ledger.note("append in doubt", append.run, append.rows[-1].seq)
            outcome = LogError("simulated: written, and reported as failed")
        elif isinstance(outcome, int) and self._random.random() < self._mix.storage_doubt:
            self._ledger.note("append in doubt for now", append.run, append.rows[-1].seq)
            if self._random.random() < 0.3:
                self._fill(self._loop.time())
            outcome = StorageUnavailable("simulated", "written, and reported as failed")
        elif isinstance(outcome, int):
            self._ledger.acknowledge(append)
        else:
            self._ledger.note("append failed", append.run, append.rows[-1].seq, str(outcome))
            if not str(outcome).startswith("simulated"):
                self._ledger.violated("every append fits", f"{append.run}: {outcome!r}")
        if isinstance(outcome, Exception) and not isinstance(outcome, StorageUnavailable):
            self.refused.add(append.run)
            self._ledger.cut_off = True
        done(outcome)

    def _refusal(self) -> LogError | None:
        now = self._loop.time()
        if now < self._full_until:
            return StorageUnavailable("simulated", "the disk is full")
        draw = self._random.random()
        if draw < self._mix.append_lost:
            return LogError("simulated: it may not be written")
        if draw < self._mix.append_lost + self._mix.storage_fault:
            return StorageUnavailable("simulated", "the write failed")
        if draw < self._mix.append_lost + self._mix.storage_fault + self._mix.disk_full / 20:
            self._fill(now)
            return StorageUnavailable("simulated", "the disk is full")
        return None

    def _fill(self, now: float) -> None:
        self._full_from = now
        self._full_until = now + self._random.random() ** 2 * LONGEST_FULL

    def was_full(self, begin: float, end: float) -> bool:
        """Whether the disk was full for the whole of that time."""
        return self._full_from <= begin and end <= self._full_until

    def head(self, run: str) -> Head:
        """Like the wrapped log."""
        return self.under.head(run)

    def stream(self, run: str) -> Stream | None:
        """Like the wrapped log."""
        return self.under.stream(run)

    def streams(self, beginning: str = "") -> Iterator[Stream]:
        """Like the wrapped log."""
        return self.under.streams(beginning)

    def read(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Stored]:
        """Like the wrapped log."""
        return self.under.read(run, after, to)

    def follow(self, after: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """Like the wrapped log."""
        return self.under.follow(after, limit)

    def body(self, digest: str) -> bytes:
        """Like the wrapped log."""
        return self.under.body(digest)

    def has_command(self, command: str) -> bool:
        """Like the wrapped log."""
        return self.under.has_command(command)

    def close(self) -> None:
        """Does nothing: the wrapped log is closed by its opener."""


def write(log: Log, appends: Sequence[Append]) -> list[int | Exception]:
    """Submit appends and wait for the outcome of each, whichever thread the log writes on."""
    told: SimpleQueue[tuple[int, int | Exception]] = SimpleQueue()

    def teller(number: int) -> Callable[[int | Exception], None]:
        return lambda outcome: told.put((number, outcome))

    for number, append in enumerate(appends):
        log.submit(append, teller(number))
    outcomes = dict(told.get() for _ in appends)
    return [outcomes[number] for number in range(len(appends))]
