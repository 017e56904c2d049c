"""What a simulated run leaves behind: the decoded log, and the ledger of what really happened."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

from playhead.events.codec import decode
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import (
    ToolRequested,
)
from playhead.events.log.anchor import LogPosition
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.events.spec.agent import ToolSpec
from playhead.simulation.faults.ground_truth import GroundTruth, Start


class Evidence:
    """A simulated run after its end."""

    def __init__(
        self, log: Reader, ledger: GroundTruth, liveness: bool, anchor: LogPosition | None = None
    ) -> None:
        """`anchor`: that of a log in a file."""
        self.log = log
        self.anchor = anchor
        self.ledger = ledger
        self.liveness = liveness
        self.records: Mapping[str, list[Record]] = {
            stream.id: [decode(row, log.body) for row in log.read(stream.id)]
            for stream in log.streams()
            if stream.kind == "run"
        }

    @cached_property
    def starts(self) -> Mapping[tuple[str, int], list[Start]]:
        """(run, call) -> the starts of its tool's code."""
        found: dict[tuple[str, int], list[Start]] = {}
        for start in self.ledger.starts:
            found.setdefault((start.run, start.call), []).append(start)
        return found

    def all(self) -> Iterator[Record]:
        """The records of all runs."""
        for records in self.records.values():
            yield from records


def spec_of(records: list[Record], call: int) -> ToolSpec:
    """The recorded tool of a call."""
    first, requested = records[0].event, records[call - 1].event
    assert isinstance(first, RunStarted)
    assert isinstance(requested, ToolRequested)
    return next(t for t in first.agent.tools if t.name == requested.tool)


Promise: TypeAlias = Callable[[Evidence], Iterator[str]]
"""A property that must hold; it yields one line for each violation."""
