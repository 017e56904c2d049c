"""A seed is a whole story: told twice, or by a process that hashes otherwise, it is the same."""

import os
import subprocess
import sys

from playhead.simulation.faults.mix import KINDS
from playhead.simulation.simulation_run import live

SEEDS = range(40)
TELL = """
from playhead.simulation.faults.mix import KINDS
from playhead.simulation.simulation_run import live
print(*(live(seed, KINDS, "liveness", "memory").trace for seed in range(40)), sep="\\n")
"""


def _told_under(hash_seed: str) -> list[str]:
    variables = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = (sys.executable, "-c", TELL)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_same_seed_twice_gives_the_same_trace() -> None:
    first = [live(seed, KINDS, "safety", "memory").trace for seed in SEEDS]
    assert [live(seed, KINDS, "safety", "memory").trace for seed in SEEDS] == first
    assert len(set(first)) > len(SEEDS) * 0.9


def test_a_trace_does_not_depend_on_pythons_hash_seed() -> None:
    assert _told_under("1") == _told_under("2")


def test_a_seed_gives_the_same_trace_in_memory_and_on_sqlite() -> None:
    for seed in SEEDS:
        memory = live(seed, KINDS, "safety", "memory")
        assert live(seed, KINDS, "safety", "sqlite").trace == memory.trace
