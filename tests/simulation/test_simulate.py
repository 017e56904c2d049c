"""`simulate` and its marker, as users turn them on their own agents."""

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Limits, ToolContext, tool
from playhead.events.errors import UsageError
from playhead.simulation import SimulationFailed, SimulationReport, simulate
from playhead.simulation.faults.mix import CRASH_POINTS
from playhead.testing import Scripted, ScriptedModel, call
from playhead.tools.context import InputRequired
from tests.simulation import planted

pytest_plugins = ["pytester"]


@tool(effect="keyed")
async def refund(amount: int, context: ToolContext) -> str:
    """Give money back."""
    return f"{amount} under {context.key}"


def refunds() -> Agent:
    return Agent(name="refunds", tools=[refund], limits=Limits(max_steps=5))


def test_an_agent_whose_model_is_a_name_is_simulated_by_chance() -> None:
    report = simulate(refunds(), 30).check()
    assert report.seeds == 30
    assert report.runs >= 15
    assert report.crashes


def test_a_script_that_is_a_function_of_the_request_is_followed() -> None:
    asked: list[int] = []

    def script(body: dict[str, Any]) -> Scripted:
        asked.append(len(body["messages"]))
        return call("refund", amount=1) if asked[-1] == 1 else "Done."

    agent = Agent(name="scripted", model=ScriptedModel(script), tools=[refund])
    simulate(agent, 20, mode="liveness").check()
    assert {1, 3} <= set(asked)


def test_questions_that_tools_ask_people_are_drawn_answered_and_denied() -> None:
    answers: list[str] = []

    @tool(effect="once")
    async def ask(context: ToolContext) -> str:
        """Ask how many."""
        if context.input is None:
            fields: Any = {"amount": {"type": "integer"}}
            schema: Any = {"type": "object", "properties": fields, "required": ["amount"]}
            raise InputRequired({"q": {"message": "How many?", "requestedSchema": schema}}, None)
        answers.append(str(context.input.responses["q"]))
        return "ok"

    simulate(Agent(name="asks", tools=[ask]), 40).check()
    assert any("'amount': 7" in answer for answer in answers)
    assert any("decline" in answer for answer in answers)


def test_a_conversation_that_is_handed_over_is_simulated() -> None:
    heard: list[str] = []

    def takes_over(body: dict[str, Any]) -> Scripted:
        heard.append(str(body["messages"][-1]["content"]))
        return call("refund", amount=1) if "sent it back" in heard[-1] else "Paid back."

    billing = Agent(name="billing", model=ScriptedModel(takes_over), tools=[refund])
    over = call("handoff_to_billing", message="She sent it back.")
    model = ScriptedModel(lambda body: over if len(body["messages"]) == 1 else "It failed.")
    simulate(Agent(name="desk", model=model, handoffs=[billing]), 40).check()
    assert any("She sent it back." in said for said in heard)


def _reaching_out(reach: object) -> SimulationReport:
    assert callable(reach)

    @tool(effect="read")
    def connect() -> str:
        """Reach for the real world."""
        reach()
        return "reached"

    model = ScriptedModel(lambda _: call("connect"))
    agent = Agent(name="out", model=model, tools=[connect], limits=Limits(max_steps=1))
    return simulate(agent, 1, faults=(), mode="liveness")


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.socket().close(),
        lambda: subprocess.run(["true"], check=True),
        lambda: threading.Thread(target=threading.Event().wait, daemon=True).start(),
    ],
    ids=["socket", "process", "thread"],
)
def test_a_tool_that_reaches_for_the_real_world_fails_the_simulation(reach: object) -> None:
    (life, _), *_ = _reaching_out(reach).failed
    assert life.violations[0].invariant == "sealed"


def test_a_broken_promise_says_how_to_repeat_it_and_what_happened() -> None:
    report = _reaching_out(socket.socket)
    with pytest.raises(SimulationFailed) as failed:
        report.check()
    assert "simulate(agent, 1, first=0, log='memory', mode='liveness'" in str(failed.value)
    assert "run_started" in str(failed.value)


def test_an_unknown_fault_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="choose from crash"):
        simulate(refunds(), 1, faults=("earthquake",))


MARKED = """
import pytest
from playhead import Agent, tool

@tool(effect="read")
async def look() -> str:
    '''Look.'''
    return "seen"

@pytest.fixture
def tools():
    return [look]

@pytest.mark.simulate(seeds=6)
def test_looker(tools) -> Agent:
    return Agent(name="looker", tools=tools)
"""


def test_a_marked_test_is_run_through_its_lives(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["playhead.simulation.pytest_marker"]')
    pytester.makepyfile(MARKED)
    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_every_planted_bug_still_fits_the_code(tmp_path: Path) -> None:
    assert len(planted.names()) >= 60
    for name in planted.names():
        assert planted.plant(name, tmp_path).is_dir()


def test_the_command_that_a_broken_seed_prints_breaks_it_again(tmp_path: Path) -> None:
    copy = planted.plant("held_is_forgotten", tmp_path)
    variables = os.environ | {"PYTHONPATH": str(copy)}

    def simulated(*arguments: str) -> str:
        done = subprocess.run(
            (sys.executable, *arguments), cwd=copy, env=variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout

    printed = simulated(
        "-m", "playhead.simulation", "--seeds", "200", "--mode", "liveness", "--most", "1"
    )
    broken = re.search(r"^seed \d+; to repeat it: python (.*)\n  (\w+):", printed, re.MULTILINE)
    assert broken is not None
    again = simulated(*broken[1].split())
    assert broken[0] in again


def test_a_death_at_a_model_call_is_counted_by_what_was_asked_for() -> None:
    died = simulate(None, 150).crashes
    at_the_model = {point for point in died if point.startswith("running:model.")}
    assert at_the_model
    assert at_the_model <= set(CRASH_POINTS)
