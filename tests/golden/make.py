"""Make the golden logs of this version anew: `python -m tests.golden.make` (`make golden`).

By hand, and only until the release: whenever the shape of an event, of the envelope or of the
schema changes. After a release its logs never change again: they are what users have on disk.
Run ids, times and durations differ from one making to the next; what the runs do does not.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import structlog

from playhead import Runtime
from playhead.events.kinds.approvals import Decider
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.events.log.anchor import anchor_path
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.archive import archive
from playhead.events.maintenance.erase import Whose, erase, noted_path
from playhead.events.version import VERSION
from tests.golden import scenes
from tests.golden.agents import KILLED
from tests.memory.embedders import Counting

FOLDER = Path(__file__).parent
MADE = (f"{VERSION}.db", f"{VERSION}.archive.db")
"""The log, and the archive that some of its runs were moved to."""


def main() -> int:
    """Make both files elsewhere, then put them in their place."""
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)  # tools of one line are lacking in words, on purpose
    if sys.argv[1:2] == ["die"]:
        return die(Path(sys.argv[2]), sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        log, moved = (Path(folder, name) for name in MADE)
        begin(log, moved)
        killed = [kill(log, name) for name in KILLED]
        with Runtime(log, list(KILLED.values()), embedder=Counting()) as runtime:
            for run in killed:
                take_up(runtime, run)
            for scene in scenes.SCENES:
                scene(runtime)
        for path in (log, moved):
            for file in (path, anchor_path(path)):
                shutil.copy(file, FOLDER)
    sys.stdout.write(f"{FOLDER}: {', '.join(MADE)}\n")
    return 0


def begin(log: Path, moved: Path) -> None:
    """What happens to a log itself: a loss that was accepted, and runs moved to an archive."""
    before = log.with_name("before")
    with Runtime(log) as runtime:
        scenes.play(runtime, scenes.scripted("archived", "This was long ago."))
    shutil.copy(log, before)
    with Runtime(log) as runtime:
        scenes.play(runtime, scenes.scripted("lost", "Nobody will know."))
    shutil.copy(before, log)
    SqliteLog(log, accept_loss=True).close()
    with Runtime(log) as runtime:
        run = scenes.play(runtime, scenes.scripted("erased", "Forget me.")).id
    erase(log, Whose(run=run), by=Decider(user="ada", process=1), reason="She asked.")
    noted_path(log).unlink()
    done = archive(log, moved, time.time_ns() // 1000)
    assert done is not None
    assert done.runs == 1


def kill(log: Path, name: str) -> str:
    """Have a process begin the scene, and die in it; the run that it leaves behind."""
    command = [sys.executable, "-m", "tests.golden.make", "die", str(log), name]
    done = subprocess.run(command, check=False, env={**os.environ, "PLAYHEAD_GOLDEN_DIES": "1"})
    assert done.returncode == 9, done
    with closing(SqliteReader(log)) as reader:
        return list(reader.streams())[-1].id


def die(log: Path, name: str) -> int:
    """The process that dies."""
    with Runtime(log) as runtime:
        scenes.play(runtime, KILLED[name])
    return 0


def take_up(runtime: Runtime, run: str) -> None:
    """Let the run come to its end, and say what became of a call in doubt."""
    found = runtime.attach(run)
    scenes.ended(found)
    for record in found.events():
        if isinstance(record.event, ToolRequested):
            found.resolve(record.seq, succeeded=True, note="the plug was out")


if __name__ == "__main__":
    sys.exit(main())
