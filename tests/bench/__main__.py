"""Measure Playhead against the raw SDK loop and raw SQLite, in one run: `make bench`.

Quote ratios, never absolute times: they hold on other machines, milliseconds do not. Rounds of what
is compared are interleaved, and each figure is the median of its rounds. Nothing here passes or
fails; the aims stand beside the figures.
"""

import argparse
import json
import logging
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tests.bench.against import against
from tests.bench.bill import bill
from tests.bench.cached import cached
from tests.bench.children import Child, Figures, children, medians, stub
from tests.bench.figures import Table
from tests.bench.growth import growth
from tests.bench.hostile import hostile
from tests.bench.memory import memory
from tests.bench.past import past
from tests.bench.plans import plans
from tests.bench.recall.speed import recall
from tests.bench.start import IMPORTS, cpu_of, make_log, python
from tests.bench.waiting import waiting


class Size(NamedTuple):
    """How much is measured."""

    rounds: int
    runs: dict[int, int]
    """Steps -> runs a round."""
    crowds: tuple[int, ...]
    events: int
    past: int
    """Records of the log that is read back."""
    queries: int
    """Of 100,000 memories."""


MODEST = Size(3, {20: 5, 100: 1, 400: 1}, (100, 300, 1000), 400, 101_000, 50)
FULL = Size(7, {20: 20, 100: 5, 400: 2}, (100, 300, 1000), 4000, 1_000_000, 500)


def against_sdk(size: Size) -> Iterator[Table]:
    """CPU per step over HTTP, and bytes on disk."""
    rows: list[list[object]] = []
    bytes_: list[list[object]] = []
    with children("raw", "http") as pair, ExitStack() as stubs:
        for steps, runs in size.runs.items():
            url = stubs.enter_context(stub(steps))
            raw, ours = interleaved(pair, size.rounds, url=url, steps=steps, runs=runs)
            ratio = ours["cpu_ms"] / raw["cpu_ms"]
            rows.append([steps, raw["cpu_ms"], ours["cpu_ms"], ratio])
            disk, export, seen = ours["disk_bytes"], ours["export_bytes"], raw["json_bytes"]
            bytes_.append([steps, disk, export, disk / export, seen, disk / seen])
    yield Table(
        "against_sdk",
        "CPU ms per step over HTTP: durable (FULL) and traced, against the raw SDK loop",
        ["steps", "raw SDK", "Playhead", "ratio"],
        rows,
        "aim: 1.5 at 20 steps, 1.2 at 400; both stream, and the raw loop keeps nothing",
    )
    yield Table(
        "bytes",
        "Bytes per step: the log on disk, its records as JSON lines, the raw loop's JSON",
        ["steps", "disk", "records", "ratio", "raw JSON", "ratio to raw"],
        bytes_,
        "aim: at most 1.5 x the records, the same at every length;\n"
        "   records: envelope and event, no hashes, nothing empty; raw JSON: replies and results",
    )


def own_cost(size: Size) -> Iterator[Table]:
    """CPU per step with a scripted model."""
    rows: list[list[object]] = []
    with children("scripted") as (child,):
        for traced in (True, False):
            arguments = {"steps": 20, "runs": size.runs[20] * 2, "traced": traced}
            (found,) = interleaved([child], size.rounds, **arguments)
            rows.append(["log and spans" if traced else "log alone", found["cpu_ms"]])
    yield Table(
        "own_cost",
        "Own cost, CPU ms per step: scripted model, 20 steps, one run at a time, FULL",
        ["", "CPU ms"],
        rows,
        "aim: 0.60 with log and spans",
    )


def log_rate(size: Size) -> Iterator[Table]:
    """Events per second."""
    rows: list[list[object]] = []
    with children("sqlite", "log") as pair:
        for together in (1, 128):
            events = size.events * (1 if together == 1 else 20)
            raw, ours = interleaved(pair, size.rounds, together=together, events=events)
            name = "1 per commit" if together == 1 else f"{together} producers"
            rate, cpu = ours["per_s"] / raw["per_s"], ours["cpu_us"] / raw["cpu_us"]
            rows.append([name, raw["per_s"], ours["per_s"], rate, ours["cpu_us"], cpu])
    yield Table(
        "log",
        "Events per second (600 bytes each, FULL): a plain SQLite table, and the log",
        ["", "sqlite3", "log", "ratio", "CPU us/event", "ratio"],
        rows,
        "the log also checks, hashes, anchors and forbids changes",
    )


def crowds(size: Size) -> Iterator[Table]:
    """Many runs at once, over the transport that is the default, and the raw loop over both."""
    rows: list[list[object]] = []
    with stub(10, wait=0.2) as url:
        for runs in size.crowds:
            floor = 0.0
            for name, variant, aiohttp in (
                ("raw SDK, httpx", "raw_crowd", False),
                ("raw SDK, aiohttp", "raw_crowd", True),
                ("Playhead, FULL", "crowd", True),
            ):
                with children(variant) as (child,):
                    found = child.measure(url=url, runs=runs, aiohttp=aiohttp)
                floor = found["cpu_s"] if variant == "raw_crowd" else floor
                told = found["wall_s"], found["cpu_s"], found["cpu_s"] / floor
                rows.append([name, runs, *told, int(found["threads"]), int(found["errors"])])
    yield Table(
        "crowds",
        "Runs at once, 10 steps each, against a model that takes 200 ms (ideal 2.2 s)",
        ["", "runs", "wall s", "CPU s", "ratio", "threads", "errors"],
        rows,
        "aim: 1.3 x the CPU of the raw loop on the same transport (aiohttp), at most 20 threads\n"
        "   and no error; measured once, not a median",
    )


def start(size: Size) -> Iterator[Table]:
    """Fresh processes."""
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        make_log(path, 20)
        show = python("-m", "playhead", "show", "last", "--log", str(path))
        commands = {name: python("-c", code) for name, code in IMPORTS.items()}
        for name, command in {**commands, "playhead show (20 steps)": show}.items():
            rows.append([name, cpu_of(command, size.rounds)])
    yield Table("start", "Start: CPU ms of a fresh process", ["", "CPU ms"], rows)


def interleaved(variants: list[Child], rounds: int, **arguments: object) -> list[Figures]:
    """The medians of each variant; the rounds go around."""
    found = [[child.measure(**arguments) for child in variants] for _ in range(rounds)]
    return [medians(list(each)) for each in zip(*found, strict=True)]


SECTIONS: dict[str, Callable[[Size], Iterator[Table]]] = {
    "sdk": against_sdk,
    "own": own_cost,
    "log": log_rate,
    "crowd": crowds,
    "start": start,
    "bill": lambda _: bill(),
    "memory": lambda size: chain(recall(100_000, size.queries), memory()),
    "cached": lambda _: cached(),
    "plans": lambda _: plans(),
    "hostile": lambda _: hostile(),
    "growth": lambda _: growth(),
    "waiting": lambda _: waiting(),
    "past": lambda size: past(size.past, max(1, size.past // 200_000)),
}


def main() -> None:
    """Measure, and tell."""
    logging.getLogger("playhead").setLevel(logging.ERROR)  # the stub's cache only makes figures up
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"some of {', '.join(SECTIONS)}; all")
    parser.add_argument("--full", action="store_true", help="more rounds, more runs, larger crowds")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--against", metavar="REV", help="compare own cost with a revision's")
    given = parser.parse_args()
    unknown = set(given.sections) - SECTIONS.keys()
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}: choose from {', '.join(SECTIONS)}")
    where = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    machine = f"{where}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    if not given.json:
        print(f"{machine}\n")
    size = FULL if given.full else MODEST
    sections: list[str] = given.sections or ([] if given.against else list(SECTIONS))
    measured = chain.from_iterable(SECTIONS[name](size) for name in sections)
    if given.against:
        measured = chain(against(given.against, 4 * size.rounds), measured)
    tables: list[Table] = []
    try:
        for table in measured:
            tables.append(table)
            if not given.json:
                print(table.text, flush=True)
    except ValueError as error:
        parser.error(str(error))
    if given.json:
        figures = {table.name: table.plain for table in tables}
        json.dump({"machine": machine, **figures}, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
