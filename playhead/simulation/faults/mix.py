"""What may go wrong in a simulated run, and how often: one mix of faults is drawn per seed.

A crash point is `phase:place:kind`: when, between which two steps, and at which kind of record or
effect. The place of death is drawn evenly, and half of the time a kind with it, so that rare kinds
are hit as often as common ones.
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
"""The purposes of model calls."""
EFFECTS = ("read", "keyed", "once")
RECALLS = ("start", "call")
"""Before the first step, or as a tool."""
RULES = ("approval", "router", "output", "strategy", "function", "instructions", "guardrail")

PLACES: Mapping[str, tuple[str, ...]] = {
    "turn": (*(kind for kind in TRIGGERS if kind != "run_paused"), "decided"),
    "append.before": TRIGGERS, "append.committed": TRIGGERS, "append.told": TRIGGERS,
    "model.before": CALLS, "model.in": CALLS, "model.after": CALLS,
    "tool.before": EFFECTS, "tool.in": EFFECTS, "tool.after": EFFECTS,
    "rule.before": RULES, "rule.after": RULES,
    "recall.before": RECALLS, "recall.after": RECALLS,
    "probe.before": ("keyed", "once"), "probe.after": ("keyed", "once"),
}  # fmt: skip
"""turn: before a role decides; no role decides on a pause. append.before, committed (not yet
announced), told. before, in and after an effect; in: it has happened, but its code has not
returned."""

SETTLED = ("model_answered", "model_failed", "tool_succeeded", "tool_failed", "rule_answered")
"""Outcomes that arrive while a process settles: children are stopped, timeouts last longer."""

LATER = ("approval_decided", "run_started")
"""What people rarely do at the start of a process."""

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
"""Where a process may die in each phase. Events that arrive during a shutdown are held, so that no
role is visited then, and only open effects come to their end."""

CRASH_POINTS: tuple[str, ...] = tuple(
    f"{phase}:{place}:{kind}"
    for phase, places in PHASES.items()
    for place, kinds in places.items()
    for kind in kinds
)

SELDOM = ("tool.", "rule.", "probe.", "recall.")
"""Places that few simulated runs reach: many plans name some of them, so that enough die there."""

USUAL: Mapping[str, Collection[str]] = {
    "running": ("run_started", "model_answered", "decided", "step"),
    "recovery": ("run_resumed", "model_failed"),
    "shutdown": ("model_answered",),
}
"""Kinds that many simulated runs reach; most plans look only for the others."""

SCARCE = frozenset({
    "tool_outcome_unknown", "child_finished", "approval_decided", "time_reached", "summary",
    "extraction", "output", "function",
})  # fmt: skip
"""Kinds that few processes live to see unless nothing else kills them: some plans target only
these.
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
"""The names that `faults=` accepts."""

SCARCELY = "scarce"
"""Also accepted: every process must die, and only at rarely reached points."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The probability of each fault, from 0 to 1, in one simulated run."""

    processes: int = 1
    """Processes that may die or be stopped before the last one."""
    crash: float = 0.0
    stop: float = 0.0
    """That a process which does not crash is shut down while working."""
    model_error: float = 0.0
    model_slow: float = 0.0
    model_odd: float = 0.0
    """Unusual but complete replies."""
    tool_error: float = 0.0
    tool_hang: float = 0.0
    tool_odd: float = 0.0
    append_lost: float = 0.0
    """An append is permanently refused and is not in the log: the process may not write the run."""
    append_doubt: float = 0.0
    """An append is reported as permanently refused and is in the log."""
    storage_fault: float = 0.0
    """An append fails temporarily and is not in the log."""
    storage_doubt: float = 0.0
    """An append is reported as failing temporarily and is in the log."""
    append_slow: float = 0.0
    disk_full: float = 0.0
    """That the disk is full for a while from now on, times twenty."""
    clock_jump: float = 0.0
    people: float = 0.0
    """How much people interfere: commands per process, times six."""
    deploy: float = 0.0
    """That a process has lost a tool."""
    scarce: bool = False
    """Processes die only at rarely reached points."""
    role_error: float = 0.0
    """That a role raises, at each visit."""
    outages: Outages = ()
    """When the model is down."""


CALM = Mix()
"""Nothing goes wrong."""


def draw(random: Random, kinds: Collection[str]) -> Mix:
    """A mix for one run: each kind of fault is absent from some runs and frequent in others."""

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
    if "log" in kinds and random.random() < 0.1:  # the process survives every storage fault
        return replace(mix, append_lost=0.0, append_doubt=0.0, disk_full=random.random())
    if "crash" not in kinds or random.random() < 0.15:
        return mix
    if SCARCELY in kinds:
        return replace(mix, processes=random.randint(3, 5), crash=1.0, stop=0.5, scarce=True)
    return replace(mix, processes=random.randint(2, 5), crash=random.random() ** 0.5, stop=0.7)
