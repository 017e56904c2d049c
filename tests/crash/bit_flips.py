"""Damage: a bit flipped in the log or its WAL, a WAL deleted, a file cut, an old copy put back.

Whatever the damage, opening or `verify` must name it; or else every record must still be there.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from structlog.testing import capture_logs

from playhead.events.errors import PlayheadError
from playhead.events.log.anchor import read_anchor
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.events.record import Stored
from tests.crash.workload import Workload

LOG, WAL = "log.db", "log.db-wal"


class Sample:
    """A log as a kill would leave it, half in its file and half in its WAL, and an older copy."""

    def __init__(self, seed: int, top: Path) -> None:
        random = Random(seed)
        self.old, self.new = top / "old", top / "new"
        live = top / "live"
        for folder in (self.old, self.new, live):
            folder.mkdir()
        work = Workload(random, 6000)
        with SqliteLog(live / LOG, anchor_seconds=0.0) as log:
            _write(log, work, 12)
        with SqliteLog(live / LOG, anchor_seconds=0.0) as log:
            _write(log, work, 12)
            _copy(live, self.old)
            _write(log, work, 12)
            self.rows = list(log.follow())
            _settle(live, len(self.rows))
            _copy(live, self.new)
        self.runs = {row.run for row in self.rows}
        self.by_run = {run: [row for row in self.rows if row.run == run] for run in self.runs}


def _write(log: SqliteLog, work: Workload, groups: int) -> None:
    for _ in range(groups):
        work.write_group(log)


def _settle(folder: Path, position: int) -> None:
    """The anchor is written behind the acknowledgement, by the log's thread: wait for it."""
    while True:
        mark = read_anchor(folder / LOG)
        if mark is not None and mark.position == position:
            return


def _copy(source: Path, target: Path) -> None:
    for name in (LOG, WAL, f"{LOG}.anchor"):
        shutil.copyfile(source / name, target / name)


def flip_log(folder: Path, _: Sample, random: Random) -> None:
    """One bit of the log file."""
    _flip(folder / LOG, random)


def flip_wal(folder: Path, _: Sample, random: Random) -> None:
    """One bit of the WAL."""
    _flip(folder / WAL, random)


def delete_wal(folder: Path, _: Sample, __: Random) -> None:
    """The WAL is gone."""
    (folder / WAL).unlink()


def cut_log(folder: Path, _: Sample, random: Random) -> None:
    """The log file is cut short."""
    _cut(folder / LOG, random)


def cut_wal(folder: Path, _: Sample, random: Random) -> None:
    """The WAL is cut short."""
    _cut(folder / WAL, random)


def put_back(folder: Path, sample: Sample, _: Random) -> None:
    """An old copy is put back; the anchor stays."""
    for name in (LOG, WAL):
        shutil.copyfile(sample.old / name, folder / name)


def put_back_and_write_on(folder: Path, sample: Sample, random: Random) -> None:
    """An old copy is put back without any anchor, written on, and then the anchor comes back."""
    put_back(folder, sample, random)
    anchor = (folder / f"{LOG}.anchor").read_bytes()
    (folder / f"{LOG}.anchor").unlink()
    with SqliteLog(folder / LOG) as log:
        other = Workload(random, 1000)
        other.start_over("other-")
        while len(list(log.follow())) <= len(sample.rows):
            other.write_group(log)
    (folder / f"{LOG}.anchor").write_bytes(anchor)


def _flip(file: Path, random: Random) -> None:
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)


def _cut(file: Path, random: Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: random.randrange(len(content))])


Damage = Callable[[Path, Sample, Random], None]
DAMAGES: tuple[Damage, ...] = (
    flip_log, flip_log, flip_log, flip_wal, flip_wal, flip_wal, delete_wal, cut_log, cut_wal,
    put_back, put_back_and_write_on,
)  # fmt: skip
LOST: Mapping[Damage, tuple[str, str]] = {
    delete_wal: ("lost_tail", "LogBehindAnchor"),
    put_back: ("lost_tail", "LogBehindAnchor"),
    put_back_and_write_on: ("other_history", "LogDamaged"),
}
"""These lose records for certain: what `verify` calls it, and what opening raises."""


def look(folder: Path, sample: Sample) -> str:
    """What names it (a fault of `verify`, an error), `harmless` (every record is there), or what
    was lost in silence.
    """
    try:
        reader = SqliteReader(folder / LOG)
        try:
            report = verify(reader, read_anchor(folder / LOG))
            if not report.ok:
                return f"named {report.problems[0].fault}"
            silent = _difference(list(reader.follow()), sample.rows)
            for run in sorted(sample.runs):
                silent = silent or _difference(list(reader.read(run)), sample.by_run[run])
        finally:
            reader.close()
        with SqliteLog(folder / LOG) as log:
            silent = silent or _difference(list(log.follow()), sample.rows)
    except PlayheadError as error:
        return f"named {type(error).__name__}"
    return silent or "harmless"


def opens(folder: Path) -> str:
    """What opening it for writing raises; empty when it opens as if nothing had happened."""
    try:
        SqliteLog(folder / LOG).close()
    except PlayheadError as error:
        return type(error).__name__
    return ""


def _difference(found: list[Stored], wanted: list[Stored]) -> str | None:
    if found == wanted:
        return None
    same = next(
        (n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), len(found)
    )
    return f"{len(found)} of {len(wanted)} rows, the first {same} as they were, and nobody says so"


def damage_many(first: int, count: int) -> tuple[Counter[str], list[str]]:
    """How each damage ended, and the seeds that were lost in silence."""
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    top = Path(tempfile.mkdtemp(prefix="playhead-damage-"))
    try:
        sample = Sample(first, top)
        for seed in range(first, first + count):
            random = Random(seed)
            damage = DAMAGES[seed % len(DAMAGES)]
            name, end = _damage(damage, sample, random, top / f"damaged-{seed}")
            good = end == "harmless" or end.startswith("named ")
            ends[f"{name}: {end if good else 'not told'}"] += 1
            if not good or (damage in LOST and end == "harmless"):
                again = (
                    f"python -m tests.crash.bit_flips --first {first} --flips {seed - first + 1}"
                )
                wrong.append(f"seed {seed}; to repeat it: {again}\n  {name}: {end}")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return ends, wrong


def _damage(damage: Damage, sample: Sample, random: Random, folder: Path) -> tuple[str, str]:
    shutil.copytree(sample.new, folder)
    with capture_logs():
        damage(folder, sample, random)
        end = look(folder, sample)
        if damage in LOST and (end, opens(folder)) != (f"named {LOST[damage][0]}", LOST[damage][1]):
            end = f"not told apart: {end}; opening it raises {opens(folder) or 'nothing'}"
    shutil.rmtree(folder)
    return damage.__name__, end


def table(ends: Mapping[str, int]) -> str:
    """One line for each damage and its end."""
    return "\n".join(f"  {name}: {count}" for name, count in sorted(ends.items()))


def main() -> int:
    """Damage many copies of a log, print what was lost in silence, and exit with 1 if any was."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.bit_flips", description=__doc__)
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    ends, wrong = damage_many(given.first, given.flips)
    print("\n".join([*wrong[:5], f"{given.flips} damaged logs, {len(wrong)} in silence"]))
    print(table(ends))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
