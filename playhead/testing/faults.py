"""What may go wrong in a simulated life, and how often: one mix of faults is drawn per seed.

A crash point is `phase:place`. Where a process dies is drawn evenly over the points, so that the
rare ones are hit as often as the common ones.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from random import Random

PLACES = (
    "turn", "append.before", "append.committed", "append.told",
    "model.before", "model.in", "model.after",
    "tool.read.before", "tool.read.in", "tool.read.after",
    "tool.keyed.before", "tool.keyed.in", "tool.keyed.after",
    "tool.once.before", "tool.once.in", "tool.once.after",
    "rule.before", "rule.after",
)  # fmt: skip
"""turn: between two visits to a role. append.before, committed (nobody knows of it yet), told.
before, in and after an effect; in: it has happened, the code that did it has not returned. What
arrives during a shutdown is held, so that no role is visited then."""

CRASH_POINTS: tuple[str, ...] = (
    *(f"running:{place}" for place in PLACES),
    *(f"recovery:{place}" for place in (*PLACES[:4], "probe.before", "probe.after")),
    *(f"shutdown:{place}" for place in (*PLACES[1:4], "model.after", "tool.read.after",
                                        "tool.keyed.after", "tool.once.after")),
)  # fmt: skip

KINDS = ("crash", "model", "tool", "log", "clock", "people", "deploy", "role")
"""What `faults=` may name."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How likely each fault is, from 0 to 1, in one simulated life."""

    processes: int = 1
    """Processes that may die or be stopped before the last one."""
    crash: float = 0.0
    stop: float = 0.0
    """That a process which does not crash is shut down in mid-work."""
    model_error: float = 0.0
    model_slow: float = 0.0
    model_odd: float = 0.0
    """Unusual but whole replies."""
    tool_error: float = 0.0
    tool_hang: float = 0.0
    tool_odd: float = 0.0
    append_lost: float = 0.0
    """An append fails and is not in the log."""
    append_doubt: float = 0.0
    """An append is reported as failed and is in the log."""
    append_slow: float = 0.0
    disk_full: float = 0.0
    clock_jump: float = 0.0
    people: float = 0.0
    """How much people interfere: commands a process, times six."""
    deploy: float = 0.0
    """That a process has lost a tool."""
    role_error: float = 0.0
    """That a role raises, at each visit."""


CALM = Mix()
"""Nothing goes wrong."""


def draw(random: Random, kinds: Collection[str]) -> Mix:
    """A mix for one life: each kind of fault is absent from some lives and heavy in others."""

    def some(kind: str, most: float) -> float:
        return most * random.random() ** 2 if kind in kinds and random.random() < 0.7 else 0.0

    mix = Mix(
        model_error=some("model", 0.5), model_slow=some("model", 0.3), model_odd=some("model", 0.4),
        tool_error=some("tool", 0.5), tool_hang=some("tool", 0.3), tool_odd=some("tool", 0.3),
        append_lost=some("log", 0.1), append_doubt=some("log", 0.1), append_slow=some("log", 1.0),
        disk_full=some("log", 0.3), clock_jump=some("clock", 1.0), people=some("people", 3.0),
        deploy=some("deploy", 0.4), role_error=some("role", 0.1) * (random.random() < 0.3),
    )  # fmt: skip
    if "crash" not in kinds or random.random() < 0.15:
        return mix
    return replace(mix, processes=random.randint(2, 5), crash=random.random(), stop=0.7)
