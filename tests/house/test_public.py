"""The public modules: their exports are listed and documented, and documents use nothing else."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import isfunction
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from playhead import PlayheadError, Tool
from playhead.events.registry import KINDS
from tests.house.sources import ROOT, imported_names, modules

PUBLIC = (
    "playhead",
    "playhead.evals",
    "playhead.logs",
    "playhead.records",
    "playhead.simulation",
    "playhead.testing",
    "playhead.testing.log_contract",
    "playhead.toolkit",
    "playhead.tracing",
    "playhead.views",
)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IN_THE_HOUSE = re.compile(r"# \S+/\S+\.py\n")


def exported(name: str) -> dict[str, Any]:
    """A public module's names and their values."""
    module: ModuleType = import_module(name)
    return {each: getattr(module, each) for each in module.__all__}


def shown_programs() -> Iterator[tuple[str, str]]:
    """Every example and every Python block in the documents: its location and its text.

    A block that begins with the path of one of our own files is internal code.
    """
    documents = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    for path in sorted(documents):
        for number, match in enumerate(BLOCK.finditer(path.read_text())):
            if IN_THE_HOUSE.match(match[1]) is None:
                yield f"{path.relative_to(ROOT)}#{number}", match[1]
    for path in sorted((ROOT / "docs" / "examples").glob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text()


def private_imports(program: str) -> list[str]:
    """The names that a program imports from Playhead that are not public."""
    names = {f"{module}.{name}" for module in PUBLIC for name in exported(module)} | {*PUBLIC}
    return [
        name
        for node in ast.walk(ast.parse(program))
        for name in imported_names(node)
        if name.split(".")[0] == "playhead" and name not in names
    ]


@pytest.mark.parametrize("program", [pytest.param(code, id=at) for at, code in shown_programs()])
def test_documents_and_examples_import_public_names_only(program: str) -> None:
    assert private_imports(program) == []


def test_an_import_that_is_not_public_is_seen() -> None:
    assert private_imports("from playhead.events.record import Record") != []
    assert private_imports("from playhead import Run, take_up") == ["playhead.take_up"]


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_exported_once_and_documented(module: str) -> None:
    names = list(import_module(module).__all__)
    assert len({*names}) == len(names)
    bare = [name for name, value in exported(module).items() if not documented(name, value)]
    assert bare == []


def documented(name: str, value: Any) -> bool:
    """Whether a class or function has a docstring, a tool a description, others a text."""
    if isinstance(value, type) or isfunction(value):
        said = value.__doc__ or ""
        return bool(said) and not said.startswith(f"{name}(")  # a dataclass's generated docstring
    if isinstance(value, Tool):
        return bool(value.spec.description)
    return name == "__version__" or name in described()


def described() -> set[str]:
    """The top-level names of modules that are followed by a docstring."""
    found = set[str]()
    for module in modules().values():
        body = module.tree.body
        for before, after in pairwise(body):
            match before, after:
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str())),
                ):
                    found.add(name)
                case _:
                    pass
    return found


def test_every_event_and_every_exception_has_a_public_home() -> None:
    assert {*KINDS.values()} <= {*exported("playhead.records").values()}
    assert {*_below(PlayheadError)} <= {
        *exported("playhead").values(),
        *exported("playhead.simulation").values(),
    }


def _below(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    """The class and all its subclasses that Playhead defines for programs to catch."""
    yield cls
    for each in cls.__subclasses__():
        if each.__module__.startswith("playhead."):
            yield from _below(each)


@pytest.mark.parametrize("module", ["playhead", "playhead.testing.pytest_plugin"])
def test_what_every_pytest_run_imports_imports_nothing_heavy(module: str, tmp_path: Path) -> None:
    code = (
        f"import sys, pytest; before = set(sys.modules); import {module};"
        "print(*(name for name in sys.modules if name not in before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert {*done.stdout.split()} <= {
        "playhead", "playhead.lazy", "playhead.testing", "playhead.testing.pytest_plugin",
    }  # fmt: skip


def test_the_doubles_do_not_bring_the_simulator_along() -> None:
    code = "import sys; from playhead.testing import *; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    found = done.stdout.split()
    assert "playhead.testing.recorded_run" in found
    assert "playhead.simulation" not in found


def test_a_name_that_does_not_exist_is_told_as_usual() -> None:
    with pytest.raises(ImportError, match="Runtme"):
        exec("from playhead import Runtme")
