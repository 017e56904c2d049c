"""Real bugs that the campaign found, each as small as it could be made."""

from playhead import Agent, Limits, tool
from playhead.events.event import Json
from playhead.testing import ScriptedModel, call
from playhead.testing.simulate import simulate


def _always(_: dict[str, Json]) -> bool:
    return True


@tool(effect="read", approval=_always)
async def ruled() -> str:
    """Ask a rule first."""
    return "done"


@tool(effect="read")
async def plain() -> str:
    """Just do it."""
    return "done"


def test_a_limit_reached_in_the_turn_that_asks_a_rule_does_not_lose_the_rules_answer() -> None:
    def agent() -> Agent:
        model = ScriptedModel([[call("ruled"), call("plain")], "Done."])
        return Agent(name="a", model=model, tools=[ruled, plain], limits=Limits(max_tool_calls=0))

    simulate(agent, 1, faults=(), mode="liveness").check()
