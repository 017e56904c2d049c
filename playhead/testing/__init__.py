"""Doubles to test agents with, and the simulator that tries to break them.

    from playhead.testing import ScriptedModel, call, simulate

`ScriptedModel` says what its script says. `simulate(agent)` runs an agent a thousand times on a
virtual clock while processes die, disks fail, models stall and people interrupt, and checks after
each run that every promise of the README was kept. `RecordedRun` is a run that happened, to be
asserted about and forked.
"""

from playhead.simulation.simulate import SimulationFailed, SimulationReport, simulate
from playhead.testing.recorded_run import RecordedRun
from playhead.testing.scripted_model import Call, Part, Script, Scripted, ScriptedModel, call

__all__ = [
    "Call",
    "Part",
    "RecordedRun",
    "Script",
    "Scripted",
    "ScriptedModel",
    "SimulationFailed",
    "SimulationReport",
    "call",
    "simulate",
]
