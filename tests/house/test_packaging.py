"""What `pip install` installs: one import package, identical from the wheel and the sdist."""

import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import copy2
from typing import Any

import pytest

from tests.house.sources import ROOMS, ROOT, imported_names, modules, paths

BUILD = "import sys, setuptools.build_meta as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"

COMES_WITH = {
    "anyio": "mcp",
    "httpx2": "anthropic",
    "markupsafe": "jinja2",
    "mcp-types": "mcp",
    "pydantic-core": "pydantic",
    "typing-extensions": "pydantic",
}
"""Distributions that another one pins or exposes in its API, so we declare only the other one."""


def _run(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _build(hook: str, source: Path, out: Path) -> Path:
    """Call the build backend as pip would, without fetching anything."""
    out.mkdir(exist_ok=True)
    printed = _run(sys.executable, "-c", BUILD, hook, str(out), cwd=source)
    return out / printed.splitlines()[-1]


def _unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


def _package(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        return {name: archive.read(name) for name in names}


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with only the files that git tracks, so that a build leaves nothing behind."""
    top = tmp_path_factory.mktemp("checkout")
    for name in paths():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        copy2(ROOT / name, top / name)
    for room in ROOMS:
        (top / "playhead" / room).symlink_to(f"../{room}")
    return top


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("build_wheel", checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("build_sdist", checkout, tmp_path_factory.mktemp("sdist"))


def test_the_wheel_holds_every_module_of_every_room_once(wheel: Path) -> None:
    ours = {name for name in paths() if name.endswith(".py")}
    face = {name for name in ours if name.startswith("playhead/")}
    rooms = {f"playhead/{name}" for name in ours if name.split("/")[0] in ROOMS}
    assert {name for name in _package(wheel) if name.endswith(".py")} == face | rooms


def test_the_wheel_tells_type_checkers_that_it_is_typed(wheel: Path) -> None:
    assert "playhead/py.typed" in _package(wheel)


def test_the_wheel_and_the_sdist_hold_the_same_tree(
    sdist: Path, wheel: Path, tmp_path: Path
) -> None:
    unpacked = _unpacked(sdist, tmp_path)
    assert _package(_build("build_wheel", unpacked, tmp_path / "again")) == _package(wheel)


def test_the_sdist_holds_the_tests_the_docs_and_the_makefile(sdist: Path, tmp_path: Path) -> None:
    unpacked = _unpacked(sdist, tmp_path)
    ours = [name for name in paths() if not name.startswith(".")]
    assert {"Makefile", "docs/tools.md", "tests/golden/0.1.0.db"} <= set(ours)
    assert [name for name in ours if not (unpacked / name).exists()] == []
    assert list(unpacked.rglob("*.pyc")) == []


def test_the_sdist_tests_itself(sdist: Path, tmp_path: Path) -> None:
    unpacked = _unpacked(sdist, tmp_path)
    for room in ROOMS:  # as the Makefile does
        (unpacked / "playhead" / room).symlink_to(f"../{room}")
    (unpacked / "conftest.py").write_text(
        "import playhead.events.record\n"
        "from pathlib import Path\n"
        "assert Path(playhead.events.record.__file__).is_relative_to(Path(__file__).parent)\n"
    )
    some = ("tests/events/test_kinds.py", "tests/golden", "tests/house/test_import_direction.py")
    said = _run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some, cwd=unpacked,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
    )  # fmt: skip
    assert " passed" in said


def test_a_build_installs_what_it_needs_and_nothing_else(checkout: Path) -> None:
    said = _run("make", "--dry-run", "--always-make", "build", cwd=checkout)
    installs = [line for line in said.splitlines() if " -m pip " in line and " install " in line]
    assert [line.partition(" install ")[2] for line in installs] == [
        "--upgrade 'pip>=25.1'", "--group build",
    ]  # fmt: skip
    groups = _pyproject()["dependency-groups"]
    assert {_name(line) for line in groups["build"]} == {"setuptools", "wheel"}


def test_the_description_that_is_published_has_no_link_into_the_repository(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        description = archive.read(metadata).decode()
    links = re.findall(r"\]\(([^)\s]+)|(?:src|href)=\"([^\"]+)", description)
    assert [found for link in links for found in link if found and "://" not in found] == []


def test_the_versions_of_python_that_are_named_are_those_that_may_install_it() -> None:
    project = _pyproject()["project"]
    named = [c.rpartition(" ")[2] for c in project["classifiers"] if "Python :: 3." in c]
    assert named == ["3.11", "3.12", "3.13"]
    assert project["requires-python"] == f">={named[0]}"


def test_installing_adds_one_import_package(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    install = ("install", "--no-deps", "--no-index", "--quiet", str(wheel))
    _run(sys.executable, "-m", "pip", "--python", str(python), *install, cwd=tmp_path)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(_run(str(python), "-c", where, cwd=tmp_path).strip())
    added = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert added == {"playhead"}


def test_importing_playhead_imports_nothing_slow_that_only_some_programs_need(
    tmp_path: Path,
) -> None:
    slow = {"anthropic", "opentelemetry", "rich", "sqlite_utils", "structlog", "typer"}
    listing = f"import sys, playhead; print({slow} & set(sys.modules))"
    assert _run(sys.executable, "-c", listing, cwd=tmp_path).strip() == "set()"


def test_each_type_checker_is_given_every_room() -> None:
    tool = _pyproject()["tool"]
    assert {f"playhead/{room}" for room in ROOMS} <= set(tool["pyright"]["include"])
    assert "playhead" in tool["mypy"]["files"]


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _name(requirement: object) -> str:
    return _normal(re.split(r"[<>=\[; ]", str(requirement))[0])


def _declared() -> set[str]:
    """The distributions that pyproject.toml declares, and those that they always require."""
    project = _pyproject()["project"]
    groups = (project["dependencies"], *project["optional-dependencies"].values())
    named = {_name(line) for group in groups for line in group}
    return named | {name for name, source in COMES_WITH.items() if source in named}


def test_everything_imported_from_outside_is_a_declared_dependency() -> None:
    tops = {
        name.partition(".")[0]
        for module in modules().values()
        for node in ast.walk(module.tree)
        for name in imported_names(node)
    }
    outside = tops - {*sys.stdlib_module_names, "playhead"}
    holders = packages_distributions()
    found = {top: {_normal(name) for name in holders.get(top, ())} for top in outside}
    assert {top for top in outside if not found[top] & _declared()} == set()
