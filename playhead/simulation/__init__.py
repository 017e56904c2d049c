"""How do agents behave under crashes and faults? A seeded simulation of whole processes.

    from playhead.simulation import simulate

    simulate(agent, seeds=1000).check()

It runs an agent a thousand times on a virtual clock while processes die, disks fail, models stall
and people interrupt, and checks after each run that every promise of the README was kept.
"""

from playhead.simulation.simulate import SimulationFailed, SimulationReport, simulate

__all__ = ["SimulationFailed", "SimulationReport", "simulate"]
