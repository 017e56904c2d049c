"""What happens to the log itself; these lie in the runtime stream."""

from typing import Literal

from playhead.events.event import Data, Event


class LossAccepted(Event):
    """Somebody accepted that the log ends before its anchor, and lets it be written again."""

    kind: Literal["loss_accepted"] = "loss_accepted"
    anchored: int
    """The position that the anchor had reached."""
    found: int
    """The position at which the log ended."""
    running: str
    """The anchor's running hash (hex): the history that was lost can be recognised by it."""


class MovedRun(Data):
    """A run that lies in another file, and where it ended."""

    run: str
    seq: int
    hash: str
    """Of its last record (hex)."""


class RunsMoved(Event):
    """Ended runs were moved to another file; the first new record of both files says so.

    Up to `position` the file has gaps from then on: what it must hold there is said by `kept`, and
    the running hash goes on from `running`, so that the anchor of before still holds.
    """

    kind: Literal["runs_moved"] = "runs_moved"
    position: int
    """The end of the log when it was parted: the old anchor's position."""
    hash: str
    """Of the record there (hex), whichever file holds it."""
    running: str
    """The old anchor's running hash (hex)."""
    kept: str
    """The running hash (hex) over those records up to `position` that this file holds."""
    side: Literal["log", "archive"]
    """Which of the two this file is."""
    other: str
    """The name of the other file."""
    runs: tuple[MovedRun, ...]
    """The runs that were moved; the archive holds them."""
