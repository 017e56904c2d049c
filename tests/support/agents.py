"""Tools and agents shared by the tests of the actors."""

from collections.abc import Generator
from contextlib import contextmanager

from playhead import Agent, Runtime, tool
from playhead.events.codec import decode
from playhead.events.log.contract import Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two integers.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


@tool(effect="read")
def fail(why: str) -> str:
    """Fail, as the reason says.

    Args:
        why: the reason.
    """
    raise RuntimeError(why)


def records(log: Reader, run: str) -> list[Record]:
    """All records of a run."""
    return [decode(row, log.body) for row in log.read(run)]


def kinds(log: Reader, run: str) -> list[str]:
    """The kinds of a run's records, in order."""
    return [record.event.kind for record in records(log, run)]


@contextmanager
def runtime(*agents: Agent[object], **options: object) -> Generator[tuple[Runtime, MemoryLog]]:
    """A runtime over an in-memory log."""
    log = MemoryLog()
    with Runtime(log, agents, **options) as made:  # type: ignore[arg-type]
        yield made, log


def broken(*_: object) -> None:
    """A watcher that raises."""
    raise RuntimeError("a broken watcher")
