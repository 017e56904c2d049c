"""The pytest marker `simulate`: a test returns an agent, which is run in a thousand simulations.

    pytest_plugins = ["playhead.simulation.pytest_marker"]        # in conftest.py

    @pytest.mark.simulate(seeds=1000)
    def test_the_refund_agent() -> Agent:
        return Agent(name="refunds", tools=[refund])

The test is called once for each simulated run, so that they share nothing. The marker takes the
arguments of `playhead.simulation.simulate`; without a mode, half of the runs test liveness.
"""

import inspect
from typing import Any, cast

import pytest

from playhead.definition.agent import Agent
from playhead.simulation.simulate import simulate


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "simulate(seeds=1000, first=0, log='memory', faults=..., mode=...): the test returns an "
        "agent; run it in that many simulations",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Simulate instead of calling, if the test is marked."""
    marker = pyfuncitem.get_closest_marker("simulate")
    if marker is None:
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    fixtures = {name: pyfuncitem.funcargs[name] for name in wanted}

    def agent() -> Agent[object]:
        return cast("Agent[object]", pyfuncitem.obj(**fixtures))

    _simulate(agent, *marker.args, **marker.kwargs)
    return True


def _simulate(agent: Any, seeds: int = 1000, **options: Any) -> None:
    if "mode" in options:
        simulate(agent, seeds, **options).check()
        return
    simulate(agent, seeds - seeds // 2, **options, mode="safety").check()
    simulate(agent, seeds // 2, **options, mode="liveness").check()
