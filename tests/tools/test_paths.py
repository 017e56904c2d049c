"""Forty ways out of a workspace, for each file tool: all refused, in words to act on."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.events.event import Json
from playhead.events.kinds.tool_calls import ToolFailed, ToolSucceeded
from playhead.tools.builtin.files import file_tools
from playhead.tools.tool import AnyTool
from tests.tools.calls import call, failure_of, result_of

SECRET = "the secret outside"

WAYS_OUT = (
    "../secret.txt", "../../secret.txt", "notes/../../secret.txt", "./../secret.txt",
    "notes/./../../secret.txt", "..", "../", "notes/..", "notes/../..", "/secret.txt",
    "{outside}/secret.txt", "//{outside}/secret.txt", "///etc/passwd", "/etc/passwd",
    "/proc/self/environ", "/proc/self/root{outside}/secret.txt", "/dev/stdin", "~/secret.txt",
    "~root/.ssh/id_rsa", "~", "C:\\Windows\\win.ini", "C:/Windows/win.ini", "\\\\server\\share",
    "\\secret.txt", "link", "link/secret.txt", "filelink", "deep/link/secret.txt", "loop",
    "loop/x", "absolute", "absolute/secret.txt", "dangling", "dangling/x", "notes/../link",
    "link/../secret.txt", "secret\0.txt", "../secret.txt\0.md", "notes/\0", "\ud800.txt",
    "notes/up/secret.txt", " ../secret.txt", "../secret.txt ", "./link/./secret.txt",
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in (tmp_path, outside):
        (place / "secret.txt").write_text(SECRET)
    top = tmp_path / "workspace"
    (top / "notes").mkdir(parents=True)
    (top / "deep").mkdir()
    (top / "link").symlink_to(outside)
    (top / "deep" / "link").symlink_to("../../outside")
    (top / "filelink").symlink_to(outside / "secret.txt")
    (top / "loop").symlink_to("loop")
    (top / "absolute").symlink_to(outside.resolve())
    (top / "dangling").symlink_to(tmp_path / "new")
    (top / "notes" / "up").symlink_to("../..")
    return top


def tools(workspace: Path) -> dict[str, AnyTool]:
    return {each.spec.name: each for each in file_tools(workspace, write=True)}


def everything_below(top: Path) -> set[tuple[str, bytes]]:
    files = (path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    return {(str(path), path.read_bytes()) for path in files}


def test_there_are_forty_of_them() -> None:
    assert len(set(WAYS_OUT)) >= 40


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("name", ["read_file", "list_files", "search_files", "write_file"])
def test_no_path_leads_out(workspace: Path, name: str, way: str) -> None:
    path = way.replace("{outside}", str(workspace.parent / "outside"))
    before = everything_below(workspace.parent)
    arguments: dict[str, dict[str, Json]] = {
        "read_file": {"path": path},
        "list_files": {"folder": path},
        "search_files": {"text": "secret", "folder": path},
        "write_file": {"path": path, "text": "mine", "overwrite": True},
    }
    outcome = call(tools(workspace)[name], **arguments[name])
    assert isinstance(outcome, ToolFailed), outcome
    assert outcome.error in ("ToolError", "invalid_arguments")
    assert SECRET not in outcome.message
    assert outcome.hint
    assert everything_below(workspace.parent) == before


@pytest.fixture
def swapping(workspace: Path) -> Iterator[Path]:
    """A folder that is a real one and a link to the outside by turns, as fast as can be."""
    over = threading.Event()
    inside, turn = workspace / "real", workspace / "turn"
    inside.mkdir()
    (inside / "secret.txt").write_text("harmless")

    def swap() -> None:
        while not over.is_set():
            try:
                inside.rename(turn)
                turn.rename(inside)
                turn.symlink_to("../outside")
                turn.unlink()
            except OSError:  # write_file made a folder of that name
                shutil.rmtree(turn, ignore_errors=True)

    thread = threading.Thread(target=swap)
    thread.start()
    yield workspace
    over.set()
    thread.join()


def test_a_link_that_is_swapped_in_meanwhile_leads_nowhere(swapping: Path) -> None:
    has = tools(swapping)
    for _ in range(300):
        read = call(has["read_file"], path="turn/secret.txt")
        if isinstance(read, ToolSucceeded):
            assert result_of(read)["text"] == "harmless"
        call(has["write_file"], path="turn/new.txt", text="mine", overwrite=True)
    assert not (swapping.parent / "outside" / "new.txt").exists()


def test_a_file_is_written_whole_with_the_folders_on_the_way(workspace: Path) -> None:
    has = tools(workspace)
    written = result_of(call(has["write_file"], path="a/b/c.txt", text="hällo"))
    assert written == {"path": "a/b/c.txt", "bytes": 6, "replaced": False}
    assert (workspace / "a/b/c.txt").read_text("utf-8") == "hällo"


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(workspace: Path) -> None:
    has = tools(workspace)
    (workspace / "notes/todo.txt").write_text("old")
    assert "overwrite=true" in str(
        failure_of(call(has["write_file"], path="notes/todo.txt", text="x")).hint
    )
    assert (workspace / "notes/todo.txt").read_text() == "old"
    result_of(call(has["write_file"], path="notes/todo.txt", text="new", overwrite=True))
    assert (workspace / "notes/todo.txt").read_text() == "new"
    assert [path.name for path in (workspace / "notes").iterdir()].count("todo.txt") == 1
    assert len(list((workspace / "notes").iterdir())) == 2


def test_a_search_names_file_and_line_and_does_not_follow_links(workspace: Path) -> None:
    (workspace / "notes/todo.txt").write_text("first\nThe SECRET list\n")
    (workspace / "deep/data.bin").write_bytes(b"\0secret")
    found = result_of(call(tools(workspace)["search_files"], text="secret"))
    assert found == [{"path": "notes/todo.txt", "line": 2, "text": "The SECRET list"}]
