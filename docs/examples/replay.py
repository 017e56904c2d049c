"""An event log replayed for debugging: what happened, and whether the code would do it again.

python docs/examples/replay.py fx.db        (reads only; no key, no network)
"""

import sys

from playhead.actors.replay import replay
from playhead.events.kinds.codec import decode
from playhead.events.log.sqlite.log import SqliteReader
from playhead.projections.history.timeline import timeline


def main(path: str) -> None:
    log = SqliteReader(path)
    for stream in log.streams():
        if stream.kind != "run":
            continue
        print(f"run {stream.id}")
        records = (decode(row, log.body) for row in log.read(stream.id))
        for entry in timeline(records):
            print(f"{entry.seq:5}  {entry.heading}: {entry.text}  ({entry.actor})")
        report = replay(log, stream.id)
        print("  matches" if report.matches else f"  diverges: {report.divergence}")
    log.close()


if __name__ == "__main__":
    main(sys.argv[1])
