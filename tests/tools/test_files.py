"""Files of a workspace: everything inside can be read in parts, nothing outside can be reached."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.errors import ToolError, UsageError
from playhead.tools.builtin.confined_folder import ConfinedFolder
from playhead.tools.builtin.files import LISTED, file_tools
from tests.tools.calls import call_inline, failure_of, result_of

SECRET = "the secret outside"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET)
    root = tmp_path / "work"
    (root / "notes").mkdir(parents=True)
    (root / "notes" / "todo.txt").write_text("buy milk\n")
    (root / "notes" / ".hidden").write_text("h")
    (root / "a b.txt").write_text("spaced")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "relative.txt").symlink_to("../secret.txt")
    (root / "inner.txt").symlink_to("notes/todo.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    return root


def read(workspace: Path, **arguments: Any) -> Any:
    return call_inline(file_tools(workspace)[1], arguments)


def listing(workspace: Path, **arguments: Any) -> Any:
    return call_inline(file_tools(workspace)[0], arguments)


def test_a_folder_is_listed_with_paths_that_read_file_takes(workspace: Path) -> None:
    found = result_of(listing(workspace, folder="./notes/"))
    assert found["entries"] == [
        {"path": "notes/.hidden", "kind": "file", "bytes": 1},
        {"path": "notes/todo.txt", "kind": "file", "bytes": 9},
    ]
    assert result_of(read(workspace, path="notes/todo.txt"))["text"] == "buy milk\n"


def test_links_and_other_things_are_listed_as_what_they_are(workspace: Path) -> None:
    kinds = {e["path"]: e["kind"] for e in result_of(listing(workspace))["entries"]}
    assert kinds == {
        "a b.txt": "file",
        "inner.txt": "link",
        "link.txt": "link",
        "loop": "link",
        "notes": "folder",
        "out": "link",
        "pipe": "other",
        "relative.txt": "link",
    }


OUTSIDE = [
    "..",
    "../secret.txt",
    "../outside/secret.txt",
    "./../secret.txt",
    "notes/../../secret.txt",
    "notes/../notes/todo.txt",
    "notes/..",
    "notes/./../../secret.txt",
    "....//secret.txt",
    "..\\secret.txt",
    "notes/..\\..\\secret.txt",
    "/",
    "//",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "/dev/stdin",
    " /etc/passwd",
    "~",
    "~/secret.txt",
    "~root/secret.txt",
    "\\etc\\passwd",
    "\\\\server\\share\\x",
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "file:///etc/passwd",
    "link.txt",
    "relative.txt",
    "inner.txt",
    "loop",
    "out",
    "out/secret.txt",
    "out/../secret.txt",
    "./out/secret.txt",
    "link.txt/x",
    "loop/x",
    "pipe",
    "notes/todo.txt/x",
    "notes/todo.txt\0.png",
    "\0",
    "\ud800",
    "x" * 5000,
    "/".join(["x"] * 3000),
    "%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "\uff0e\uff0e/secret.txt",
    "..\u2215secret.txt",
    "secret.txt",
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: ascii(path)[:30])
@pytest.mark.parametrize("race_free", [True, False], ids=["by descriptor", "by path"])
def test_no_path_leads_out_of_the_workspace(workspace: Path, path: str, race_free: bool) -> None:
    folder = ConfinedFolder(workspace)
    folder.race_free = race_free
    with pytest.raises(ToolError) as reading, folder.open_file(path):
        pass
    with pytest.raises(ToolError) as listed:
        folder.entries(path)
    for error in (reading.value, listed.value):
        assert error.hint
        assert str(workspace.parent) not in f"{error.message}{error.hint}"


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: ascii(path)[:30])
def test_every_refusal_is_an_answer_that_can_be_stored(workspace: Path, path: str) -> None:
    outcome = read(workspace, path=path)
    assert failure_of(outcome).error in ("ToolError", "invalid_arguments")
    assert SECRET not in outcome.model_dump_json()


def test_a_link_swapped_in_while_we_walk_is_never_followed(workspace: Path) -> None:
    """A folder is swapped for a link to the outside and back, as fast as it goes."""
    stop = threading.Event()
    (workspace / "spot").mkdir()
    (workspace / "spot" / "secret.txt").write_text("inside")
    (workspace / "swap").symlink_to("../outside")

    def swap() -> None:
        spot, hidden, link = workspace / "spot", workspace / "hidden", workspace / "swap"
        while not stop.is_set():
            spot.rename(hidden)
            link.rename(spot)
            spot.rename(link)
            hidden.rename(spot)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        outcomes = [read(workspace, path="spot/secret.txt") for _ in range(200)]
    finally:
        stop.set()
        swapper.join()
    assert not any(SECRET in outcome.model_dump_json() for outcome in outcomes)


def test_a_wrong_name_is_answered_with_the_nearest(workspace: Path) -> None:
    assert failure_of(read(workspace, path="notes/tood.txt")).hint == (
        "Did you mean notes/todo.txt?"
    )
    assert failure_of(read(workspace, path="zzz")).hint == "Use list_files to see what there is."
    assert "list_files" in (failure_of(read(workspace, path="notes")).hint or "")
    assert "read_file" in (failure_of(listing(workspace, folder="a b.txt")).hint or "")


@given(text=st.text(max_size=80), limit=st.integers(16, 40))
def test_a_file_read_in_parts_is_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, text: str, limit: int
) -> None:
    text = text.replace("\0", "")
    folder = tmp_path_factory.mktemp("parts")
    (folder / "f").write_bytes(text.encode())
    parts: list[str] = []
    offset: int | None = 0
    while offset is not None:
        part = result_of(read(folder, path="f", offset=offset, limit=limit))
        parts.append(part["text"])
        offset = part["next_offset"]
    assert "".join(parts) == text


def test_a_large_file_is_cut_and_says_how_to_go_on(workspace: Path) -> None:
    (workspace / "big").write_text("x" * 50_000)
    part = result_of(read(workspace, path="big"))
    assert (len(part["text"]), part["bytes"], part["next_offset"]) == (20_000, 50_000, 20_000)
    assert failure_of(read(workspace, path="big", offset=50_001)).message == (
        "big ends at byte 50000, before offset 50001"
    )
    assert failure_of(read(workspace, path="big", limit=10**9)).error == "invalid_arguments"


def test_a_large_folder_is_listed_in_parts(workspace: Path) -> None:
    (workspace / "many").mkdir()
    names = [f"many/{i:03}" for i in range(LISTED + 5)]
    for name in names:
        (workspace / name).touch()
    first = result_of(listing(workspace, folder="many"))
    rest = result_of(listing(workspace, folder="many", offset=first["next_offset"]))
    assert [e["path"] for e in first["entries"] + rest["entries"]] == names
    assert (first["total"], rest["next_offset"]) == (LISTED + 5, None)


def test_a_file_that_is_no_text_is_refused_and_odd_bytes_are_shown_as_such(
    workspace: Path,
) -> None:
    (workspace / "image").write_bytes(b"\x89PNG\0\0")
    (workspace / "latin").write_bytes(b"caf\xe9 \xff!")
    assert "no text file" in failure_of(read(workspace, path="image")).message
    assert result_of(read(workspace, path="latin"))["text"] == "caf\ufffd \ufffd!"


def test_a_name_that_is_no_utf8_is_listed_all_the_same(workspace: Path) -> None:
    (workspace / "notes" / os.fsdecode(b"b\xff")).touch()
    paths = [e["path"] for e in result_of(listing(workspace, folder="notes"))["entries"]]
    assert "notes/b\ufffd" in paths


def test_a_workspace_that_is_no_folder_is_refused_at_once(workspace: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        file_tools(workspace / "nowhere")


def test_the_file_tools_only_look() -> None:
    assert [(each.spec.name, each.spec.effect) for each in file_tools(Path.cwd())] == [
        ("list_files", "read"),
        ("read_file", "read"),
        ("search_files", "read"),
    ]
