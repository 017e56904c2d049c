"""A log that cannot be written: for a while, or never again by this process."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from playhead import (
    Agent,
    LogClosed,
    LogError,
    Run,
    RunTakenOver,
    Runtime,
    StorageUnavailable,
    tool,
)
from playhead.events.codec import decode
from playhead.events.kinds.runs import CancelRequested
from playhead.events.log.contract import Append, OnAppended
from playhead.events.log.inbox import Inbox
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.driver import ApswDriver
from playhead.events.log.sqlite.log import SqliteLog
from playhead.testing import Scripted, ScriptedModel, call
from tests.crash.full_disk import FAULTS, RUNS, fill_up
from tests.events.faulty_disk import FaultyDisk
from tests.support.virtual import RUN, Play

SOON = 0.05
"""`storage_seconds` of these tests."""


class FailingLog(MemoryLog):
    """Refuses appends with `error` while there is one; `writes` first, if so told."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.writes = False

    def submit(self, append: Append, done: OnAppended) -> None:
        error = self.error
        if error is None:
            super().submit(append, done)
        elif self.writes:
            super().submit(append, lambda _: done(error))
        else:
            done(error)


FULL = StorageUnavailable("a.db", "the disk is full")


def kinds(log: MemoryLog | SqliteLog) -> list[str]:
    return [decode(row, log.body).event.kind for row in log.follow()]


def patiently(run: Run[Any]) -> str:
    """The answer, however often we are told that the storage fails."""
    while True:
        try:
            return run.wait(30).answer
        except StorageUnavailable:
            continue


def payer(done: Callable[[], None]) -> Agent[Any]:
    """Pays once; when the payment is made, `done` is called."""

    @tool(effect="once")
    def pay() -> str:
        """Pay the bill, once."""
        done()
        return "paid"

    return Agent(name="payer", model=ScriptedModel([call("pay"), "It is paid."]), tools=[pay])


@pytest.mark.parametrize("writes", [False, True])
def test_who_waits_is_told_of_a_full_disk_and_the_run_goes_on_by_itself(writes: bool) -> None:
    log = FailingLog()
    log.writes = writes
    paid: list[int] = []

    def fill() -> None:
        paid.append(1)
        log.error = FULL

    agent = payer(fill)
    with Runtime(log, [agent], storage_seconds=SOON) as runtime:
        run = runtime.start(agent, "pay")
        with pytest.raises(StorageUnavailable, match=r"goes on by itself .* wait for it again"):
            run.wait(30)
        with pytest.raises(StorageUnavailable):
            list(run.events())
        assert run.status == "running"
        log.error = None
        assert patiently(run) == "It is paid."
        assert [record.event.kind for record in run.events()] == kinds(log)
    assert len(paid) == kinds(log).count("tool_succeeded") == 1


def test_a_start_that_is_refused_for_now_does_not_begin_later() -> None:
    log = FailingLog()
    agent = Agent(name="a", model=ScriptedModel(["done"]))
    with Runtime(log, [agent], storage_seconds=SOON) as runtime:
        log.error = FULL
        with pytest.raises(StorageUnavailable):
            runtime.start(agent, "first", session="talk")
        log.error = None
        assert runtime.run(agent, "second", session="talk").answer == "done"
    assert kinds(log).count("run_started") == 1


def test_what_is_said_to_a_run_while_the_disk_is_full_is_not_recorded_later() -> None:
    log = FailingLog()
    agent = _asks()
    with Runtime(log, [agent], storage_seconds=SOON) as runtime:
        waiting = runtime.start(agent, "pay")
        next(record for record in waiting.events() if record.event.kind == "approval_requested")
        log.error = FULL
        says: list[Callable[[], None]] = [partial(waiting.send, "hurry"), waiting.pause]
        for say in (*says, waiting.cancel):
            with pytest.raises(StorageUnavailable, match="not tried again"):
                say()
        log.error = None
        (asked,) = waiting.approvals()
        waiting.approve(asked.call)
        assert waiting.wait(30).answer == "It is paid."
    assert not {"message_received", "run_paused", "cancel_requested"} & set(kinds(log))


def _asks() -> Agent[Any]:
    @tool(effect="once", approval=True)
    async def pay() -> str:
        """Pay the bill, once, when a person agrees."""
        return "paid"

    def script(body: dict[str, Any]) -> Scripted:
        return call("pay") if len(body["messages"]) == 1 else "It is paid."

    return Agent(name="asks", model=ScriptedModel(script), tools=[pay])


def test_a_runtime_closes_while_the_disk_is_full_and_the_next_one_takes_the_run_up() -> None:
    log = FailingLog()

    def fill() -> None:
        log.error = FULL

    agent = payer(fill)
    with capture_logs() as said:
        with Runtime(log, [agent], storage_seconds=SOON) as runtime:
            run = runtime.start(agent, "pay")
            with pytest.raises(StorageUnavailable):
                run.wait(30)
        left = [entry["runs"] for entry in said if entry["event"] == "close.left_unwritten"]
    assert left == [[run.id]]
    log.error = None
    again = Agent(name="payer", model=ScriptedModel(["It may be paid."]), tools=agent.tools)
    with Runtime(log, [again]) as runtime:
        runtime.attach(run.id).wait(30)
    assert kinds(log).count("tool_outcome_unknown") == 1


def test_a_run_that_another_runtime_goes_on_with_is_told_and_can_be_taken_up_again() -> None:
    log = MemoryLog()
    agent = _asks()
    with Runtime(log, [agent]) as first, Runtime(log, [agent]) as second:
        run = first.start(agent, "pay")
        next(record for record in run.events() if record.event.kind == "approval_requested")
        there = second.attach(run.id)
        second.runs.take_up(run.id)
        there.send("I have it.")
        with pytest.raises(RunTakenOver, match=r"run\.resume\(\)"):
            run.send("So have I.")
        with pytest.raises(RunTakenOver):
            run.wait(30)
        run.resume()
        run.approve(run.approvals()[0].call)
        assert run.wait(30).answer == "It is paid."
        with pytest.raises(RunTakenOver):
            there.send("Still?")
    assert kinds(log).count("tool_succeeded") == 1


def test_who_waits_for_a_run_that_may_never_be_written_again_is_told_at_once() -> None:
    log = FailingLog()

    def refuse() -> None:
        log.error = LogError("no more")

    agent = payer(refuse)
    with Runtime(log, [agent], storage_seconds=600.0) as runtime:
        run = runtime.start(agent, "pay")
        with pytest.raises(LogError, match="no more"):
            run.wait(30)
        with pytest.raises(LogError, match="no more"):
            run.wait(30)


def test_when_the_log_is_closed_under_a_runtime_all_who_wait_are_told() -> None:
    log = MemoryLog()
    agent = _asks()
    with Runtime(log, [agent]) as runtime:
        runs = [runtime.start(agent, "pay") for _ in range(3)]
        for run in runs:
            next(record for record in run.events() if record.event.kind == "approval_requested")
        log.close()
        with pytest.raises(LogClosed):
            runs[0].send("hello")
        for run in runs:
            with pytest.raises(LogClosed):
                run.wait(30)


def test_a_parent_is_told_that_its_child_waits_for_the_storage() -> None:
    log = FailingLog()

    def fill() -> None:
        log.error = FULL

    child = replace(payer(fill), description="Pays.")
    model = ScriptedModel([call("payer", task="pay"), "All is paid."])
    parent = Agent(name="parent", model=model, tools=[child])
    with Runtime(log, [parent], storage_seconds=SOON) as runtime:
        run = runtime.start(parent, "go")
        with pytest.raises(StorageUnavailable):
            run.wait(30)
        log.error = None
        assert patiently(run) == "All is paid."


def test_people_are_told_after_ten_seconds_and_nobody_before() -> None:
    log = FailingLog()
    play = Play(_asks(), log)
    play.start()
    heard: list[tuple[float, str]] = []
    play.engine.warned.append(lambda run, _: heard.append((play.loop.time(), run)))
    begin = play.loop.time()
    log.error = FULL

    def mend() -> None:
        log.error = None

    play.loop.call_later(25.0, mend)
    with pytest.raises(StorageUnavailable):
        play.say(CancelRequested(reason="enough"))
    assert [(round(at - begin, 1), run) for at, run in heard] == [(10.0, RUN)]
    assert "cancel_requested" not in kinds(log)


def test_a_command_waits_in_the_inbox_while_the_disk_is_full(tmp_path: Path) -> None:
    disk = FaultyDisk()
    agent = _asks()
    with (
        SqliteLog(tmp_path / "a.db", driver=ApswDriver(disk.name)) as log,
        Runtime(log, [agent], storage_seconds=SOON) as runtime,
    ):
        run = runtime.start(agent, "pay")
        next(record for record in run.events() if record.event.kind == "approval_requested")
        disk.fail("write", 1_000_000)
        inbox = Inbox(log.path)
        command = inbox.put(run.id, CancelRequested(reason="enough"))
        with pytest.raises(StorageUnavailable, match="FullError"):
            run.send("hello")
        found = inbox.find(command.id)
        assert found is not None
        assert found.answer is None
        disk.fail("none", 0)
        assert [r.event.kind for r in run.events()][-1] == "run_cancelled"
        inbox.close()
    disk.unregister()


REAL_FAULTS = FAULTS if os.geteuid() == 0 else ("limit",)
"""Only root can mount a disk."""


@pytest.mark.parametrize("fault", REAL_FAULTS)
def test_thirty_runs_outlive_a_real_disk_that_is_full_and_a_file_size_limit(fault: str) -> None:
    found = fill_up(fault, 1000)
    assert found["broken"] == []
    assert found["answers"] == ["all paid"] * RUNS
