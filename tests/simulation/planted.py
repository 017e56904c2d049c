"""Planted bugs: each patch in planted/ breaks one promise in a copy of the tree; it is caught.

A patch says in its first lines what it breaks and what catches it: `seeds` (simulated lives),
`cuts` (power cuts) or `flips` (bit flips).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).with_name("planted")
PARTS = ("actors", "events", "projections", "tools", "playhead", "tests")
SEEDS = 1000
"""A bug must be caught within so many."""

NOTHING = "nothing"
"""The name of a copy without a bug: where something is caught in it too, a catch says nothing."""

CATCHERS = {
    "seeds": ("playhead.simulation", "--seeds", str(SEEDS), "--mode", "liveness", "--most", "1"),
    "cuts": ("tests.crash.power_cuts", "--cuts", "200"),
    "flips": ("tests.crash.bit_flips", "--flips", "200"),
}


class Caught(NamedTuple):
    """What became of a planted bug."""

    name: str
    caught: bool
    by: str
    """The invariant that was broken, or what went wrong."""
    seed: int | None


def names() -> list[str]:
    """All planted bugs."""
    return sorted(path.stem for path in FOLDER.glob("*.patch"))


def plant(name: str, folder: Path) -> Path:
    """A copy of the tree with the bug in it. Raises ValueError when the patch no longer fits."""
    copy = folder / name
    for part in PARTS:
        ignored = shutil.ignore_patterns("*.patch", "node_modules")
        shutil.copytree(ROOT / part, copy / part, symlinks=True, ignore=ignored)
    if name == NOTHING:
        return copy
    command = ("git", "apply", "-C1", "--whitespace=nowarn", str(FOLDER / f"{name}.patch"))
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"planted/{name}.patch no longer fits the code: mend it ({done.stderr.strip()})"
        raise ValueError(msg)
    return copy


def catch(name: str, folder: Path) -> Caught:
    """Plant a bug and let its catcher look for it."""
    try:
        copy = plant(name, folder)
    except ValueError as error:
        return Caught(name, False, str(error), None)
    command = (sys.executable, "-m", *CATCHERS[_catcher(name)])
    variables = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        command, cwd=copy, env=variables, capture_output=True, text=True, check=False
    )
    shutil.rmtree(copy)
    return _read(name, done.returncode, done.stdout + done.stderr)


def _catcher(name: str) -> str:
    if name == NOTHING:
        return "seeds"
    return str(re.findall(r"^Caught by: (\w+)", (FOLDER / f"{name}.patch").read_text(), re.M)[0])


def _read(name: str, code: int, printed: str) -> Caught:
    seed = re.search(r"^seed (\d+);", printed, re.MULTILINE)
    broken = re.search(r"^  (\w[\w ]+):", printed, re.MULTILINE)
    last = (printed.strip().splitlines() or ["nothing printed"])[-1]
    by = broken[1] if broken else last[:100]
    return Caught(name, code == 1 and seed is not None, by, int(seed[1]) if seed else None)


if __name__ == "__main__":
    import tempfile

    for each in sys.argv[1:] or names():
        with tempfile.TemporaryDirectory() as top:
            print(catch(each, Path(top)), flush=True)
