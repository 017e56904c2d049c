"""Two commits in one run: this tree and another revision, in alternating rounds.

Both are measured by warm processes of the same Python and packages. The other revision brings its
own `tests/bench`, so it must know the measurement; one that is older than that is named.
"""

import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench.children import Child, stub
from tests.bench.figures import Table

ROOT = Path(__file__).parents[2]
TURNS = ("log alone", "log and spans", "over HTTP")


@contextmanager
def checked_out(revision: str) -> Generator[Path]:
    """The revision's tree in a folder of its own. Raises ValueError if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "tree.tar"
        command = ["git", "-C", str(ROOT), "archive", "-o", str(packed), revision]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            msg = f"no revision {revision} here: {made.stderr.strip()}"
            raise ValueError(msg)
        tree = Path(folder) / "tree"
        tree.mkdir()
        subprocess.run(["tar", "-xf", str(packed), "-C", str(tree)], check=True)
        yield tree


def against(revision: str, rounds: int) -> Iterator[Table]:
    """CPU per step here and there, 20 steps a run."""
    rows: list[list[object]] = []
    with checked_out(revision) as tree, stub(20) as url:
        for name in TURNS:
            variant = "http" if name == "over HTTP" else "scripted"
            arguments: dict[str, object] = {"steps": 20, "runs": 20}
            arguments |= {"url": url} if variant == "http" else {"traced": name != TURNS[0]}
            pair = [Child(variant, tree), Child(variant)]
            found = [
                [child.measure(**arguments)["cpu_ms"] for child in pair] for _ in range(rounds)
            ]
            for child in pair:
                child.close()
            ratios = sorted(here / there for there, here in found)
            least = min(here for _, here in found) / min(there for there, _ in found)
            there, here = (median(each) for each in zip(*found, strict=True))
            spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            rows.append([name, there, here, median(ratios), spread, least])
    yield Table(
        "against",
        f"CPU ms per step: {revision[:12]} and this tree, {rounds} alternating rounds",
        ["", "there", "here", "ratio", "spread", "of minima"],
        rows,
        "gate: at most 1.05 for a run that uses nothing new",
    )
