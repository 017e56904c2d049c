"""Imports run one way: playhead -> actors -> projections, tools -> events. Lazy ones count too."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.sources import ROOMS, Module, imported_names, modules

BELOW = {
    "playhead": {"actors", "projections", "tools", "events"},
    "actors": {"projections", "tools", "events"},
    "projections": {"events"},
    "tools": {"events"},
    "events": set[str](),
}


def wrong_imports(module: Module) -> list[str]:
    """Each import of a package that is not below the module's own."""
    allowed = BELOW[module.room] | {module.room, None}
    return [
        f"{module.path}:{getattr(node, 'lineno', 0)} imports {name}"
        for node in ast.walk(module.tree)
        for name in imported_names(node)
        if _room_of(name) not in allowed
    ]


def _room_of(name: str) -> str | None:
    """The package that an imported name belongs to; "playhead" for the rest of playhead."""
    match name.split("."):
        case ["playhead", str() as room, *_] if room in ROOMS:
            return room
        case ["playhead", *_]:
            return "playhead"
        case _:
            return None


def first_circle(graph: dict[str, set[str]]) -> list[str] | None:
    """The modules of one import cycle, with the first repeated at the end; None without any."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def _imports_of(module: Module) -> set[str]:
    """The package's modules that a module imports; `from a import b` is a.b if that is a module."""
    names = {name for node in ast.walk(module.tree) for name in imported_names(node)}
    known = modules()
    reached = {name if name in known else name.rpartition(".")[0] for name in names}
    return {name for name in reached if name in known and name != module.name}


def _parsed(name: str, source: str) -> Module:
    (some,) = list(modules().values())[:1]
    return Module(name, some.path, ast.parse(source))


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_from_its_room_and_the_rooms_below(name: str) -> None:
    assert wrong_imports(modules()[name]) == []


def test_no_imports_form_a_circle() -> None:
    assert first_circle({name: _imports_of(module) for name, module in modules().items()}) is None


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_import_is_relative_or_made_from_a_string(name: str) -> None:
    module = modules()[name]
    for node in ast.walk(module.tree):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"line {node.lineno}"
        match node:
            case ast.Call(args=[ast.Constant(value=str() as target), *_]):
                called = ast.unparse(node.func)
                hidden = called in ("import_module", "importlib.import_module", "__import__")
                assert not (hidden and target.startswith("playhead")), f"line {node.lineno}"
            case _:
                pass


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("playhead.projections.x", "from playhead.tools.tool import Tool"),
        ("playhead.tools.x", "from playhead.projections import context"),
        ("playhead.events.x", "def f():\n    import playhead.actors.engine.turn"),
        ("playhead.actors.x", "if TYPE_CHECKING:\n    from playhead import Runtime"),
        ("playhead.actors.x", "from playhead.testing import ScriptedModel"),
    ],
)
def test_an_import_against_the_direction_is_seen(name: str, source: str) -> None:
    assert len(wrong_imports(_parsed(name, source))) == 1


def test_a_circle_of_imports_is_seen() -> None:
    assert first_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None
