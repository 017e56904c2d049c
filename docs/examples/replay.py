"""An event log replayed for debugging: what happened, and whether the code would do it again.

python docs/examples/replay.py fx.db        (reads only; no key, no network)
"""

import sys

from playhead.logs import LogReader
from playhead.views import timeline


def main(path: str) -> None:
    with LogReader(path) as log:
        for run in log.runs():
            print(f"run {run}")
            for entry in timeline(log.records(run)):
                print(f"{entry.seq:5}  {entry.heading}: {entry.text}  ({entry.actor})")
            report = log.replay(run)
            print("  matches" if report.matches else f"  diverges: {report.divergence}")


if __name__ == "__main__":
    main(sys.argv[1])
