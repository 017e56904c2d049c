"""Logs that were parted: where the gaps end, and how the running hash goes on from there."""

from playhead.events.kinds.codec import decode
from playhead.events.kinds.logs import RunsMoved
from playhead.events.log.anchor import Mark
from playhead.events.log.contract import RUNTIME_STREAM, Reader


def last_move(reader: Reader) -> RunsMoved | None:
    """The latest move of runs out of this log or into it; None when it was never parted.

    Raises LogDamaged when its record cannot be read.
    """
    moves = [row for row in reader.read(RUNTIME_STREAM) if row.kind == "runs_moved"]
    event = decode(moves[-1], reader.body).event if moves else None
    return event if isinstance(event, RunsMoved) else None


def base_of(move: RunsMoved | None) -> Mark:
    """Where the unbroken part of a log begins."""
    if move is None:
        return Mark()
    return Mark(move.position, bytes.fromhex(move.hash), bytes.fromhex(move.running))
