"""Playhead's own source files, read once for the house tests."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("actors", "events", "projections", "tools")


@dataclass(frozen=True)
class Module:
    """A module of the package: its dotted name, its file, its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top-level package that it belongs to, or "playhead" for the rest."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "playhead"


@cache
def modules() -> dict[str, Module]:
    """Every module of the package by its dotted name."""
    found = [_module(path, "playhead", ROOT / "playhead") for path in _files(ROOT / "playhead")]
    for room in ROOMS:
        top = ROOT / room
        found += [_module(path, f"playhead.{room}", top) for path in _files(top)]
    return {module.name: module for module in found}


def imported_names(node: ast.AST) -> list[str]:
    """The dotted names that an import statement imports; none for any other node."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str() as source, names=names, level=0):
            return [f"{source}.{alias.name}" for alias in names]
        case _:
            return []


@cache
def paths() -> tuple[str, ...]:
    """The files that git tracks or would add, relative to the root, without links.

    In an sdist, which is not a git checkout: the files that it contains.
    """
    manifest = ROOT / "playhead.egg-info" / "SOURCES.txt"
    if (ROOT / "PKG-INFO").exists() and not (ROOT / ".git").exists():
        return tuple(n for n in manifest.read_text().splitlines() if ".egg-info/" not in n)
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = sorted({name for name in listing.split("\0") if name})
    return tuple(n for n in names if (ROOT / n).is_file() and not (ROOT / n).is_symlink())


def texts() -> dict[str, str]:
    """The content of every text file, by its path relative to the root."""
    return {name: text for name in paths() if (text := _text(ROOT / name)) is not None}


def _files(top: Path) -> list[Path]:
    # rglob does not follow links, so playhead/ does not yield the linked packages a second time.
    return [path for path in sorted(top.rglob("*.py")) if "__pycache__" not in path.parts]


def _module(path: Path, package: str, top: Path) -> Module:
    parts = path.relative_to(top).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return Module(".".join((package, *parts)), path, ast.parse(path.read_text(), str(path)))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
