"""A runtime that is closed says so, whatever is asked of it, and a repr never raises."""

import asyncio
import threading
from collections.abc import Callable
from typing import NamedTuple

import pytest

from playhead import Agent, Result, Run, Runtime
from playhead.events.errors import RuntimeClosed
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel


class Ended(NamedTuple):
    """A runtime that was closed, with what it had given."""

    runtime: Runtime
    agent: Agent[str]
    run: Run[str]
    result: Result[str]


def ended() -> Ended:
    agent = Agent[str](name="greeter", model=ScriptedModel(lambda _: "hello"))
    with Runtime(MemoryLog(), [agent]) as runtime:  # it would still answer: nobody closes it
        run = runtime.start(agent, "greet")
        result = run.wait()
    return Ended(runtime, agent, run, result)


async def awaited(run: Run[str]) -> object:
    return await run


async def listened(run: Run[str]) -> object:
    return [record async for record in run.events()]


CALLS: dict[str, Callable[[Ended], object]] = {
    "run.status": lambda e: e.run.status,
    "run.wait": lambda e: e.run.wait(1),
    "await run": lambda e: asyncio.run(awaited(e.run)),
    "run.cancel": lambda e: e.run.cancel(),
    "run.pause": lambda e: e.run.pause(),
    "run.resume": lambda e: e.run.resume(),
    "run.send": lambda e: e.run.send("more"),
    "run.approvals": lambda e: e.run.approvals(),
    "run.approve": lambda e: e.run.approve(1),
    "run.approve with a plan": lambda e: e.run.approve(1, plan=[{"id": "a"}]),
    "run.deny": lambda e: e.run.deny(1),
    "run.resolve": lambda e: e.run.resolve(1, succeeded=True),
    "run.events": lambda e: list(e.run.events()),
    "async run.events": lambda e: asyncio.run(listened(e.run)),
    "run.updates": lambda e: list(e.run.updates()),
    "run.complete": lambda e: e.run.complete(1),
    "run.fail": lambda e: e.run.fail(1, "no"),
    "run.stream": lambda e: list(e.run.stream()),
    "run": lambda e: e.runtime.run(e.agent, "again"),
    "arun": lambda e: asyncio.run(e.runtime.arun(e.agent, "again")),
    "start": lambda e: e.runtime.start(e.agent, "again"),
    "attach": lambda e: e.runtime.attach(e.run.id),
    "replay": lambda e: e.runtime.replay(e.run.id),
    "fork": lambda e: e.runtime.fork(e.run.id),
    "register": lambda e: e.runtime.register(e.agent),
    "watch": lambda e: e.runtime.watch(print),
    "find_runs": lambda e: e.runtime.find_runs(),
    "schedule": lambda e: e.runtime.schedule("0 9 * * 1", e.agent, "again"),
    "schedules": lambda e: e.runtime.schedules(),
    "cancel_schedule": lambda e: e.runtime.cancel_schedule("x"),
    "complete": lambda e: e.runtime.complete(e.run.id, 1),
    "fail": lambda e: e.runtime.fail(e.run.id, 1, "no"),
    "serve": lambda e: e.runtime.serve(),
    "mcp_server": lambda e: e.runtime.mcp_server(),
    "evaluations": lambda e: e.runtime.evaluations,
    "runs.find": lambda e: e.runtime.runs.find("last"),
    "runs.status": lambda e: e.runtime.runs.status(e.run.id),
    "runs.approvals": lambda e: e.runtime.runs.approvals(),
    "runs.take_up": lambda e: e.runtime.runs.take_up(e.run.id),
    "memory.remember": lambda e: e.runtime.memory.remember("x", "acme"),
    "memory.recall": lambda e: e.runtime.memory.recall("x", "acme"),
    "memory.forget": lambda e: e.runtime.memory.forget("x"),
    "memory.facts": lambda e: e.runtime.memory.facts(),
    "memory.retract": lambda e: e.runtime.memory.retract(e.run.id, 1),
    "memory.promote": lambda e: e.runtime.memory.promote(e.run.id),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_after_close_says_that_the_runtime_is_closed(name: str) -> None:
    with pytest.raises(RuntimeClosed, match="create another Runtime over its log"):
        CALLS[name](ended())


def test_every_public_method_is_among_those_calls() -> None:
    def methods(kind: type[object], prefix: str) -> set[str]:
        return {f"{prefix}{name}" for name in vars(kind) if not name.startswith("_")}

    wanted = methods(Run, "run.") | methods(Runtime, "") - {"close", "runs", "memory"}
    assert wanted <= set(CALLS)


def in_a_notebook(shown: object) -> str:
    show: Callable[[], str] = vars(type(shown))["_repr_html_"].__get__(shown)
    return show()


def test_a_repr_says_what_it_can_and_closing_twice_is_fine() -> None:
    runtime, _, run, result = ended()
    assert repr(run).startswith(f"<Run {run.id}: status unknown: the runtime is closed")
    assert "the runtime is closed" in in_a_notebook(run)
    assert "hello" in in_a_notebook(result)
    assert "Runtime" in repr(runtime)
    runtime.close()


def test_whoever_waits_while_the_runtime_closes_is_told_so() -> None:
    asked, release = threading.Event(), threading.Event()

    async def held(_: object) -> str:
        asked.set()
        await asyncio.to_thread(release.wait, 60)
        return "too late"

    agent = Agent[str](name="slow", model=ScriptedModel(held))
    runtime = Runtime(MemoryLog(), [agent], drain_seconds=0)
    run = runtime.start(agent, "greet")
    told = list[str]()

    def wait() -> None:
        try:
            run.wait()
        except RuntimeClosed as error:
            told.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert asked.wait(60)
    runtime.close()
    waiting.join(60)
    release.set()
    assert told


def test_calls_that_race_with_close_end_in_an_answer_or_in_words() -> None:
    agent = Agent[str](name="greeter", model=ScriptedModel(lambda _: "hello"))
    runtime = Runtime(MemoryLog(), [agent])
    run = runtime.start(agent, "greet")
    run.wait()
    ends, begun = list[BaseException](), threading.Barrier(9)

    def ask(call: Callable[[], object]) -> None:
        begun.wait()
        try:
            while True:
                call()
        except Exception as error:
            ends.append(error)

    calls: list[Callable[[], object]] = [
        lambda: run.status, run.approvals, run.wait, lambda: runtime.run(agent, "again"),
    ]  # fmt: skip
    asking = [threading.Thread(target=ask, args=(call,)) for call in (*calls, *calls)]
    for thread in asking:
        thread.start()
    begun.wait()
    runtime.close()
    for thread in asking:
        thread.join(60)
    assert [type(end) for end in ends] == [RuntimeClosed] * len(asking)
