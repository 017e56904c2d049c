"""What a run recalled, learned and stored, with its sources."""

from typing import NamedTuple

from playhead.events.kinds.facts import FactLearned
from playhead.events.kinds.tool_calls import AttemptStarted, ToolRequested, ToolSucceeded
from playhead.events.record import Record
from playhead.inspector.run_data import Reading

ABOUT = ("fact_", "memory_", "recall_", "context_", "extraction_")
"""How the kinds begin that are about memory."""


class RecalledRow(NamedTuple):
    """A call of a tool that memory performs, and what it gave."""

    requested: ToolRequested
    seq: int
    """Of the outcome."""
    result: object


class Remembered(NamedTuple):
    """All that a run has to do with memory."""

    recalled: list[RecalledRow]
    facts: list[tuple[int, FactLearned]]
    """Each with the seq of its record."""
    other: list[Record]

    @property
    def empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.recalled or self.facts or self.other)


def remembered(reading: Reading) -> Remembered:
    """What a run remembers, in the order of its records."""
    found = Remembered([], [], [])
    agent = reading.started.agent if reading.started is not None else None
    offered = agent.tools if agent is not None else ()
    tools = {t.name for t in offered if t.performer == "memory"}
    requested_calls: dict[int, ToolRequested] = {}
    attempts: dict[int, ToolRequested] = {}
    for record in reading.records:
        match record.event:
            case ToolRequested(tool=tool) as requested if tool in tools:
                requested_calls[record.seq] = requested
            case AttemptStarted(call=call) if call in requested_calls:
                attempts[record.seq] = requested_calls[call]
            case ToolSucceeded(result=result) if record.cause in attempts:
                requested = attempts[record.cause or 0]
                found.recalled.append(RecalledRow(requested, record.seq, result))
            case FactLearned() as fact:
                found.facts.append((record.seq, fact))
            case event if event.kind.startswith(ABOUT):
                found.other.append(record)
            case _:
                pass
    return found
