"""The anchor: how far the log had come, stored outside SQLite's files.

A damaged WAL silently drops the newest commits, and an old copy of a log is a valid log. Only
something outside can detect that: a position, and a running hash over all record hashes up to it.
"""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from playhead.events.codec import decode
from playhead.events.errors import LogDamaged
from playhead.events.kinds.logs import RunsMoved, StreamsErased
from playhead.events.log.contract import RUNTIME_STREAM, Reader
from playhead.events.log.private_files import open_private

REWRITTEN = ("runs_moved", "streams_erased")

LARGEST = 4096
"""Bytes that are read of an anchor; one of ours is far smaller."""


class LogPosition(NamedTuple):
    """The state of the log at one position."""

    position: int = 0
    hash: bytes = b""
    """The hash of the record there."""
    running: bytes = b""
    """SHA-256 of the previous running hash and the record's hash."""

    def after(self, position: int, record_hash: bytes) -> "LogPosition":
        """The position after the next record is appended."""
        return LogPosition(position, record_hash, sha256(self.running + record_hash).digest())


def anchor_path(log: Path) -> Path:
    """The path of a log's anchor."""
    return log.with_name(log.name + ".anchor")


def read_anchor(log: Path) -> LogPosition | None:
    """The position written last; None without an anchor. Raises LogDamaged if it is unreadable."""
    path = anchor_path(log)
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(LARGEST))
        return LogPosition(
            int(fields["position"]),
            bytes.fromhex(fields["hash"]),
            bytes.fromhex(fields["running"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        msg = f"{path} is not an anchor: {error}"
        raise LogDamaged(msg) from error


def write_anchor(log: Path, mark: LogPosition) -> None:
    """Replace the anchor and sync it: a power cut leaves either this one or the previous one."""
    path = anchor_path(log)
    fields = {
        "position": mark.position,
        "hash": mark.hash.hex(),
        "running": mark.running.hex(),
    }
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # left by an interrupted write, or a link
    with os.fdopen(open_private(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(json.dumps(fields).encode())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def last_move(reader: Reader) -> RunsMoved | StreamsErased | None:
    """The latest rewriting of this log, by archiving or erasure; None if there was none.

    Raises LogDamaged if its record cannot be read.
    """
    moved_rows = [row for row in reader.read(RUNTIME_STREAM) if row.kind in REWRITTEN]
    event = decode(moved_rows[-1], reader.body).event if moved_rows else None
    return event if isinstance(event, RunsMoved | StreamsErased) else None


def base_of(move: RunsMoved | StreamsErased | None) -> LogPosition:
    """Where the contiguous part of a log begins."""
    if move is None:
        return LogPosition()
    return LogPosition(move.position, bytes.fromhex(move.hash), bytes.fromhex(move.running))
