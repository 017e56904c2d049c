"""Servers from the registries, as people use them: time, git, everything, memory."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

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


def test_everything_over_streamable_http() -> None:
    program = from_npm("mcp-server-everything")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", program, "streamableHttp"],
        env={"PORT": str(port), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        assert any(str(port).encode() in line for line in process.stdout)
        with connected(f"http://127.0.0.1:{port}/mcp") as tools:
            assert "5" in str(result_of(call(tools["get-sum"], a=2, b=3)))
            assert "a: expected number" in failure_of(call(tools["get-sum"], a="2", b=3)).message
    finally:
        process.kill()
        process.communicate()


def test_memory_from_npm_keeps_what_it_is_told(tmp_path: Path) -> None:
    words = ["node", from_npm("mcp-server-memory")]
    keeps = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    entity = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    with connected(words, environment=keeps) as tools:
        result_of(call(tools["create_entities"], entities=[entity]))
    with connected(words, environment=keeps) as tools:
        assert "writes programs" in str(result_of(call(tools["search_nodes"], query="Ada")))
