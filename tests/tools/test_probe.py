"""Probes: recovery asks what became of a call that was cut off, and doubt stays doubt."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from playhead.events.kinds.tool_calls import ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from playhead.events.spec.tool import Effect
from playhead.tools.calls.call import Outcome, probe_call
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Threads
from playhead.tools.options import Done, NotDone
from playhead.tools.tool import tool

UNKNOWN = ToolOutcomeUnknown(reason="interrupted")


def probed(probe: Any, effect: Effect = "once", timeout: float = 60.0) -> Outcome:
    def pay(amount: int) -> int:
        """Pay."""
        raise NotImplementedError

    made = tool(pay, effect=effect, probe=probe, timeout=timeout)

    async def ask() -> Outcome:
        workers = Threads()
        try:
            return await probe_call(made, ToolContext("run", 4), workers)
        finally:
            workers.close()

    with capture_logs():
        return asyncio.run(ask())


def synchronously(answer: object) -> Callable[[str], Any]:
    def probe(_: str) -> object:
        return answer

    return probe


def asynchronously(answer: object) -> Callable[[str], Any]:
    async def probe(_: str) -> object:
        return answer

    return probe


@pytest.mark.parametrize("wrap", [synchronously, asynchronously], ids=["sync", "async"])
def test_a_probe_says_what_became_of_the_call(wrap: Callable[[object], Any]) -> None:
    done = probed(wrap(Done(5)))
    assert isinstance(done, ToolSucceeded)
    assert done.result == 5
    not_done = probed(wrap(NotDone()))
    assert isinstance(not_done, ToolFailed)
    assert not_done.error == "interrupted"
    assert "Nothing was done" in (not_done.hint or "")
    assert probed(wrap(None)) == UNKNOWN


def test_a_probe_gets_the_key_of_the_call() -> None:
    keys: list[str] = []
    probed(keys.append)
    assert keys == ["run:4"]


def raise_(error: BaseException) -> Callable[[str], None]:
    def probe(_: str) -> None:
        raise error

    return probe


@pytest.mark.parametrize(
    "probe",
    [
        raise_(ValueError()),
        raise_(SystemExit()),
        synchronously(Done("five")),
        synchronously("yes"),
        None,
    ],
    ids=["raises", "exits", "gives a wrong result", "says something else", "is none"],
)
def test_a_probe_that_cannot_tell_leaves_a_once_call_in_doubt(probe: Any) -> None:
    assert probed(probe) == UNKNOWN


def test_a_probe_that_hangs_leaves_a_once_call_in_doubt() -> None:
    release = threading.Event()

    def hang(_: str) -> None:
        release.wait()

    assert probed(hang, timeout=0.05) == UNKNOWN
    release.set()


def test_without_a_probe_a_repeatable_call_is_only_interrupted() -> None:
    outcome = probed(None, effect="keyed")
    assert isinstance(outcome, ToolFailed)
    assert outcome.error == "interrupted"
