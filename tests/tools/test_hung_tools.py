"""Tools that hang, block, exit or answer too late: the runtime's loop and the other tools go on."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from playhead.events.kinds.tool_calls import ToolFailed, ToolOutcomeUnknown
from playhead.events.spec.tool import Effect
from playhead.tools.calls.call import Outcome, call_tool, given_up
from playhead.tools.context import ToolContext
from playhead.tools.execution.thread_pool import SyncPool
from playhead.tools.execution.workers import Handoff, Inline, NotStarted, Threads, TimedOut
from playhead.tools.tool import AnyTool, tool
from tests.tools.calls import result_of

SOON = 0.05
"""A timeout that is to run out."""


class Gate:
    """A tool waits at it; it counts who came, and remembers on which threads."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.came = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def wait(self) -> None:
        self.threads.append(threading.current_thread())
        self.came.release()
        self.opened.wait()

    def let_go(self) -> None:
        self.opened.set()
        for thread in self.threads:
            thread.join()


def hanging(gate: Gate, effect: Effect = "read", timeout: float = SOON) -> AnyTool:
    def hang() -> str:
        gate.wait()
        return "late"

    return tool(hang, description="Hang.", effect=effect, timeout=timeout)


def blocking(gate: Gate, timeout: float = SOON) -> AnyTool:
    async def block() -> str:
        gate.wait()
        return "late"

    return tool(block, description="Block the loop.", effect="read", timeout=timeout)


@tool(effect="read")
def quick() -> str:
    """Answer at once."""
    return threading.current_thread().name


@tool(effect="read")
async def quick_async() -> str:
    """Answer at once."""
    return threading.current_thread().name


def run(body: Callable[[Threads, ToolContext], Any], **settings: Any) -> None:
    async def whole() -> None:
        workers = Threads(**settings)
        try:
            await body(workers, ToolContext("run", 1))
        finally:
            workers.close()

    asyncio.run(whole())


@pytest.mark.parametrize("effect", ["read", "keyed", "once"])
@pytest.mark.parametrize("make", [hanging, blocking], ids=["sync", "async"])
def test_a_hung_tool_is_given_up_and_only_a_once_call_is_in_doubt(
    make: Callable[..., AnyTool], effect: Effect
) -> None:
    gate = Gate()
    hung = make(gate)
    hung.spec = hung.spec.model_copy(update={"effect": effect})

    async def body(workers: Threads, context: ToolContext) -> None:
        outcome = await call_tool(hung, {}, context, workers)
        if effect == "once":
            assert outcome == ToolOutcomeUnknown(reason="timeout")
        else:
            assert isinstance(outcome, ToolFailed)
            assert (outcome.error, outcome.hint is None) == ("timeout", False)
            assert "within 0.05 s" in outcome.message
        assert context.is_cancelled()

    run(body)
    gate.let_go()


def test_hung_threads_do_not_use_up_the_pool() -> None:
    gate = Gate()

    async def body(workers: Threads, context: ToolContext) -> None:
        for _ in range(3):
            outcome = await call_tool(hanging(gate), {}, context, workers)
            assert isinstance(outcome, ToolFailed)
        assert result_of(await call_tool(quick, {}, context, workers)) == "playhead-tool quick"
        names = {thread.name for thread in gate.threads}
        assert names == {"playhead-tool hang (abandoned)"}

    run(body, max_sync_tools=1)
    gate.let_go()


def test_a_call_that_found_no_free_thread_did_nothing_and_says_so() -> None:
    gate = Gate()
    waiting = hanging(gate, effect="once")

    async def body(workers: Threads, context: ToolContext) -> None:
        patient = hanging(gate, timeout=600)
        first = asyncio.create_task(call_tool(patient, {}, context, workers))
        await asyncio.to_thread(gate.came.acquire)
        outcome = await call_tool(waiting, {}, context, workers)
        assert isinstance(outcome, ToolFailed)
        assert (outcome.error, outcome.message) == (
            "busy",
            "hang did not start: no worker was free for it",
        )
        gate.opened.set()
        assert result_of(await first) == "late"
        assert len(gate.threads) == 1

    run(body, max_sync_tools=1)
    gate.let_go()


def test_at_most_so_many_sync_tools_run_at_once() -> None:
    gate = Gate()

    async def body(workers: Threads, context: ToolContext) -> None:
        patient = hanging(gate, timeout=600)
        calls = [asyncio.create_task(call_tool(patient, {}, context, workers)) for _ in range(20)]
        for _ in range(3):
            await asyncio.to_thread(gate.came.acquire)
        gate.opened.set()
        assert {result_of(outcome) for outcome in await asyncio.gather(*calls)} == {"late"}
        assert len(set(gate.threads)) == 3

    run(body, max_sync_tools=3)
    gate.let_go()


def test_hung_threads_are_bounded_and_a_slot_comes_back_with_its_thread() -> None:
    gate = Gate()
    pool = SyncPool(max_threads=1, max_abandoned=1)
    with capture_logs() as logs:
        for _ in range(2):
            job = pool.submit("hang", gate.wait)
            gate.came.acquire()
            pool.abandon(job)
        ran = threading.Event()
        pool.submit("next", ran.set)
        assert len(gate.threads) == 2
        assert [entry["event"] for entry in logs] == ["tool_threads.exhausted"]
    gate.opened.set()
    ran.wait()
    pool.close()
    gate.let_go()


def test_an_async_tool_that_blocks_its_loop_stops_neither_the_runtime_nor_other_tools() -> None:
    gate = Gate()

    async def body(workers: Threads, context: ToolContext) -> None:
        first = await call_tool(blocking(gate), {}, context, workers)
        assert isinstance(first, ToolFailed)
        second = result_of(await call_tool(quick_async, {}, context, workers))
        third = result_of(await call_tool(quick_async, {}, context, workers))
        assert second == third == "playhead-tool-loop-2"
        assert gate.threads[0].name == "playhead-tool-loop-1"

    run(body, patience=SOON)
    gate.let_go()


def test_a_call_behind_a_blocked_loop_is_moved_to_a_fresh_one_and_runs_once() -> None:
    gate = Gate()
    ran: list[str] = []

    @tool(effect="once")
    async def mark() -> None:
        """Mark."""
        ran.append(threading.current_thread().name)

    async def body(workers: Threads, context: ToolContext) -> None:
        blocked = asyncio.create_task(call_tool(blocking(gate, 600), {}, context, workers))
        await asyncio.to_thread(gate.came.acquire)
        result_of(await call_tool(mark, {}, context, workers))
        gate.opened.set()
        assert result_of(await blocked) == "late"

    run(body, patience=SOON)
    gate.let_go()
    assert ran == ["playhead-tool-loop-2"]


def test_too_many_blocked_loops_are_not_replaced_any_more() -> None:
    gate = Gate()

    async def body(workers: Threads, context: ToolContext) -> None:
        for _ in range(9):
            await call_tool(blocking(gate), {}, context, workers)
        outcome = await call_tool(quick_async, {}, context, workers)
        assert isinstance(outcome, ToolFailed)
        assert outcome.error == "busy"
        assert len(gate.threads) == 9

    run(body, patience=SOON)
    gate.let_go()


def test_a_timed_out_async_tool_is_cancelled() -> None:
    ended = threading.Event()

    @tool(effect="read", timeout=SOON)
    async def wait() -> None:
        """Wait for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def body(workers: Threads, context: ToolContext) -> None:
        assert isinstance(await call_tool(wait, {}, context, workers), ToolFailed)
        await asyncio.to_thread(ended.wait)

    run(body)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_cancelled_call_tells_the_tool_and_raises_nothing_else(is_async: bool) -> None:
    started, told = threading.Event(), threading.Event()

    def watch(context: ToolContext) -> None:
        started.set()
        while not context.is_cancelled():
            pass
        told.set()

    async def watch_async(context: ToolContext) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert context.is_cancelled()
            told.set()

    made: AnyTool = tool(watch_async if is_async else watch, description="Watch.")

    async def body(workers: Threads, context: ToolContext) -> None:
        task = asyncio.create_task(call_tool(made, {}, context, workers))
        await asyncio.to_thread(started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(told.wait)

    run(body)
    assert given_up(made.spec, "cancelled") == ToolOutcomeUnknown(reason="cancelled")


def test_a_call_cancelled_before_it_started_never_starts() -> None:
    gate = Gate()
    ran: list[int] = []

    @tool
    def mark() -> None:
        """Mark."""
        ran.append(1)

    async def body(workers: Threads, context: ToolContext) -> None:
        first = asyncio.create_task(call_tool(hanging(gate, timeout=600), {}, context, workers))
        await asyncio.to_thread(gate.came.acquire)
        second = asyncio.create_task(call_tool(mark, {}, context, workers))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.opened.set()
        await first
        result_of(await call_tool(quick, {}, context, workers))
        assert not ran

    run(body, max_sync_tools=1)
    gate.let_go()


def test_a_late_answer_goes_to_the_log_and_nowhere_else() -> None:
    gate = Gate()

    async def body(workers: Threads, context: ToolContext) -> None:
        with capture_logs() as logs:
            await call_tool(hanging(gate, effect="once"), {}, context, workers)
            gate.let_go()
        assert [(e["event"], e["tool"], e["outcome"]) for e in logs] == [
            ("tool_call.late", "hang", "tool_succeeded")
        ]

    run(body)


def test_a_task_that_a_tool_left_behind_cannot_end_the_loop_of_the_others() -> None:
    exited = threading.Event()

    @tool
    async def leave() -> str:
        """Start something that exits."""

        async def exit_() -> None:
            exited.set()
            raise SystemExit(1)

        task = asyncio.get_running_loop().create_task(exit_())
        task.add_done_callback(lambda done: done.exception())
        return threading.current_thread().name

    async def body(workers: Threads, context: ToolContext) -> None:
        with capture_logs():
            name = result_of(await call_tool(leave, {}, context, workers))
            await asyncio.to_thread(exited.wait)
            assert result_of(await call_tool(quick_async, {}, context, workers)) == name

    run(body)


def test_closing_ends_the_threads_and_cancels_what_is_async() -> None:
    started, ended = threading.Event(), threading.Event()
    seen: list[threading.Thread] = []

    @tool
    async def wait() -> None:
        """Wait for ever."""
        seen.append(threading.current_thread())
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    @tool
    def note() -> None:
        """Note the thread."""
        seen.append(threading.current_thread())

    async def body(workers: Threads, context: ToolContext) -> None:
        await call_tool(note, {}, context, workers)
        waiting = asyncio.create_task(call_tool(wait, {}, context, workers))
        await asyncio.to_thread(started.wait)
        workers.close()
        assert isinstance(await waiting, ToolFailed)

    run(body)
    ended.wait()
    for thread in seen:
        thread.join()


def test_a_handoff_gives_its_answer_to_exactly_one_side() -> None:
    async def whole() -> None:
        late: list[str] = []
        stopped: list[str] = []
        handoff = Handoff(late.append, lambda: stopped.append("told"))
        assert handoff.start()
        assert not handoff.start()
        with pytest.raises(TimedOut):
            await handoff.wait(0, 0, lambda: stopped.append("abandoned"))
        handoff.finish("answer")
        assert (late, stopped) == (["answer"], ["told", "abandoned"])

        withdrawn = Handoff(late.append, lambda: stopped.append("never"))
        with pytest.raises(NotStarted):
            await withdrawn.wait(0, 0, lambda: stopped.append("never"))
        assert not withdrawn.start()

        taken = Handoff(late.append, lambda: stopped.append("never"))
        taken.start()
        taken.finish("in time")
        assert await taken.wait(60, 60, lambda: stopped.append("never")) == "in time"
        assert late == ["answer"]
        assert "never" not in stopped

    asyncio.run(whole())


def test_inline_workers_run_on_the_callers_thread_and_time_async_tools_out() -> None:
    @tool(effect="read", timeout=SOON)
    async def wait() -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    async def whole() -> list[Outcome]:
        context, workers = ToolContext("run", 1), Inline()
        return [await call_tool(each, {}, context, workers) for each in (quick, quick_async, wait)]

    first, second, third = asyncio.run(whole())
    assert result_of(first) == result_of(second) == threading.current_thread().name
    assert isinstance(third, ToolFailed)
    assert third.error == "timeout"


def test_tools_see_the_context_variables_of_the_call() -> None:
    from structlog.contextvars import bound_contextvars, get_contextvars

    @tool(effect="read")
    def see() -> str:
        """See."""
        return str(get_contextvars()["who"])

    @tool(effect="read")
    async def see_async() -> str:
        """See."""
        return str(get_contextvars()["who"])

    async def body(workers: Threads, context: ToolContext) -> None:
        for who in ("a", "b"):
            with bound_contextvars(who=who):
                for each in (see, see_async):
                    assert result_of(await call_tool(each, {}, context, workers)) == who

    run(body)


def test_nothing_is_started_before_it_is_needed() -> None:
    before = threading.active_count()
    workers = Threads()
    assert threading.active_count() == before
    workers.close()
