"""A run that is started once: its id is derived from the caller's key, so the log itself decides.

The key gives the same id in every process and after every crash, and a run's first record is
appended once. Archives keep the ids of the runs that were moved: the keys' hashes.
"""

import threading
from hashlib import sha256
from typing import Any

from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.projections.stored.run_list import KEYED

LOCKS = tuple(threading.Lock() for _ in range(64))
"""Two callers with the same key wait for each other; few others do."""


def run_of(key: str) -> str:
    """The id of the run with an idempotency key. Raises UsageError for a blank one."""
    if not key.strip():
        msg = "idempotency_key is blank: give what the run is for, such as an order's number"
        raise UsageError(msg)
    return KEYED + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def lock_of(run: str) -> Any:
    """Held while the run is looked up and started."""
    return LOCKS[hash(run) % len(LOCKS)]


def check_same(log: Reader, run: str, key: str, wanted: Event) -> None:
    """Raise UsageError unless the key's run has the same goal and agent.

    `wanted` is the first record's event as it would be recorded: redacted.
    """
    assert isinstance(wanted, RunStarted)
    row = next(log.read(run, 0, 1))
    found = decode(row, log.body).event
    if row.imported or not isinstance(found, RunStarted):
        msg = f"idempotency_key {key!r}: run {run} came with an import, it was not started here"
        raise UsageError(msg)
    for what, there, here in (
        ("agent", found.agent.name, wanted.agent.name),
        ("goal", found.goal, wanted.goal),
        ("content", found.content, wanted.content),
    ):
        if there != here:
            msg = (
                f"idempotency_key {key!r} was used for run {run} with another {what}: use another "
                "key for another task"
            )
            raise UsageError(msg)


def check_same_fork(log: Reader, parent: str, fork: str, key: str) -> None:
    """Raise UsageError unless the key's run is a fork of that run."""
    stream = log.stream(fork)
    if stream is None or stream.parent != parent or stream.parent_seq is None:
        msg = f"idempotency_key {key!r} was used for run {fork}, which is no fork of {parent}"
        raise UsageError(msg)
