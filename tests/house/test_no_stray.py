"""No file in the repository names a machine or a registry's host, and no test cheats."""

import ast
import re

import pytest

from tests.house.sources import ROOT, modules, texts

HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
    )
)
FOLDERS = tuple("/" + name + "/" for name in ("work", "root", "opt", "home", "Users"))
MACHINE = re.compile(r"(?<![\w.~*)}\]-])(?:" + "|".join(FOLDERS) + r")\w")
CHEATS = ("unittest.mock", "monkeypatch.setattr", "monkeypatch.setitem", "mocker.", "freezegun")
SLEEPS = ("sleep", "time.sleep", "asyncio.sleep", "anyio.sleep")

TEXTS = texts()
TESTS = sorted(name for name in TEXTS if name.startswith("tests/") and name.endswith(".py"))


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_no_file_names_a_registry_host_or_a_folder_of_one_machine(name: str) -> None:
    text = TEXTS[name]
    assert [host for host in HOSTS if host in text] == []
    assert [match.group() for match in MACHINE.finditer(text)] == []


@pytest.mark.parametrize("name", [name for name in TESTS if "/test_" in name])
def test_no_test_sleeps(name: str) -> None:
    calls = [n for n in ast.walk(ast.parse(TEXTS[name])) if isinstance(n, ast.Call)]
    sleeps = [n for n in calls if ast.unparse(n.func) in SLEEPS]
    # asyncio.sleep(0) does not wait: it only lets other tasks of the loop run first.
    assert [n.lineno for n in sleeps if ast.unparse(n) != "asyncio.sleep(0)"] == []


@pytest.mark.parametrize("name", [name for name in TESTS if "/house/" not in name])
def test_no_test_replaces_our_own_code(name: str) -> None:
    assert [cheat for cheat in CHEATS if cheat in TEXTS[name]] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"util", "utils", "helpers", "managers", "common", "misc", "base"}
    assert [name for name in modules() if name.rpartition(".")[2] in drawers] == []


def test_the_face_holds_a_link_to_each_room() -> None:
    links = {
        path.name: path.readlink() for path in (ROOT / "playhead").iterdir() if path.is_symlink()
    }
    assert {name: str(target) for name, target in links.items()} == {
        room: f"../{room}" for room in ("actors", "events", "projections", "tools")
    }
