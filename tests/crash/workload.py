"""Appends as a busy runtime makes them, drawn from a seed: many runs, groups, big bodies, forks."""

from queue import SimpleQueue
from random import Random

from playhead.events.log.contract import Append, Head, Log
from playhead.events.record import Stored
from playhead.testing.appends import append_of, said


class Workload:
    """What was submitted in which order, and what of it was acknowledged."""

    def __init__(self, random: Random, big: int) -> None:
        self._random = random
        self._big = big
        self._heads: dict[str, Head] = {}
        self._prefix = "run-"
        self.submitted: list[Stored] = []
        self.acknowledged = 0
        """How many of the rows submitted somebody was told of."""

    def start_over(self, prefix: str) -> None:
        """Write to other runs from now on."""
        self._prefix = prefix

    def write_group(self, log: Log) -> bool:
        """Submit a few appends at once and wait; False once one has failed."""
        told: SimpleQueue[int | Exception] = SimpleQueue()
        group = [self._append(log) for _ in range(self._random.choice((1, 1, 2, 5)))]
        for append in group:
            log.submit(append, told.put)
        outcomes = [told.get() for _ in group]
        if any(isinstance(outcome, Exception) for outcome in outcomes):
            return False
        self.acknowledged = len(self.submitted)
        return True

    def _append(self, log: Log) -> Append:
        random = self._random
        run = f"{self._prefix}{random.randint(1, 6)}"
        head = self._heads.get(run, Head())
        texts = [self._text() for _ in range(random.randint(1, 4))]
        append = append_of(run, *said(*texts), after=head)
        self._heads[run] = Head(append.rows[-1].seq, append.rows[-1].hash)
        self.submitted += append.rows
        return append

    def _text(self) -> str:
        words = self._random.choice((3, 3, 3, 100, self._big // 20))
        return f"{self._random.random()} " * words


def same(one: Stored, other: Stored) -> bool:
    """Whether two rows are the same record, wherever they lie."""
    return one[1:] == other[1:]
