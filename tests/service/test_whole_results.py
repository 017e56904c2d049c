"""What `read_result` reads: results, answers that came later, and what guardrails left of them."""

import threading
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from playhead import Agent, CallDeferred, Guardrail, Run, Runtime, ToolContext, ToolError, tool
from playhead.assembly.full_results import whole_result
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call

LONG = "word " * 100
RULE = Guardrail(name="g", on="result", words=["secret"], verdict="replace", text=LONG.upper())


@tool(max_chars=20)
def ask(who: str) -> str:
    """Ask somebody.

    Args:
        who: a name.
    """
    raise CallDeferred(f"ask {who}")


def reads(body: dict[str, Any]) -> Any:
    """Calls the one tool, reads all of its result, and says what it read."""
    messages = body["messages"]
    if len(messages) == 1:
        name = body["tools"][0]["name"]
        return call("ask", who="ann") if name == "ask" else call(name)
    told = str(messages[-1]["content"][0]["content"])
    if len(messages) == 3:
        return call("read_result", key=told.partition('key="')[2].partition('"')[0])
    return told


def agent(*tools: Any, **more: Any) -> Agent[str]:
    return Agent(name="a", model=ScriptedModel(reads), tools=list(tools), **more)


def awaited(run: Run[Any]) -> int:
    """The call that waits for its answer."""
    waits = (r.event for r in run.events() if isinstance(r.event, AnswerAwaited))
    return next(islice(waits, 1)).call


def test_a_deferred_answer_is_read_whole() -> None:
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(agent(ask), "Go.")
        run.complete(awaited(run), LONG)
        assert run.wait(20).answer.startswith(LONG)
        assert runtime.replay(run.id).matches


def test_an_answer_that_was_faster_than_its_tool_is_read_whole() -> None:
    answer: list[Callable[[str, int], None]] = []

    @tool(deferred=True, max_chars=20)
    def quick(context: ToolContext) -> str:
        """Begin what is answered at once.

        Args:
            context: the call.
        """
        answer[0](context.run, context.call)
        return None  # type: ignore[return-value]

    with Runtime(MemoryLog()) as runtime:
        answer.append(lambda run, call: runtime.complete(run, call, LONG))
        assert runtime.run(agent(quick), "Go.").answer.startswith(LONG)


def test_a_deferred_answer_that_a_guardrail_replaced_is_read_as_replaced() -> None:
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(agent(ask, guardrails=[RULE]), "Go.")
        run.complete(awaited(run), "secret " + LONG)
        assert run.wait(20).answer.startswith(LONG.upper())


def test_a_result_that_a_guardrail_replaced_is_read_as_replaced() -> None:
    @tool(effect="read", max_chars=20)
    def look() -> str:
        """Look it up."""
        return "secret " + LONG

    with Runtime(MemoryLog()) as runtime:
        found = runtime.run(agent(look, guardrails=[RULE]), "Go.").answer
    assert found.startswith(LONG.upper())


def test_a_fork_reads_the_answer_that_it_was_given_itself() -> None:
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.start(agent(ask), "Go.")
        number = awaited(run)
        fork = runtime.fork(run.id)
        fork.complete(number, LONG)
        run.complete(number, LONG.upper())
        assert fork.wait(20).answer.startswith(LONG)
        assert run.wait(20).answer.startswith(LONG.upper())
        assert whole_result(log, fork.id, f"{run.id}:{number}") == LONG
        assert whole_result(log, run.id, f"{run.id}:{number}") == LONG.upper()


def test_a_result_is_not_read_while_a_guardrail_judges_it() -> None:
    asked, go = threading.Event(), threading.Event()

    def judge(_: str) -> bool:
        asked.set()
        return go.wait(30)

    @tool(effect="read", max_chars=20)
    def look() -> str:
        """Look it up."""
        return LONG

    log, slow = MemoryLog(), Guardrail(name="g", on="result", check=judge)
    with Runtime(log) as runtime:
        run = runtime.start(agent(look, guardrails=[slow]), "Go.")
        number = next(r.seq for r in run.events() if r.event.kind == "tool_requested")
        asked.wait(30)
        with pytest.raises(ToolError, match="a guardrail judges it"):
            whole_result(log, run.id, f"{run.id}:{number}")
        go.set()


def test_a_call_that_has_no_result_has_nothing_to_read() -> None:
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.start(agent(ask), "Go.")
        number = awaited(run)
        for key in (f"{run.id}:{number}", f"{run.id}:1", f"{run.id}:999", "x:1", "", "1"):
            with pytest.raises(ToolError, match="no result"):
                whole_result(log, run.id, key)
        run.fail(number, "nobody is there")
        with pytest.raises(ToolError, match="no result"):
            whole_result(log, run.id, f"{run.id}:{number}")
