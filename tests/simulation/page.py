"""The figures of a campaign as tables: printed at its end, and written into docs/campaign.md."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from playhead.simulation.faults.mix import PHASES

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

UNIT = {
    "lives in memory": "seeds",
    "lives on SQLite": "seeds",
    "power cuts": "cuts",
    "real kills": "processes killed",
    "damaged files": "files",
    "planted bugs": "bugs",
    "reload": "runs",
}


class Part(Protocol):
    """What one part of a campaign found."""

    tried: int
    broken: list[str]
    notes: Counter[str]
    seconds: float


def table(parts: Mapping[str, Part]) -> str:
    """One row for each part."""
    rows: list[Sequence[str]] = [("part", "tried", "broken", "95 % sure: at most", "CPU s")]
    for name, unit in UNIT.items():
        if (part := parts.get(name)) is not None:
            bound = "" if part.broken else rule_of_three(name, part.tried)
            tried = f"{part.tried:,} {unit}"
            rows.append((name, tried, str(len(part.broken)), bound, f"{part.seconds:.0f}"))
    return _markdown(rows)


def rule_of_three(part: str, tried: int) -> str:
    """What a clean part says: with 95 % confidence, at most 3 in so many would be broken."""
    if part in ("planted bugs", "reload"):
        return ""
    return f"3 in {tried:,}"


def crash_points(died: Mapping[str, int]) -> str:
    """How many processes died where: phases across, places down; and the rarest kind of each."""
    places = list(dict.fromkeys(place for phase in PHASES.values() for place in phase))
    rows: list[Sequence[str]] = [("process died at (rarest kind)", *PHASES)]
    rows += [(place, *(_died(died, phase, place) for phase in PHASES)) for place in places]
    return _markdown(rows)


def _died(died: Mapping[str, int], phase: str, place: str) -> str:
    kinds = PHASES[phase].get(place, ())
    counts = {kind: died.get(f"{phase}:{place}:{kind}", 0) for kind in kinds}
    rarest = min(counts, key=lambda kind: counts[kind], default="")
    return f"{sum(counts.values()):,} ({rarest} {counts[rarest]:,})" if counts else ""


def notes(parts: Mapping[str, Part]) -> str:
    """What else each part counted."""
    lines: list[str] = []
    for name in UNIT:
        if (part := parts.get(name)) is not None and part.notes:
            told = "; ".join(_note(what, count) for what, count in sorted(part.notes.items()))
            lines += [f"* {name}: {told}"]
    return "\n".join(lines)


def _note(what: str, count: int) -> str:
    return what if count == 1 else f"{count:,} {what}"


def rewrite(
    path: Path, size: str, seed: int, parts: Mapping[str, Part], died: Mapping[str, int]
) -> None:
    """Put the figures of a campaign between the marks of a page."""
    command = f"`make campaign SIZE={size}" + (f" SEED={seed}`" if seed else "`")
    figures = "\n\n".join((
        f"Written by {command}.", table(parts), crash_points(died), notes(parts),
    ))  # fmt: skip
    text = path.read_text()
    pattern = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
    path.write_text(pattern.sub(lambda _: f"{BEGIN}\n{figures}\n{END}", text))


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    ruler = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join((lines[0], ruler, *lines[1:]))
