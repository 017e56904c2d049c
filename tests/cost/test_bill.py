"""What the prompt cache and the routing save, worked out from what a real server received."""

import json
from itertools import pairwise

from playhead import Agent, Limits, Runtime
from playhead.events.log.memory import MemoryLog
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.cost.ledger import bill, ledger
from tests.bench.bill import INSTRUCTIONS, VARIANTS, Desk, charged, run_task
from tests.support.agents import records
from tests.support.billing_api import Meter
from tests.support.messages_api import Block, MessagesApi, call, text
from tests.support.prompt_cache import marks

TURNS = 30


def thirty_turns(body: dict[str, object]) -> list[Block]:
    done = json.dumps(body).count('"tool_result"')
    if done < TURNS - 1:
        return [text(f"Step {done}."), call("look_up", {"source": f"s{done}"}, f"toolu_{done}")]
    return [text("Done.")]


def test_thirty_turns_with_ten_tools_are_read_from_the_cache_and_cost_a_fraction() -> None:
    meter, log = Meter(thirty_turns), MemoryLog()
    agent = Agent(
        name="a", instructions=INSTRUCTIONS, tools=Desk(cached=False).tools,
        limits=Limits(max_steps=TURNS),
    )  # fmt: skip
    with MessagesApi(meter) as api, Runtime(log, base_url=api.url) as runtime:
        result = runtime.run(agent, "thirty things")
    assert len(meter.usages) == TURNS
    read = sum(usage["cache_read_input_tokens"] for usage in meter.usages)
    fields = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    sent = sum(usage[field] for usage in meter.usages for field in fields)
    assert read / sent >= 0.85
    assert charged(meter) <= 0.3 * charged(meter, cached=False)
    assert result.metrics.cached_share == read / sent
    total = bill("total", ledger(records(log, result.run_id)))
    assert abs(total.cost / PICODOLLARS - charged(meter)) < 1e-9
    assert abs(total.uncached / PICODOLLARS - charged(meter, cached=False)) < 1e-9


def test_on_the_wire_a_request_begins_with_the_bytes_of_the_one_before_but_for_the_marks() -> None:
    with MessagesApi(Meter(thirty_turns)) as api, Runtime(MemoryLog(), base_url=api.url) as runtime:
        tools = Desk(cached=False).tools
        limits = Limits(max_steps=TURNS)
        runtime.run(Agent(name="a", instructions=INSTRUCTIONS, tools=tools, limits=limits), "go")
        bodies = api.bodies
    mark = b',"cache_control":{"type":"ephemeral"}'
    assert all(marks(json.loads(body)) <= 4 for body in bodies)
    plain = [body.replace(mark, b"") for body in bodies]
    for shorter, longer in pairwise(plain):
        stable = shorter.partition(b',{"type":"text","text":"<goal>')[0].removesuffix(b"]}]}")
        assert longer.startswith(stable)
        assert len(stable) > 0.9 * len(shorter)


def test_routing_prompt_cache_and_tool_cache_together_save_most_of_the_bill() -> None:
    none, *single, together = [run_task(variant)["total"] for variant in VARIANTS]
    assert together <= 0.4 * none
    assert all(together < alone < none for alone in single)
