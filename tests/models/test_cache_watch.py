"""A cache that misses although it should hit: said once a run, with the block's name."""

from typing import Any

import structlog

from playhead import Agent
from playhead.events.event import Block
from playhead.events.model_api import Reply
from playhead.events.spec.agent import AgentSpec, ModelSettings, ToolSpec
from playhead.events.usage import Usage
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.head import render_head
from playhead.testing import ScriptedModel
from playhead.tools.models.cache_watch import CacheWatch, Missed
from tests.support.agents import add, runtime

WROTE = Usage(input_tokens=5, cache_creation_input_tokens=2000)
READ = Usage(input_tokens=5, cache_read_input_tokens=2000, cache_creation_input_tokens=100)
NOTHING = Usage(input_tokens=2100)


def context(instructions: str = "Be brief.", tools: tuple[str, ...] = ("a", "b")) -> Context:
    specs = tuple(ToolSpec(name=t, description=t, input_schema={"type": "object"}) for t in tools)
    settings = ModelSettings(model="m")
    spec = AgentSpec(name="x", instructions=instructions, model=settings, tools=specs)
    return Context(render_head(spec), "goal")


def watch(*seen: tuple[str, Context, Usage, float]) -> list[Missed | None]:
    """What the watch says of each request."""
    found = CacheWatch()
    return [found.answered("x", run, c.request("m"), usage, at) for run, c, usage, at in seen]


def test_a_hit_is_not_worth_a_word() -> None:
    one = context()
    assert watch(("r", one, WROTE, 0.0), ("r", one, READ, 1.0)) == [None, None]


def test_an_endpoint_that_keeps_nothing_is_told_from_a_prefix_that_changed() -> None:
    one = context()
    _, missed = watch(("r", one, WROTE, 0.0), ("r", one, NOTHING, 1.0))
    assert missed is not None
    assert (missed.expected, missed.read) == (2000, 0)
    assert missed.block.startswith("none: ")


def test_the_same_block_is_named_once_a_run_and_again_in_the_next() -> None:
    one, other = context(), context()
    seen = watch(
        ("r", one, WROTE, 0.0), ("r", one, NOTHING, 1.0), ("r", one, WROTE, 2.0),
        ("r", one, NOTHING, 3.0), ("s", other, WROTE, 4.0), ("s", other, NOTHING, 5.0),
    )  # fmt: skip
    assert [missed is not None for missed in seen] == [False, True, False, False, False, True]


def test_instructions_that_change_from_run_to_run_are_named() -> None:
    morning, noon = context("It is 08:00."), context("It is 12:00.")
    _, missed = watch(("r1", morning, WROTE, 0.0), ("r2", noon, WROTE, 1.0))
    assert missed == Missed(2000, 0, "system[0]")


def test_tools_in_another_order_are_named() -> None:
    one, other = context(), context(tools=("b", "a"))
    _, missed = watch(("r1", one, WROTE, 0.0), ("r2", other, WROTE, 1.0))
    assert missed is not None
    assert missed.block == "tools[0] (a)"


def test_another_conversation_an_old_entry_and_a_cache_never_written_are_no_miss() -> None:
    assert watch(("r1", context(), WROTE, 0.0), ("r2", context(), WROTE, 1.0)) == [None, None]
    one = context()
    assert watch(("r", one, WROTE, 0.0), ("r", one, WROTE, 1000.0)) == [None, None]
    assert watch(("r", one, NOTHING, 0.0), ("r", one, NOTHING, 1.0)) == [None, None]


def test_a_miss_is_told_to_the_program_s_log_with_its_run() -> None:
    def script(body: dict[str, Any]) -> Reply:
        use: Block = {"type": "tool_use", "id": "u", "name": "add", "input": {"a": 1, "b": 2}}
        if len(body["messages"]) == 1:
            return Reply((use,), "tool_use", WROTE, "m")
        return Reply(({"type": "text", "text": "3"},), "end_turn", NOTHING, "m")

    with structlog.testing.capture_logs() as said:
        agent = Agent(name="x", model=ScriptedModel(script), tools=[add])
        with runtime(agent) as (made, _):
            run = made.run(agent, "go").run_id
    (warning,) = [line for line in said if line["event"] == "cache.missed"]
    assert (warning["run"], warning["expected"], warning["log_level"]) == (run, 2000, "warning")
