"""How a run recalls before its first step, and stores what its tool remembers. Pure.

The planner lets memory go first in two cases; both roles use the same predicate for each.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import cast

from playhead.events.event import Event
from playhead.events.kinds.memory import MemoryStored, RecallRequested
from playhead.events.kinds.tool_calls import MemoryToolStarted, ToolSucceeded
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState

REMEMBER = "remember"
"""The tool whose success stores a memory."""

QUERY = 1000
"""Characters of the goal used for the search."""


def recall_due(state: RunState) -> bool:
    """Whether the run must receive its namespace's memories before its first step starts."""
    rules, asks_model = state.agent.memory, state.agent.strategy != "function"
    wanted = bool(rules.namespace) and rules.recall > 0 and asks_model
    return wanted and state.recalled is None and not state.steps


def ask_recall(state: RunState) -> Sequence[Event]:
    """The search, if it is due."""
    if not recall_due(state) or state.goal_waits:
        return []
    rules, goal = state.agent.memory, state.run_started.goal
    asked = RecallRequested(
        namespace=rules.namespace, query=goal[:QUERY], limit=rules.recall,
        tokens=rules.recall_tokens,
    )  # fmt: skip
    return [asked]


def to_store(state: RunState, record: Record) -> Sequence[Event]:
    """The memory to store, if the record is the success of its tool; nothing for other records.

    Its id is the call's key, so deciding the call again stores the same memory.
    """
    started = state.asked(record)
    if not isinstance(started, MemoryToolStarted) or not isinstance(record.event, ToolSucceeded):
        return []
    call = state.closed.get(started.call)
    if call is None or call.requested.tool != REMEMBER or not call.scope.namespace:
        return []
    given = call.arguments
    metadata = given.get("metadata")
    return [
        MemoryStored(
            id=f"{call.run}:{call.seq}",
            namespace=call.scope.namespace,
            text=str(given.get("text", "")),
            metadata={k: str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {},
            importance=_number(given.get("importance")),
            fork=call.scope.fork,
            said_at=_microseconds(given.get("said_on")),
            said_by=str(given.get("said_by") or ""),
            supersedes=_texts(given.get("supersedes")),
        )
    ]


def _texts(given: object) -> tuple[str, ...]:
    return tuple(map(str, cast("list[object]", given))) if isinstance(given, list) else ()


def _microseconds(day: object) -> int | None:
    """The day's beginning, in UTC; None if none was given."""
    try:
        begun = datetime.combine(date.fromisoformat(str(day)), time(), UTC)
    except ValueError:
        return None
    return round(begun.timestamp()) * 1_000_000


def _number(given: object) -> float:
    return float(given) if isinstance(given, int | float) else 0.5
