"""Projections and deciding code of the roles read no clock, randomness, environment or network.

Checked in the source: each name used outside `async def perform*` is traced to its import. A module
of actors/ is a role if it defines `decide`; the modules of actors/ that a role uses while deciding
are checked too. Type annotations do not count.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import Module, imported_names, modules

IMPURE = (
    *("time", "random", "secrets", "uuid", "os", "socket", "asyncio", "threading", "subprocess"),
    *("select", "ssl", "urllib", "http", "httpx", "httpx2", "requests", "anthropic", "tempfile"),
    *("multiprocessing", "concurrent", "pykka", "locale", "platform", "getpass", "sys"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    *("datetime.date.today", "pathlib.Path.cwd", "pathlib.Path.home"),
    *("open", "input", "print", "id", "hash", "eval", "exec", "breakpoint", "__import__"),
)
"""Dotted origins, and builtins that read the world or (`id`, `hash`) differ from run to run."""

PURE_OF_IMPURE = (
    "os.PathLike",
    "os.path.join",
    "time.struct_time",
    "threading.Lock",
    "asyncio.Semaphore",
)
"""Names in impure modules that read nothing: types, and locks, which do not read the world."""


def impure_uses(module: Module) -> list[str]:
    """Each use, outside perform, of a name that reads the world: "line: origin"."""
    return [f"{line}: {name}" for line, name in _origins(module) if _is_impure(name)]


def _is_impure(name: str) -> bool:
    def under(names: tuple[str, ...]) -> bool:
        return any(name == top or name.startswith(f"{top}.") for top in names)

    return under(IMPURE) and not under(PURE_OF_IMPURE)


def _origins(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted origin) of each name or attribute used outside perform."""
    bound = _imports(module)
    own = {name for name in _assigned(module) if name not in bound}
    for node in _deciding(module.tree):
        dotted = _dotted(node)
        if dotted is None:
            continue
        head, _, rest = dotted.partition(".")
        if head in bound:
            yield getattr(node, "lineno", 0), f"{bound[head]}.{rest}".rstrip(".")
        elif head not in own and not rest:
            yield getattr(node, "lineno", 0), head


def _imports(module: Module) -> dict[str, str]:
    """Local name -> dotted origin, over every import of the module."""
    bound: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias, origin in zip(node.names, imported_names(node), strict=True):
                whole = isinstance(node, ast.Import) and not alias.asname
                name = alias.asname or alias.name
                bound[name.partition(".")[0]] = origin.partition(".")[0] if whole else origin
    return bound


def _assigned(module: Module) -> set[str]:
    """The names that the module itself binds, so that a local `id` is not taken for the builtin."""
    nodes = list(ast.walk(module.tree))
    stores = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stores | {n.arg for n in nodes if isinstance(n, ast.arg)}


def _deciding(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without perform functions, annotations and parts of dotted names."""
    unread = {id(getattr(node, field, None)) for field in ("annotation", "returns")}
    for child in ast.iter_child_nodes(node):
        if id(child) in unread or _is_perform(child):
            continue
        yield child
        if _dotted(child) is None:
            yield from _deciding(child)


def _is_perform(node: ast.AST) -> bool:
    return isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("perform")


def _dotted(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{inner}.{attr}" if (inner := _dotted(value)) else None
        case _:
            return None


def _is_role(module: Module) -> bool:
    return any(isinstance(n, ast.FunctionDef) and n.name == "decide" for n in ast.walk(module.tree))


def pure_modules() -> dict[str, Module]:
    """The projections, the roles, and the parts of actors/ that roles use while deciding."""
    known = modules()
    found = {name: m for name, m in known.items() if m.room == "projections"}
    waiting = [m for m in known.values() if m.room == "actors" and _is_role(m)]
    while waiting:
        module = waiting.pop()
        found[module.name] = module
        for _, origin in _origins(module):
            for name in (origin, origin.rpartition(".")[0]):
                used = known.get(name)
                if used and used.room == "actors" and used.name not in found:
                    waiting.append(used)
    return found


@pytest.mark.parametrize("name", sorted(pure_modules()))
def test_what_decides_or_folds_reads_only_its_arguments(name: str) -> None:
    module = pure_modules()[name]
    assert impure_uses(module) == [], module.path


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef decide(s): return time.time()",
        "from time import monotonic as m\ndef decide(s): return m()",
        "def decide(s):\n    from random import random\n    return random()",
        "from datetime import datetime\ndef decide(s): return datetime.now()",
        "import datetime as d\ndef decide(s): return d.datetime.now(d.timezone.utc)",
        "import os\ndef decide(s): return os.environ['HOME']",
        "import os.path\ndef decide(s): return os.getenv('HOME')",
        "def decide(s): return id(s)",
        "import uuid\nclass R:\n    token = uuid.uuid4().hex",
        "import asyncio\nclass R:\n    async def helper(self): await asyncio.sleep(1)",
    ],
)
def test_a_read_of_the_world_is_seen(source: str) -> None:
    assert len(impure_uses(Module("playhead.actors.x", Path("x.py"), ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nclass R:\n    async def perform(self): await asyncio.sleep(1)",
        "import asyncio\nclass R:\n    def __init__(self, loop: asyncio.AbstractEventLoop): ...",
        "from datetime import datetime\ndef decide(at): return datetime.fromisoformat(at)",
        "def decide(id): return id",
        "def decide(state): return state.time.time",
    ],
)
def test_what_is_pure_is_let_through(source: str) -> None:
    assert impure_uses(Module("playhead.actors.x", Path("x.py"), ast.parse(source))) == []
