"""Replay every exported run of a folder, sockets forbidden: `python -m tests.replay.again DIR`.

Prints what it did as JSON; the exit code is 1 when a run diverged.
"""

import json
import sys
from pathlib import Path
from typing import Any

from playhead.actors.replay import replay
from playhead.events.errors import PlayheadError
from playhead.events.log.memory import MemoryLog
from playhead.events.maintenance.import_run import import_run

FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "urllib.")


def forbid_the_world() -> None:
    """From now on a socket or a process is an error."""

    def look(event: str, _: tuple[Any, ...]) -> None:
        if event.startswith(FORBIDDEN):
            raise PermissionError(event)

    sys.addaudithook(look)


def main(folder: str) -> int:
    """Replay them all."""
    forbid_the_world()
    runs = records = 0
    diverged: dict[str, str] = {}
    for path in sorted(Path(folder).glob("*.jsonl")):
        log = MemoryLog()
        with path.open("rb") as lines:
            run = import_run(log, lines, trusted=True).run
        try:
            report = replay(log, run)
        except PlayheadError as error:
            diverged[path.name] = str(error)
            continue
        runs, records = runs + 1, records + report.records
        if report.divergence is not None:
            at = report.divergence
            diverged[path.name] = f"record {at.seq}: {at.field} {at.error or ''}"
    found = {"runs": runs, "records": records, "diverged": diverged}
    sys.stdout.write(json.dumps(found, indent=2))
    return 1 if diverged else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
