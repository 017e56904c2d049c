"""`python -m playhead.simulation`: simulate the sample agents from the command line."""

import argparse
import sys

from playhead.simulation.faults.mix import KINDS
from playhead.simulation.simulate import simulate


def main() -> int:
    """Simulate, print the report, and exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m playhead.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--log", choices=("memory", "sqlite"), default="memory")
    parser.add_argument("--mode", choices=("safety", "liveness"), default="safety")
    parser.add_argument("--faults", default=",".join(KINDS))
    parser.add_argument("--most", type=int, default=5, help="stop after this many failing seeds")
    parser.add_argument("--trace", action="store_true", help="print the complete trace of one seed")
    given = parser.parse_args()
    report = simulate(
        None, given.seeds, first=given.first, log=given.log, mode=given.mode,
        faults=given.faults.split(","), most=given.most, trace=given.trace,
    )  # fmt: skip
    print(report)  # noqa: T201 - it is a command
    print(f"{report.seeds / report.seconds:.0f} seeds a second")  # noqa: T201
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
