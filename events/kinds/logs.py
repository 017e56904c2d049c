"""Events about the log itself; they are stored in the runtime stream."""

from typing import Literal

from playhead.events.event import Data, Event
from playhead.events.kinds.approvals import Decider


class LossAccepted(Event):
    """Someone accepted that the log ends before its anchor and allowed writing to it again."""

    kind: Literal["loss_accepted"] = "loss_accepted"
    anchored: int
    """The position that the anchor had reached."""
    found: int
    """The position at which the log ended."""
    running: str
    """The anchor's running hash (hex), by which the lost history can be recognised."""


class MovedRun(Data):
    """A run that is now in another file, and where it ended."""

    run: str
    seq: int
    hash: str
    """Hash of its last record (hex)."""


class RunsMoved(Event):
    """Ended runs were moved to another file; this is the first new record of both files.

    Up to `position` the file then has gaps: `kept` says which records it must hold there, and the
    running hash continues from `running`, so that the earlier anchor still holds.
    """

    kind: Literal["runs_moved"] = "runs_moved"
    position: int
    """The end of the log when it was split: the old anchor's position."""
    hash: str
    """Hash of the record there (hex), whichever file holds it."""
    running: str
    """The old anchor's running hash (hex)."""
    kept: str
    """The running hash (hex) over the records up to `position` that this file holds."""
    side: Literal["log", "archive"]
    """Which of the two files this is."""
    other: str
    """The name of the other file."""
    runs: tuple[MovedRun, ...]
    """The runs that were moved, now in the archive."""


class ErasedStream(Data):
    """What is left of a stream that was erased: figures and hashes, no names and no words."""

    stream: Literal["run", "memory"]
    first: str
    """Hash of its first record (hex), by which a copy of it is recognised."""
    run: str | None = None
    """SHA-256 (hex) of the run's id; None for the memories of a namespace."""
    key: str | None = None
    """The run's id if it is the hash of an idempotency key: the key starts no second run."""
    records: int
    first_at: int
    """Microseconds since the epoch."""
    last_at: int
    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int | None = None
    """Of the run by itself, in picodollars; None if a price is not known."""


class StreamsErased(Event):
    """Streams were erased from the log; this is the first new record of the rewritten file.

    Up to `position` the file then has gaps, as after `runs_moved`.
    """

    kind: Literal["streams_erased"] = "streams_erased"
    position: int
    """The end of the log before it was rewritten: the old anchor's position."""
    hash: str
    """Hash of the record there (hex), which may be gone."""
    running: str
    """The old anchor's running hash (hex)."""
    kept: str
    """The running hash (hex) over the records up to `position` that are still there."""
    streams: tuple[ErasedStream, ...]
    by: Decider | None = None
    """Who asked; None where a restored backup was rid of what had been erased before."""
    reason: str
