"""Tools in processes of their own: an outcome in time, and nobody left behind."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from playhead.events.errors import UsageError
from playhead.events.kinds.tool_calls import ToolFailed, ToolOutcomeUnknown
from playhead.tools.calls.call import Outcome, call_tool
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Threads
from playhead.tools.options import Subprocess
from playhead.tools.sandbox.sandbox import WAYS as CONFINING
from playhead.tools.tool import tool
from tests.tools import hostile
from tests.tools.calls import call, failure_of, result_of
from tests.tools.misbehaving import Mark, confined, misbehave

HOSTILE_CALLS = int(os.environ.get("PLAYHEAD_HOSTILE_CALLS", "26"))
"""How many hostile calls; `PLAYHEAD_HOSTILE_CALLS=200` is the whole campaign."""

NAMESPACE, SUBREAPER = CONFINING


@pytest.mark.parametrize("way", CONFINING)
def test_hostile_calls_end_in_time_and_leave_nobody_behind(tmp_path: Path, way: str) -> None:
    async def all_of_them(workers: Threads) -> list[tuple[str, Outcome, bool]]:
        calls = (misbehave(workers, tmp_path, n) for n in range(HOSTILE_CALLS // 2))
        return await asyncio.gather(*calls)

    with confined(way) as workers:
        ends = asyncio.run(all_of_them(workers))
    assert [how for how, _, deserted in ends if not deserted] == []
    for how, outcome, _ in ends:
        assert isinstance(outcome, ToolFailed), how
        assert outcome.error in ("timeout", "died", "invalid_result"), (how, outcome)


def test_a_call_in_a_process_of_its_own_gives_its_result() -> None:
    with capture_logs() as logs:
        assert result_of(call(hostile.add, a=2, b=3)) == 5
    assert [line["text"] for line in logs] == ["adding\n"]


def test_an_async_tool_there_has_the_key_of_the_call() -> None:
    assert result_of(call(hostile.key)) == "run:7"


def test_an_expected_failure_there_is_told_as_anywhere() -> None:
    failed = failure_of(call(hostile.expected))
    assert (failed.error, failed.message, failed.hint, failed.retry_after) == (
        "ToolError",
        "no such customer",
        "search first",
        3,
    )


@pytest.mark.parametrize("way", CONFINING)
def test_it_sees_the_environment_that_it_was_given_and_an_empty_folder(way: str) -> None:
    with confined(way) as workers:
        seen = result_of(call(hostile.surroundings, workers))
    seen["environment"].pop("LC_CTYPE", None)  # Python sets it for itself
    assert (seen["environment"], seen["folder"]) == ({"GIVEN": "1"}, [])
    assert (seen["pid"] < 10) == (way == NAMESPACE)


def test_it_cannot_write_a_larger_file_than_allowed() -> None:
    assert result_of(call(hostile.fill, megabytes=1)) == "written"
    assert failure_of(call(hostile.fill, megabytes=2)).error in ("OSError", "died")


def test_it_cannot_take_more_memory_than_allowed() -> None:
    assert failure_of(call(hostile.swell)).error == "MemoryError"


def test_a_once_call_whose_process_died_is_in_doubt() -> None:
    ended = call(hostile.vanish)
    assert isinstance(ended, ToolOutcomeUnknown)
    assert ended.reason == "died"


@pytest.mark.parametrize("way", CONFINING)
def test_it_reaches_a_network_only_where_that_is_said(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with confined(way) as workers:
            assert result_of(call(hostile.reach, workers, port=port)) == "reached"
            cut_off = failure_of(call(hostile.reach_cut_off, workers, port=port))
    assert cut_off.error == "PermissionError"


def test_where_neither_namespaces_nor_seccomp_cut_it_off_the_call_is_refused() -> None:
    given = Subprocess(network=False, confine="off")
    free = tool(hostile.reach_cut_off.function, effect="read", subprocess=given)
    with confined(SUBREAPER) as workers:
        failed = failure_of(call(free, workers, port=80))
    assert failed.error == "refused"
    assert "cannot cut it off from the network" in failed.message


def test_where_nothing_confines_it_it_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")
    with confined() as workers:
        failed = failure_of(call(hostile.misbehave, workers, how="hang", mark=mark.path))
    assert failed.error == "refused"
    assert "neither a pid namespace nor a child subreaper" in failed.message
    os.close(mark.fd)


@pytest.mark.parametrize("way", CONFINING)
def test_cancelling_the_call_kills_what_it_started(tmp_path: Path, way: str) -> None:
    mark = Mark(tmp_path / "mark")

    async def cancel_once_it_runs(workers: Threads) -> None:
        arguments = {"how": "double fork", "mark": mark.path}
        given = Subprocess(writes=[tmp_path])
        patient = tool(hostile.misbehave.function, effect="read", subprocess=given)
        context = ToolContext("run", 1)
        task = asyncio.create_task(call_tool(patient, arguments, context, workers))
        while mark.is_deserted():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with confined(way) as workers:
        asyncio.run(cancel_once_it_runs(workers))
    assert mark.is_deserted()
    os.close(mark.fd)


def test_a_function_that_has_no_name_of_its_own_in_a_module_is_refused_when_defined() -> None:
    def inner() -> str:
        """Do."""
        return ""

    with pytest.raises(UsageError, match="top level of a module"):
        tool(inner, subprocess=True)
