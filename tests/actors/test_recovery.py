"""A process may die at any moment: what was committed stays, and nothing is done twice."""

# The engine inside a Runtime is looked at here, and nowhere else.
# pyright: reportPrivateUsage=false

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, RunNotFinished, Runtime, tool
from playhead.events.codec import body_refs
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.kinds.runs import MessageReceived, RunPaused, RunResumed
from playhead.events.kinds.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolResolved,
    ToolStarted,
    ToolSucceeded,
)
from playhead.events.log.contract import Append, Head
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.record import Stored
from playhead.testing import ScriptedModel, call
from playhead.tools.context import ToolContext
from playhead.tools.options import Done, NotDone
from playhead.tools.tool import AnyTool
from tests.support.agents import add, kinds, records

done: list[str] = []


def write(note: str, context: ToolContext) -> str:
    """Write a note.

    Args:
        note: what to write.
    """
    done.append(context.key)
    return f"wrote {note}"


def cut_after(kind: str, agent: Agent[Any]) -> tuple[MemoryLog, str]:
    """A log that ends with the turn of the first record of that kind, as a crash would leave it."""
    whole = MemoryLog()
    with Runtime(whole, [agent]) as made:
        run = made.run(agent, "go").run_id
    log = MemoryLog()
    rows: list[Stored] = []
    bodies: dict[str, bytes] = {}
    for row in whole.read(run):
        if row.origin != "decided" and any(earlier.kind == kind for earlier in rows):
            break
        rows.append(row._replace(position=0))
        bodies |= {digest: whole.body(digest) for digest in body_refs(row).values()}
    log.submit(Append(run, Head(), tuple(rows), bodies), lambda _: None)
    done.clear()
    return log, run


def an_agent(made: AnyTool, *replies: Any) -> Agent[str]:
    model = ScriptedModel(lambda body: replies[(len(body["messages"]) - 1) // 2])
    return Agent(name="writer", model=model, tools=[made])


WRITE = call("write", note="x")


@pytest.mark.parametrize("effect", ["read", "keyed"])
def test_a_repeatable_call_cut_off_by_a_crash_is_done_again_with_the_same_key(effect: Any) -> None:
    agent = an_agent(tool(write, effect=effect), WRITE, "ok")
    log, run = cut_after("tool_started", agent)
    with Runtime(log, [agent]) as made:
        assert made.attach(run).wait().answer == "ok"
        assert made.replay(run).matches
    attempts = [r.event for r in records(log, run) if isinstance(r.event, ToolStarted)]
    assert [a.attempt for a in attempts] == [1, 2]
    assert done == [f"{run}:{attempts[0].call}"]


def test_a_once_call_cut_off_by_a_crash_is_unknown_and_never_started_again() -> None:
    agent = an_agent(tool(write), WRITE, "I do not know.")
    log, run = cut_after("tool_started", agent)
    with Runtime(log, [agent]) as made:
        made.attach(run).wait()
        assert made.replay(run).matches
    assert done == []
    assert "tool_outcome_unknown" in kinds(log, run)
    assert kinds(log, run).count("tool_started") == 1


@pytest.mark.parametrize(
    ("found", "outcome"),
    [(Done("wrote x"), ToolSucceeded), (NotDone(), ToolFailed), (None, ToolOutcomeUnknown)],
)
def test_a_probe_says_what_became_of_a_once_call(found: Any, outcome: type) -> None:
    asked: list[str] = []

    def probe(key: str) -> Any:
        asked.append(key)
        return found

    agent = an_agent(tool(write, probe=probe), WRITE, "ok")
    log, run = cut_after("tool_started", agent)
    with Runtime(log, [agent]) as made:
        made.attach(run).wait()
    assert done == []
    assert len(asked) == 1
    assert any(isinstance(r.event, outcome) for r in records(log, run))


def test_an_interrupted_model_call_counts_its_reservation_and_is_asked_again() -> None:
    agent = an_agent(add, "hello")
    log, run = cut_after("model_requested", agent)
    with Runtime(log, [agent]) as made:
        assert made.attach(run).wait().answer == "hello"
        state = made._engine.state(run)
        asked = [r.event for r in records(log, run) if isinstance(r.event, ModelRequested)]
        reserved = asked[0].reserved_tokens
        assert state.spent.tokens > reserved


def test_a_finished_call_is_not_done_again_after_a_crash() -> None:
    agent = an_agent(tool(write), WRITE, "ok")
    log, run = cut_after("tool_succeeded", agent)
    with Runtime(log, [agent]) as made:
        assert made.attach(run).wait().answer == "ok"
    assert done == []


def test_the_run_of_an_agent_that_is_not_known_here_stays_parked() -> None:
    agent = an_agent(tool(write), WRITE, "ok")
    log, run = cut_after("tool_started", agent)
    before = kinds(log, run)
    with Runtime(log, [Agent(name="other", model=ScriptedModel([]))]) as made:
        assert made.runs.status(run) == "running"
    assert kinds(log, run) == before


def test_a_run_that_interrupts_its_process_again_and_again_is_paused() -> None:
    agent = an_agent(tool(write, effect="read"), WRITE, "ok")
    log, run = cut_after("tool_started", agent)
    for _ in range(9):
        state_log = _crash_once(log, run)
        if state_log == "paused":
            break
    with Runtime(log, [agent]) as made:
        assert made.runs.status(run) == "paused"
        with pytest.raises(RunNotFinished, match="interrupted 5 times"):
            made.attach(run).wait()
        made.runs.resume(run)
        assert made.attach(run).wait().answer == "ok"
    assert any(isinstance(r.event, RunPaused) for r in records(log, run))


def _crash_once(log: MemoryLog, run: str) -> str:
    """Take the run up with a tool that never comes back, and drop the process."""

    @tool(name="write", effect="read")
    async def hang(note: str, context: ToolContext) -> str:
        """Write a note.

        Args:
            note: what to write.
        """
        await asyncio.Event().wait()
        return note

    agent = Agent(name="writer", model=ScriptedModel([]), tools=[hang])
    with Runtime(log, [agent], drain_seconds=0) as made:
        return made.runs.status(run)


def test_a_run_of_a_kind_not_known_here_stays_as_it_is_and_hinders_no_other() -> None:
    agent = Agent(name="a", model=ScriptedModel(["one", "two"]))
    log, run = cut_after("run_started", agent)
    head = log.head(run)
    row = list(log.read(run))[-1]
    row = row._replace(seq=head.seq + 1, kind="of_a_later_day", origin="outside", cause=None)
    row = row._replace(hash=row.computed_hash(head.hash))
    log.submit(Append(run, head, (row,), {}), lambda _: None)
    assert log.head(run).seq == row.seq
    with Runtime(log, agents=[agent]) as made:
        assert made.run(agent, "another").answer == "two"
        assert log.head(run).seq == row.seq


def test_a_message_for_a_parked_run_is_held_and_decided_when_it_is_taken_up() -> None:
    agent = an_agent(tool(write), WRITE, "ok")
    log, run = cut_after("tool_succeeded", agent)
    with Runtime(log) as made:
        made.runs.tell(run, MessageReceived(text="and quickly"))
    assert records(log, run)[-1].held
    with Runtime(log, [agent]) as made:
        made.attach(run).wait()
        assert made.replay(run).matches
    assert any(isinstance(r.event, RunResumed) for r in records(log, run))


def test_closing_holds_the_outcomes_that_still_arrive_and_the_next_process_goes_on() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @tool
    def slow(x: int) -> int:
        """Take a while.

        Args:
            x: a number.
        """
        begun.set()
        go_on.wait(10)
        return x

    agent = an_agent(slow, call("slow", x=1), "ok")
    log = MemoryLog()
    made = Runtime(log, [agent])
    run = made.start(agent, "go").id
    assert begun.wait(10)
    closing = threading.Thread(target=made.close)
    closing.start()
    go_on.set()
    closing.join()
    assert records(log, run)[-1].held
    assert kinds(log, run)[-1] == "tool_succeeded"
    with Runtime(log, [agent]) as made:
        assert made.attach(run).wait().answer == "ok"
        assert made.replay(run).matches
    assert kinds(log, run).count("tool_started") == 1


def test_a_person_says_what_became_of_an_unknown_call_after_the_run_has_ended() -> None:
    agent = an_agent(tool(write), WRITE, "I do not know.")
    log, run = cut_after("tool_started", agent)
    with Runtime(log, [agent]) as made:
        handle = made.attach(run)
        handle.wait()
        call_seq = next(r.seq for r in records(log, run) if r.event.kind == "tool_requested")
        handle.resolve(call_seq, succeeded=True, note="the note is there")
    [said] = [r.event for r in records(log, "runtime")]
    assert isinstance(said, ToolResolved)
    assert (said.run, said.call, said.succeeded) == (run, call_seq, True)


CHILD = """
import sys
from playhead import Agent, Runtime, ToolContext, tool
from playhead.testing import ScriptedModel, call

@tool(effect="once")
def note(n: int) -> str:
    '''Write a line.

    Args:
        n: which.
    '''
    with open(sys.argv[2], "a") as file:
        file.write(f"{n}\\n")
    return f"line {n}"

def reply(body):
    n = (len(body["messages"]) - 1) // 2
    return call("note", n=n) if n < 8 else "done"

agent = Agent(name="noter", model=ScriptedModel(reply), tools=[note])
if __name__ == "__main__":
    with Runtime(sys.argv[1], [agent]) as made:
        run = made.start(agent, "write") if len(sys.argv) == 3 else made.attach(sys.argv[3])
        for record in run.events():
            print(record.seq, record.event.kind, run.id, flush=True)
        run.wait()
"""


def test_after_kill_9_the_run_goes_on_and_no_finished_call_runs_twice(tmp_path: Path) -> None:
    program = tmp_path / "noter.py"
    program.write_text(CHILD)
    log, notes = tmp_path / "log.db", tmp_path / "notes.txt"
    command = [sys.executable, str(program), str(log), str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        run = ""
        for line in child.stdout:
            run = line.split()[2]
            if notes.exists() and len(notes.read_text().split()) >= 3 and "tool_succ" in line:
                os.kill(child.pid, signal.SIGKILL)
                break
    finished = subprocess.run([*command, run], capture_output=True, text=True, check=True)
    assert "run_finished" in finished.stdout
    lines = notes.read_text().split()
    assert len(lines) == len(set(lines))
    with SqliteLog(log) as reopened, Runtime(reopened) as made:
        assert made.replay(run).matches
        unknown = kinds(reopened, run).count("tool_outcome_unknown")
    assert len(lines) >= 8 - unknown
