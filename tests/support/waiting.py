"""Waits for a record or anything else, at most a while: a fault fails the test, no more."""

import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from playhead.events.record import Record
from playhead.run import Run

SECONDS = 20.0


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for another process or thread. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def first_record(run: Run[Any], wanted: Callable[[Record], bool]) -> Record:
    """The run's first record like that; queue.Empty after SECONDS without one."""
    found = SimpleQueue[Record]()

    def look() -> None:
        for record in run.events():
            if wanted(record):
                found.put(record)
                return

    Thread(target=look, daemon=True).start()
    return found.get(timeout=SECONDS)


def asks_here(record: Record) -> bool:
    """Whether a person is asked, in this log and not where it was imported from."""
    return record.event.kind == "approval_requested" and not record.imported
