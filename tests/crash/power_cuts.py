"""Power cuts: a log on a disk that loses what was not synced, opened again and checked.

`full` must hold everything that was acknowledged. Both durabilities must leave a clean beginning of
what was written, an anchor that fits, and a log that can be written on.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from structlog.testing import capture_logs

from playhead.events.errors import PlayheadError
from playhead.events.log.anchor import read_anchor
from playhead.events.log.sql.writer import Durability
from playhead.events.log.sqlite.driver import ApswDriver
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import say
from tests.crash.lossy_disk import LossyDisk
from tests.crash.workload import Workload, same


class Cut:
    """One power cut: its seed says what was written, when the power went, and what was left."""

    def __init__(self, seed: int, top: Path) -> None:
        self.random = Random(seed)
        self.durability: Durability = self.random.choice(("full", "normal"))
        self.before, self.after = top / "before", top / "after"
        self.before.mkdir()
        self.after.mkdir()
        self.work = Workload(self.random, self.random.choice((1_000, 20_000, 400_000)))
        self.lost = 0
        """Acknowledged rows that are not there any more."""

    def live(self) -> None:
        """Write until the power goes."""
        path = self.before / "log.db"
        disk = LossyDisk(path.with_name("log.db.anchor"), self._moment())
        try:
            anchoring = self.random.choice((0.0, 0.0, 1000.0))
            log = SqliteLog(path, self.durability, ApswDriver(disk.name), anchor_seconds=anchoring)
        except (PlayheadError, OSError, ApswDriver().error):
            disk.restore(self.random, self.after)
            return
        for _ in range(200):
            if disk.off or not self.work.write_group(log):
                break
        if not disk.off:
            disk.cut()
        log.close()
        disk.restore(self.random, self.after)

    def _moment(self) -> int:
        return int(self.random.expovariate(1 / self.random.choice((20, 200, 1500)))) + 1

    def look(self) -> str | None:
        """What is wrong with what is left, None when nothing is."""
        path = self.after / "log.db"
        try:
            with SqliteLog(path, self.durability) as log:
                rows = list(log.follow())
                say(log, "afterwards", "and on it goes")
        except PlayheadError as error:
            return f"it does not open: {error!r}"
        submitted = self.work.submitted
        prefix = [row for row, old in zip(rows, submitted, strict=False) if same(row, old)]
        self.lost = max(0, self.work.acknowledged - len(rows))
        if len(prefix) != len(rows):
            return f"{len(rows)} rows are left, {len(prefix)} of them as they were written"
        if self.durability == "full" and self.lost:
            return f"{self.lost} of {self.work.acknowledged} acknowledged rows are lost"
        with SqliteLog(path, self.durability) as log:
            problems = verify(log, read_anchor(path)).problems
        return problems[0].message if problems else None


def cut_power(seed: int) -> tuple[str | None, Durability, int]:
    """One cut: what is wrong with what it left, the durability, acknowledged rows lost."""
    top = Path(tempfile.mkdtemp(prefix="playhead-cut-"))
    hook, sys.unraisablehook = sys.unraisablehook, _untold
    try:
        with capture_logs():
            cut = Cut(seed, top)
            cut.live()
            return cut.look(), cut.durability, cut.lost
    finally:
        sys.unraisablehook = hook
        shutil.rmtree(top, ignore_errors=True)


def _untold(_: object) -> None:
    """Say nothing: apsw tells of each file that it could not close."""


def main() -> int:
    """Cut the power many times; print what was wrong; exit with 1 when anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.power_cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    wrong, lossy = 0, {"full": 0, "normal": 0}
    for seed in range(given.first, given.first + given.cuts):
        found, durability, lost = cut_power(seed)
        lossy[durability] += lost > 0
        if found is not None:
            wrong += 1
            again = f"python -m tests.crash.power_cuts --first {seed} --cuts 1"
            print(f"seed {seed}; to repeat it: {again}\n  power cut, {durability}: {found}")
            if wrong == 5:
                break
    print(f"{given.cuts} power cuts, acknowledged rows lost in {lossy}, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
