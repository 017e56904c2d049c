"""The index of runs: what starting, opening, finding and listing read of a log does not grow."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Runtime, tool
from playhead.events.errors import SessionBusy, UnknownRun
from playhead.events.log.contract import Head, Stream
from playhead.events.log.find_run import find_run
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.driver import Value
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.record import Record, Stored
from playhead.projections.state.run_state import RunState
from playhead.service.run_index import RunIndex
from playhead.testing import Call, ScriptedModel
from playhead.testing.appends import say


class CountedLog(MemoryLog):
    """Counts what is read of it, and on which threads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.threads: set[str] = set()

    def _count(self) -> None:
        self.reads += 1
        self.threads.add(threading.current_thread().name)

    def head(self, run: str) -> Head:
        self._count()
        return super().head(run)

    def stream(self, run: str) -> Stream | None:
        self._count()
        return super().stream(run)

    def streams(self, beginning: str = "") -> Iterator[Stream]:
        for stream in super().streams(beginning):
            self._count()
            yield stream

    def read(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Stored]:
        for row in super().read(run, after, to):
            self._count()
            yield row

    def follow(self, after: int = 0, limit: int | None = None) -> Iterator[Stored]:
        for row in super().follow(after, limit):
            self._count()
            yield row


talker = Agent(name="talker", model=ScriptedModel(lambda _: "ok"), strategy="direct")


@tool(effect="once", approval=True)
def pay(amount: int) -> str:
    """Pay an amount of money to the person who is waiting for it.

    Args:
        amount: in cents.
    """
    return str(amount)


payer = Agent(
    name="payer", model=ScriptedModel(lambda _: [Call("pay", {"amount": 1})]), tools=[pay]
)


def until_asked(runtime: Runtime, runs: int) -> None:
    """Return once so many calls wait for a person."""
    asked = threading.Semaphore(0)

    def heard(_: RunState, records: Sequence[Record]) -> None:
        for record in records:
            if record.event.kind == "approval_requested":
                asked.release()

    runtime.watch(heard)
    for n in range(runs):
        runtime.start(payer, f"pay {n}")
    for _ in range(runs):
        asked.acquire()


def test_a_sessions_later_runs_read_no_more_of_the_log_than_its_first_ones() -> None:
    log = CountedLog()
    with Runtime(log, [talker]) as runtime:
        read: list[int] = []
        for _ in range(20):
            before = log.reads
            runtime.run(talker, "go", session="s")
            read.append(log.reads - before)
    assert max(read) < 20, read  # that was 4 more for each run before it


def test_a_session_goes_on_after_a_reopening_with_what_was_said(tmp_path: Path) -> None:
    seen: list[int] = []

    def count(request: dict[str, Any]) -> str:
        seen.append(len(request["messages"]))
        return "ok"

    agent = Agent(name="talker", model=ScriptedModel(count), strategy="direct")
    for _ in range(2):
        with Runtime(tmp_path / "a.db", [agent]) as runtime:
            for _ in range(3):
                runtime.run(agent, "go", session="s")
    assert seen == [1, 3, 5, 7, 9, 11]


def test_a_session_whose_run_is_open_is_busy_after_a_reopening_too(tmp_path: Path) -> None:
    with Runtime(tmp_path / "a.db", [payer]) as runtime:
        runtime.start(payer, "pay", session="s")
    with Runtime(tmp_path / "a.db", []) as runtime, pytest.raises(SessionBusy):
        runtime.start(talker, "go", session="s")


@pytest.mark.parametrize("ended", [5, 50])
def test_opening_reads_no_stream_of_a_run_that_has_ended(tmp_path: Path, ended: int) -> None:
    path = tmp_path / "a.db"
    with Runtime(path, [talker]) as runtime:
        for n in range(ended):
            runtime.run(talker, "go", session=f"s{n}")
    RunIndex(opened := CountedSqlite(path)).close()  # the stored list is caught up
    opened.reads = 0
    RunIndex(opened).close()
    opened.close()
    assert opened.reads <= 4, "the log's end and the stored list's place in it, twice"


class CountedSqlite(SqliteLog):
    """Counts its queries."""

    reads = 0

    def _rows(self, query: str, *values: Value) -> list[Any]:
        self.reads += 1
        return super()._rows(query, *values)


def test_a_run_is_found_by_its_full_id_with_one_look_whatever_lies_beside_it() -> None:
    log = CountedLog()
    for n in range(100):
        say(log, f"run-{n}", "x")
    log.reads = 0
    assert find_run(log, "run-7") == "run-7"
    assert log.reads == 1
    assert find_run(log, "run-99") == "run-99"
    with pytest.raises(UnknownRun, match="beginning"):
        find_run(log, "run-")


def test_what_was_approved_waits_no_more() -> None:
    with Runtime(MemoryLog(), [payer]) as runtime:
        until_asked(runtime, 2)
        first, second = runtime.runs.approvals()
        runtime.attach(first.run).deny(first.call)
        waiting = [(each.run, each.call) for each in runtime.runs.approvals()]
        assert (first.run, first.call) not in waiting
        assert (second.run, second.call) in waiting


@tool(effect="read")
def look(place: str) -> str:
    """Look at a place.

    Args:
        place: where.
    """
    return place


def test_a_person_is_shown_the_call_that_waits_and_not_one_beside_it() -> None:
    both = [Call("pay", {"amount": 1}), Call("look", {"place": "here"})]
    agent = Agent(name="both", model=ScriptedModel([both, "ok"]), tools=[pay, look])
    with Runtime(MemoryLog(), [agent]) as runtime:
        run = runtime.start(agent, "go")
        next(r for r in run.events() if r.event.kind == "tool_succeeded")
        (waiting,) = run.approvals()
        assert (waiting.tool, waiting.arguments) == ("pay", {"amount": 1})
        run.cancel()
