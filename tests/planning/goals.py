"""The choice of strategy on labelled goals and golden logs: `python -m tests.planning.goals`.

The rule before is kept here, frozen, to measure the rule of today against it.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from playhead.actors.planning.strategy import choose
from playhead.events.codec import decode
from playhead.events.kinds.runs import RunStarted, StrategyChosen
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.spec.agent import AgentSpec, ModelSettings, ToolSpec

PAGE = Path(__file__).with_name("goals.txt")
GOLDEN = Path(__file__).parents[1] / "golden"

TOOL = ToolSpec(name="look_up", description="", input_schema={"type": "object"})
AGENT = AgentSpec(name="a", instructions="", model=ModelSettings(model="m"), tools=(TOOL,))


class Goal(NamedTuple):
    """One labelled goal."""

    kind: str
    """chat or task."""
    half: str
    """seen or kept."""
    text: str


def goals() -> list[Goal]:
    """All of them, in the order of the page."""
    found, kind, half = list[Goal](), "", ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("== "):
            _, kind, half = line.split()
        elif line and not line.startswith("#"):
            found.append(Goal(kind, half, line.replace("\\n", "\n")))
    return found


def planned(goal: str, *, session: bool = False) -> bool:
    """Whether the rules of today make a plan of it."""
    return choose(goal, AGENT, session=session).strategy == "plan"


def in_session(goal: str) -> bool:
    """The same for a turn of a session."""
    return planned(goal, session=True)


LISTED = re.compile(r"^[ \t]*(?:[-*\u2022]|\(?[0-9]{1,3}[.)])[ \t]+\S", re.MULTILINE)
NUMBERED = re.compile(r"(?<![\w.])\(?[0-9]{1,2}[.)]\s+\S")
AND = re.compile(r"\s*,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+|\s*;\s*", re.IGNORECASE)
PARALLEL = re.compile(
    r"\b(?:for (?:each|every|all)|each of|every one of|in parallel|at the same time"
    r"|simultaneously|concurrently|side by side|independently)\b",
    re.IGNORECASE,
)


def planned_before(goal: str) -> bool:
    """Whether the rules before made a plan of it: five parts, or a word of parallelism."""
    parts = max(len(LISTED.findall(goal)), len(NUMBERED.findall(goal)))
    for piece in re.findall(r"[^.:!?\n]+", goal):
        elements = AND.split(piece.strip()) if "," in piece else []
        if all(len(element.split()) <= 5 for element in elements[1:-1]):
            parts = max(parts, len(elements))
    return parts >= 5 or PARALLEL.search(goal) is not None


def recorded() -> Iterator[tuple[str, str]]:
    """The goal of each golden run whose strategy was chosen by the rules, and the strategy."""
    for path in sorted(GOLDEN.glob("*.db")):
        with closing(SqliteReader(path)) as log:
            goal: str | None = None
            for row in log.follow():
                match decode(row, log.body).event:
                    case RunStarted() as started:
                        goal = started.goal if started.agent.strategy == "auto" else None
                    case StrategyChosen(strategy=strategy) if goal is not None:
                        yield goal, strategy
                        goal = None
                    case _:
                        pass


def main() -> int:
    """Print how many of each kind and half become plans, by each rule."""
    rules: dict[str, Callable[[str], bool]] = {
        "before": planned_before, "today": planned, "today, in a session": in_session,
    }  # fmt: skip
    for half in ("seen", "kept"):
        for kind in ("chat", "task"):
            texts = [goal.text for goal in goals() if (goal.kind, goal.half) == (kind, half)]
            counts = [f"{name} {sum(map(rule, texts))}" for name, rule in rules.items()]
            sys.stdout.write(f"{kind} {half}: plans of {len(texts)}: {'; '.join(counts)}\n")
            if "-v" in sys.argv and half == "seen":
                wrong = [t for t in texts if planned(t) != (kind == "task")]
                sys.stdout.writelines(f"    {text!r}\n" for text in wrong)
    texts = [goal for goal, _ in recorded()]
    counts = [f"{name} {sum(map(rule, texts))}" for name, rule in rules.items()]
    sys.stdout.write(f"golden runs: plans of {len(texts)}: {'; '.join(counts)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
