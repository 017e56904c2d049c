"""What may go wrong in a simulated life, and how often: one mix of faults is drawn per seed.

A crash point is `phase:place:kind`: when, between which two steps, and of what kind was the record
or the effect at hand. Where a process dies is drawn evenly over the places, and half of the time a
kind with it, so that the rare ones are hit as often as the common ones.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from random import Random

from playhead.simulation.faults.outages import Outages, draw_outages

TRIGGERS = (
    "run_started", "message_received", "model_answered", "model_failed", "tool_succeeded",
    "tool_failed", "tool_outcome_unknown", "rule_answered", "child_finished", "approval_decided",
    "cancel_requested", "run_paused", "run_resumed", "time_reached", "memory_recalled",
)  # fmt: skip
"""Kinds of records that open a turn."""

CALLS = ("step", "summary", "extraction")
"""What the model is asked for."""
EFFECTS = ("read", "keyed", "once")
RECALLS = ("start", "call")
"""Before the first step, or as a tool."""
RULES = ("approval", "router", "output", "strategy", "function")

PLACES: Mapping[str, tuple[str, ...]] = {
    "turn": (*(kind for kind in TRIGGERS if kind != "run_paused"), "decided"),
    "append.before": TRIGGERS, "append.committed": TRIGGERS, "append.told": TRIGGERS,
    "model.before": CALLS, "model.in": CALLS, "model.after": CALLS,
    "tool.before": EFFECTS, "tool.in": EFFECTS, "tool.after": EFFECTS,
    "rule.before": RULES, "rule.after": RULES,
    "recall.before": RECALLS, "recall.after": RECALLS,
    "probe.before": ("keyed", "once"), "probe.after": ("keyed", "once"),
}  # fmt: skip
"""turn: before a role decides; none decides on a pause. append.before, committed (nobody knows of
it yet), told. before, in and after an effect; in: it has happened, the code that did it has not
returned."""

SETTLED = ("model_answered", "model_failed", "tool_succeeded", "tool_failed", "rule_answered")
"""Outcomes that come while a process settles: a child stands still too, and a timeout is longer."""

LATER = ("approval_decided", "run_started")
"""What people hardly ever do in the first moment of a process."""

PHASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "running": {place: PLACES[place] for place in PLACES if not place.startswith("probe")},
    "recovery": {
        place: tuple(kind for kind in PLACES[place] if kind not in LATER)
        for place in (*list(PLACES)[:4], *list(PLACES)[-2:])
    },
    "shutdown": {
        **dict.fromkeys(("append.before", "append.committed", "append.told"), SETTLED),
        **{"model.after": ("step",), "tool.in": EFFECTS, "tool.after": EFFECTS},
    },
}
"""Where a process may die in each phase. What arrives during a shutdown is held, so that no role
is visited then, and only effects that are under way come to their end."""

CRASH_POINTS: tuple[str, ...] = tuple(
    f"{phase}:{place}:{kind}"
    for phase, places in PHASES.items()
    for place, kinds in places.items()
    for kind in kinds
)

SELDOM = ("tool.", "rule.", "probe.", "recall.")
"""Places that few lives come to: many plans name some of them, so that enough die there."""

USUAL: Mapping[str, Collection[str]] = {
    "running": ("run_started", "model_answered", "decided", "step"),
    "recovery": ("run_resumed", "model_failed"),
    "shutdown": ("model_answered",),
}
"""Kinds that many lives come to; most plans look for the others only."""

SCARCE = frozenset({
    "tool_outcome_unknown", "child_finished", "approval_decided", "time_reached", "summary",
    "extraction", "output", "function",
})  # fmt: skip
"""Kinds that hardly any process lives to see, if others kill it first: some plans look for these
only.
"""


def draw_plan(random: Random, mix: "Mix", *, first: bool, stops: bool) -> dict[str, int]:
    """`phase:place` or crash point -> the visit that kills; time will tell which comes first."""
    if random.random() >= mix.crash:
        return {}
    if mix.scarce or random.random() < 0.65:
        scarce = random.random() < 0.5
        only = random.choice((None, None, "recovery", "recovery", "shutdown" if stops else None))
        beside = f"running:model.{random.choice(('before', 'in', 'after'))}"
        plan = dict.fromkeys((f"{beside}:summary", f"{beside}:extraction"), 1) if scarce else {}
        return plan | {
            f"{phase}:{place}:{kind}": 1
            for phase, places in PHASES.items()
            if only in (None, phase)
            for place in [random.choice(list(places)[: random.choice((4, 99))])]
            for kind in places[place]
            if kind not in USUAL[phase] and (kind in SCARCE or not scarce or phase != "running")
        }
    after = () if first else ("recovery", "recovery")
    phase = random.choice(("running", *after, *(("shutdown",) * 3 if stops else ())))
    places = PHASES[phase]
    chosen = random.sample(list(places), random.choice((1, 2, 5)))
    plan = {f"{phase}:{place}": 1 + int(random.expovariate(1.0)) for place in chosen}
    seldom = [place for place in places if place.startswith(SELDOM)]
    few = random.sample(seldom, min(4, len(seldom) // 2))
    return plan | {f"{phase}:{place}": 1 for place in few}


KINDS = ("crash", "model", "tool", "log", "clock", "people", "deploy", "role", "outage")
"""What `faults=` may name."""

SCARCELY = "scarce"
"""May be named too: every process is to die, and only where others hardly ever do."""


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
    """An append is refused for good and is not in the log: the process may not write the run."""
    append_doubt: float = 0.0
    """An append is reported as refused for good and is in the log."""
    storage_fault: float = 0.0
    """An append fails for now and is not in the log."""
    storage_doubt: float = 0.0
    """An append is reported as failed for now and is in the log."""
    append_slow: float = 0.0
    disk_full: float = 0.0
    """That the disk is full for a while from now on, times twenty."""
    clock_jump: float = 0.0
    people: float = 0.0
    """How much people interfere: commands a process, times six."""
    deploy: float = 0.0
    """That a process has lost a tool."""
    scarce: bool = False
    """Processes die only at places where others hardly ever do."""
    role_error: float = 0.0
    """That a role raises, at each visit."""
    outages: Outages = ()
    """When the model is down."""


CALM = Mix()
"""Nothing goes wrong."""


def draw(random: Random, kinds: Collection[str]) -> Mix:
    """A mix for one life: each kind of fault is absent from some lives and heavy in others."""

    def some(kind: str, most: float) -> float:
        return most * random.random() ** 2 if kind in kinds and random.random() < 0.7 else 0.0

    mix = Mix(
        model_error=some("model", 0.5), model_slow=some("model", 0.3), model_odd=some("model", 0.4),
        tool_error=some("tool", 0.5), tool_hang=some("tool", 0.5), tool_odd=some("tool", 0.3),
        append_lost=some("log", 0.1), append_doubt=some("log", 0.1), append_slow=some("log", 1.0),
        disk_full=some("log", 0.3), clock_jump=some("clock", 1.0), people=some("people", 3.0),
        deploy=some("deploy", 0.4), role_error=some("role", 0.1) * (random.random() < 0.3),
        outages=draw_outages(random) if "outage" in kinds and random.random() < 0.3 else (),
        storage_fault=some("log", 0.3), storage_doubt=some("log", 0.2),
    )  # fmt: skip
    if "log" in kinds and random.random() < 0.1:  # whatever the storage does, the process lives on
        return replace(mix, append_lost=0.0, append_doubt=0.0, disk_full=random.random())
    if "crash" not in kinds or random.random() < 0.15:
        return mix
    if SCARCELY in kinds:
        return replace(mix, processes=random.randint(3, 5), crash=1.0, stop=0.5, scarce=True)
    return replace(mix, processes=random.randint(2, 5), crash=random.random() ** 0.5, stop=0.7)
