"""Servers from the registries, as people use them: time, git, everything, memory."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import pytest

from playhead.tools.mcp.server import McpServer, mcp
from playhead.tools.tool import AnyTool
from tests.house.sources import ROOT
from tests.tools.calls import call, failure_of, result_of

BIN = Path(sys.executable).parent
NODE = ROOT / ".venv" / "node" / "node_modules" / ".bin"


@contextmanager
def connected(words: list[str] | str, **options: object) -> Generator[dict[str, AnyTool]]:
    server: McpServer = mcp(words, **options)  # type: ignore[arg-type]
    server.connect()
    try:
        yield {each.spec.name: each for each in server.tools}
    finally:
        server.close()


def from_npm(name: str) -> str:
    program = NODE / name
    if not program.exists() or shutil.which("node") is None:
        pytest.skip(f"{name} is not installed: make setup-node (Debian: nodejs, npm)")
    return str(program)


def test_the_time_server_tells_the_time_and_names_a_wrong_zone() -> None:
    with connected([str(BIN / "mcp-server-time")]) as tools:
        found = result_of(call(tools["get_current_time"], timezone="Asia/Tokyo"))
        assert "+09:00" in str(found)
        assert "Nowhere" in failure_of(call(tools["get_current_time"], timezone="Nowhere")).message
        assert "timezone: missing" in failure_of(call(tools["get_current_time"])).message


def test_the_git_server_reads_a_repository(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-C", str(tmp_path)]
    (tmp_path / "a.txt").write_text("hello")
    for command in (["init", "-q"], ["add", "a.txt"], ["commit", "-q", "-m", "first words"]):
        subprocess.run([*git, *command], check=True)
    with connected([str(BIN / "mcp-server-git"), "--repository", str(tmp_path)]) as tools:
        assert tools["git_log"].spec.effect == "read"
        assert "first words" in str(result_of(call(tools["git_log"], repo_path=str(tmp_path))))
        assert failure_of(call(tools["git_status"], repo_path="/")).message


def test_everything_from_npm_over_stdio() -> None:
    with connected(["node", from_npm("mcp-server-everything")], resources=True) as tools:
        assert "5" in str(result_of(call(tools["get-sum"], a=2, b=3)))
        assert "image/png" in str(call(tools["get-tiny-image"]).model_dump())
        assert "uri" in str(result_of(call(tools["mcp-server-everything_list_resources"])))


@contextmanager
def everything_at(port: int) -> Generator[IO[bytes]]:
    program = from_npm("mcp-server-everything")
    process = subprocess.Popen(
        ["node", program, "streamableHttp"],
        env={"PORT": str(port), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        assert any(str(port).encode() in line for line in process.stdout)
        yield process.stdout
    finally:
        process.kill()
        process.communicate()


def url_at(port: int) -> str:
    return f"http://127.0.0.1:{port}/mcp"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
        return found


def test_everything_over_streamable_http_killed_and_restarted_is_found_again() -> None:
    """Its new process does not know our session: another is opened, and no call is lost."""
    port = free_port()
    server = mcp(url_at(port))
    with everything_at(port):
        server.connect()
        tools = {each.spec.name: each for each in server.tools}
        assert "5" in str(result_of(call(tools["get-sum"], a=2, b=3)))
        assert "a: expected number" in failure_of(call(tools["get-sum"], a="2", b=3)).message
    with everything_at(port):
        assert "5" in str(result_of(call(tools["get-sum"], a=2, b=3)))
    server.close()


def test_everything_over_streamable_http_whose_session_ended_is_asked_in_another() -> None:
    port = free_port()
    with everything_at(port) as said, connected(url_at(port)) as tools:
        session = next(line for line in said if b"Session initialized" in line).split()[-1].decode()
        assert "5" in str(result_of(call(tools["get-sum"], a=2, b=3)))
        ended = httpx2.delete(url_at(port), headers={"mcp-session-id": session})
        assert ended.status_code == 200
        assert "5" in str(result_of(call(tools["get-sum"], a=2, b=3)))


def test_memory_from_npm_keeps_what_it_is_told(tmp_path: Path) -> None:
    words = ["node", from_npm("mcp-server-memory")]
    keeps = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    entity = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    with connected(words, environment=keeps) as tools:
        result_of(call(tools["create_entities"], entities=[entity]))
    with connected(words, environment=keeps) as tools:
        assert "writes programs" in str(result_of(call(tools["search_nodes"], query="Ada")))
