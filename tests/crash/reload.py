"""Reload: a run of a hundred thousand records, or a million, read back to the same state."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from playhead.actors.engine.load_state import load_state
from playhead.actors.engine.turn import Trigger, Turn
from playhead.actors.replay import pure_roles, replay
from playhead.definition.agent import Agent
from playhead.events.event import Block, Event, Json
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.spec.agent import Limits, LoopRules, Threshold
from playhead.events.usage import Usage
from playhead.events.version import VERSION
from playhead.projections.state.run_state import RunState
from playhead.simulation.invariants.state_fingerprint import fingerprint
from playhead.tools.tool import tool

NEVER = Threshold(warn=0, stop=0)
PATIENT = LoopRules(same_answer=NEVER, same_failure=NEVER, cycle=NEVER, no_progress=NEVER)


@tool(effect="read")
def look(n: int) -> str:
    """Look something up."""
    return str(n)


class Reloaded(NamedTuple):
    """One run written and read back."""

    records: int
    written: float
    """Seconds for deciding, sealing and writing."""
    read: float
    """Seconds for reading and folding."""
    replayed: float | None
    """Seconds for deciding every turn again; None where that was left out."""
    same: bool


def turns(records: int, run: str = "long-run") -> Iterator[Turn]:
    """The turns of one long run: a model that always calls its tool, and the tool's answers."""
    agent = Agent(name="long", tools=[look], limits=Limits(max_steps=records))
    spec = agent.spec().model_copy(update={"loops": PATIENT})
    state, roles, at = RunState(run), pure_roles(), 1_700_000_000_000_000
    event: Event = RunStarted(goal="go on", agent=spec, code=VERSION)
    trigger = Trigger(event, "user", "outside")
    while state.head.seq < records:
        at += 1000
        turn = Turn(state, trigger, at)
        turn.settle(roles)
        yield turn
        (seq, intent), *_ = state.open.items()
        if intent.event.kind == "model_requested":
            arguments: Json = {"n": seq}
            use: Block = {"type": "tool_use", "id": f"u{seq}", "name": "look", "input": arguments}
            event = ModelAnswered(
                content=(use,), stop_reason="tool_use", usage=Usage(), model="m", duration_ms=1.0
            )
        else:
            event = ToolSucceeded(result=f"found {seq}", duration_ms=1.0)
        trigger = Trigger(event, intent.actor, "effect", seq)


def reload(records: int, *, again: bool) -> Reloaded:
    """Write a run of so many records, read it back and, with `again`, replay it."""
    folder = Path(tempfile.mkdtemp(prefix="playhead-reload-"))
    try:
        with SqliteLog(folder / "log.db", "normal") as log:
            began = time.monotonic()
            state = _write(log, records)
            written = time.monotonic()
            folded = load_state(log, "long-run")
            read = time.monotonic()
            same = fingerprint(folded) == fingerprint(state)
            if again:
                same = same and replay(log, "long-run").matches
            replayed = time.monotonic() - read if again else None
        return Reloaded(state.head.seq, written - began, read - written, replayed, same)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(log: SqliteLog, records: int) -> RunState:
    told: SimpleQueue[int | Exception] = SimpleQueue()
    state, count = RunState("long-run"), 0
    for turn in turns(records):
        state, count = turn.state, count + 1
        log.submit(turn.append, told.put)
    for outcome in [told.get() for _ in range(count)]:
        if isinstance(outcome, Exception):
            raise outcome
    return state


def main() -> int:
    """Write and reload; print the figures; exit with 1 when a state was not the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.reload", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--replay", action="store_true")
    given = parser.parse_args()
    found = reload(given.records, again=given.replay)
    print(found)
    return 0 if found.same else 1


if __name__ == "__main__":
    sys.exit(main())
