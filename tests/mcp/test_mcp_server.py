"""Playhead as an MCP server, asked by the SDK's own client."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from playhead import Agent, Runtime, ServerUnreachable, mcp, tool
from playhead.cli.app import main
from playhead.cli.shared.exit_codes import MISTAKE
from playhead.testing import ScriptedModel, call

AGENT = """
from playhead import Agent
from playhead.testing import ScriptedModel
agent = Agent(name="helper", description="Helps.", model=ScriptedModel(["It is 42."]))
"""


@tool(approval=True)
def pay(euros: int) -> str:
    """Pay."""
    return f"paid {euros}"


def ask(server: Any, work: Callable[[Client], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        async with Client(server) as client:
            return await work(client)

    return asyncio.run(connected())


def said(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_an_agent_is_a_tool_whose_result_has_the_run_and_whose_progress_is_told(
    tmp_path: Path,
) -> None:
    told = list[str]()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        assert progress > 0
        assert total is None
        told.append(message or "")

    agent = Agent(name="helper", model=ScriptedModel(["It is 42."]))
    with Runtime(tmp_path / "log.db") as runtime:
        server = runtime.mcp_server([agent])
        arguments = {"task": "What is it?"}
        found = ask(server, lambda c: c.call_tool("helper", arguments, progress_callback=progress))
        shown = found.structured_content
        assert (shown["status"], shown["answer"]) == ("finished", "It is 42.")
        assert runtime.attach(shown["run"]).status == "finished"
        assert all(shown["run"] in message for message in told)
        assert told


def test_the_log_can_be_read(tmp_path: Path) -> None:
    agent = Agent(name="helper", model=ScriptedModel(["It is 42."]))
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.run(agent, "What is it?").run_id
        server = runtime.mcp_server()

        async def read(client: Client) -> dict[str, Any]:
            runs = await client.call_tool("list_runs", {})
            found = {"list_runs": json.loads(said(runs))}
            for name in ("show", "why", "context", "cost", "replay"):
                found[name] = json.loads(said(await client.call_tool(name, {"run": run})))
            causes = await client.call_tool("causes", {"run": run, "record": 2})
            diff = await client.call_tool("diff", {"run": run, "other": run})
            verified = await client.call_tool("verify", {})
            more = {"causes": causes, "diff": diff, "verify": verified}
            found |= {name: json.loads(said(each)) for name, each in more.items()}
            return found

        found = ask(server, read)
    assert found["list_runs"][0]["run"] == run
    assert found["show"]["run"] == run
    assert found["why"]["status"] == "finished"
    assert "What is it?" in str(found["context"]["blocks"])
    assert found["cost"]["runs"] == [run]
    assert found["replay"]["matches"]
    assert found["causes"]["record"] == 2
    assert found["diff"]["same"]
    assert found["verify"]["ok"]


def test_a_word_that_looks_like_an_option_is_only_a_run_that_is_not_there(tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        asked = {"run": "--log=/etc/passwd"}
        found = ask(runtime.mcp_server(), lambda client: client.call_tool("show", asked))
    assert found.is_error
    assert "no run" in said(found)


def test_what_waits_for_a_person_is_shown_and_no_tool_can_grant_it(tmp_path: Path) -> None:
    agent = Agent(name="payer", model=ScriptedModel([call("pay", euros=5), "Paid."]), tools=[pay])
    with Runtime(tmp_path / "log.db") as runtime:
        server = runtime.mcp_server([agent])

        async def start(client: Client) -> tuple[Any, Any, list[str]]:
            arguments = {"task": "Pay.", "wait_seconds": 1}
            begun = await client.call_tool("payer", arguments)
            waiting = json.loads(said(await client.call_tool("approvals", {})))
            return begun, waiting, [each.name for each in (await client.list_tools()).tools]

        begun, waiting, names = ask(server, start)
        run = runtime.attach(begun.structured_content["run"])
        assert begun.structured_content["waits_for_a_person"]
        assert [each["tool"] for each in waiting] == ["pay"]
        assert not [name for name in names if "approve" in name or "deny" in name]
        assert run.status == "running"
        run.approve(run.approvals()[0].call)
        assert run.wait().answer == "Paid."


def test_a_call_that_the_client_cancels_cancels_the_run(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    @tool(effect="read")
    def hang() -> str:
        """Wait to be let go."""
        begun.set()
        go.wait(60)
        return "gone on"

    agent = Agent(name="slow", model=ScriptedModel([call("hang"), "ok"]), tools=[hang])
    with Runtime(tmp_path / "log.db") as runtime:
        server = runtime.mcp_server([agent])

        async def start(client: Client) -> None:
            task = asyncio.create_task(client.call_tool("slow", {"task": "Go."}))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            await asyncio.wait([task])

        ask(server, start)
        run = runtime.attach("last")
        kinds = [record.event.kind for record in run.events()]
        go.set()
    assert "cancel_requested" in kinds
    assert run.id


@pytest.mark.parametrize("act", [False, True], ids=["reading", "acting"])
def test_over_stdio_reading_is_the_default_and_acting_needs_a_flag(
    tmp_path: Path, act: bool
) -> None:
    log = tmp_path / "log.db"
    (tmp_path / "helping.py").write_text(AGENT)
    with Runtime(log) as runtime:
        runtime.run(Agent(name="first", model=ScriptedModel(["Yes."])), "Is it?")
    words = ["-m", "playhead", "mcp-serve", f"--log={log}"]
    words += ["--act", "--agent", f"{tmp_path / 'helping.py'}:agent"] if act else []

    async def look(client: Client) -> tuple[list[str], str]:
        names = [each.name for each in (await client.list_tools()).tools]
        if act:
            await client.call_tool("helper", {"task": "What is it?"})
        return names, said(await client.call_tool("list_runs", {}))

    names, runs = ask(StdioServerParameters(command=sys.executable, args=words), look)
    assert ("helper" in names) == act
    assert ("What is it?" in runs) == act
    assert "Is it?" in runs


def test_agents_without_the_flag_are_a_mistake(tmp_path: Path) -> None:
    assert main(["mcp-serve", "--agent", "a.py:b", f"--log={tmp_path / 'log.db'}"]) == MISTAKE


def test_over_http_it_is_read_with_the_token_and_not_without(tmp_path: Path) -> None:
    agent = Agent(name="helper", model=ScriptedModel(["It is 42."]))
    with Runtime(tmp_path / "log.db") as runtime:
        runtime.run(agent, "What is it?")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = "a-token-of-sixteen-characters"
    (tmp_path / "token").write_text(token)
    command = [
        sys.executable, "-m", "playhead", "mcp-serve", "--http", "--port", str(port),
        "--token-file", str(tmp_path / "token"), "--log", str(tmp_path / "log.db"),
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}/mcp"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert url in process.stderr.readline()
            server = mcp(url, headers={"Authorization": f"Bearer {token}"}, connect_timeout=30)
            while not server.tools:  # it says its address, and then listens
                assert process.poll() is None
                with suppress(ServerUnreachable):
                    server.connect()
            assert {"list_runs", "show", "why"} <= {each.spec.name for each in server.tools}
            server.close()
            with pytest.raises(ServerUnreachable):
                mcp(url, headers={"Authorization": "Bearer another"}).connect()
        finally:
            process.terminate()
