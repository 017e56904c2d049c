"""Traces of runs that belong together: plans, children in their parent's tree, forks linked."""

import asyncio
import json
import threading
from typing import Any

from playhead import Agent, Runtime, Telemetry
from playhead.events.log.memory import MemoryLog
from playhead.telemetry.setup import export_trace
from playhead.testing import ScriptedModel, call
from tests.telemetry.test_one_trace import whole
from tests.telemetry.traced import Seen, Spans, add, agent, recorded, tracing

STEPS: list[dict[str, Any]] = [
    {"id": "sum", "description": "Add.", "tool": "add", "arguments": {"a": 1, "b": 2}},
    {"id": "end", "description": "Say it.", "tool": "synthesize", "depends_on": ["sum"]},
]


def test_a_plan_is_a_span_with_its_model_calls_below_it() -> None:
    log, spans = MemoryLog(), Spans()
    replies = [json.dumps({"steps": [{"id": "x"}]}), json.dumps({"steps": STEPS}), "It is 3."]
    someone = agent(replies, strategy="plan")
    with tracing(log, spans, someone) as runtime:
        run = runtime.run(someone, "What is 1 + 2?").run_id
        assert set(spans.seen()) == set(recorded(log, run))
    whole(spans.seen())
    plan, root = spans.one("plan adder"), spans.one("invoke_agent adder")
    assert (plan.parent, plan.about["gen_ai.operation.name"]) == (root.id, "plan")
    chats = [span for span in spans.seen() if span.name.startswith("chat")]
    assert [span.parent == plan.id for span in chats] == [True, True, False]
    assert all(plan.start <= c.start <= c.end <= plan.end for c in chats[:2])  # type: ignore[operator]


def test_a_plan_that_is_never_made_leaves_no_orphan() -> None:
    log, spans = MemoryLog(), Spans()
    someone = agent(["no plan"] * 9, strategy="plan")
    with tracing(log, spans, someone) as runtime:
        run = runtime.start(someone, "What is 1 + 2?")
        list(run.events())
    assert set(spans.seen()) == set(recorded(log, run.id))
    whole(spans.seen())
    assert spans.one("plan adder").status == "ERROR"


def test_a_run_that_is_cancelled_while_it_plans_leaves_no_orphan() -> None:
    async def forever(_: object) -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    asked = threading.Event()
    log, spans = MemoryLog(), Spans()
    someone = Agent(name="adder", model=ScriptedModel(forever), strategy="plan")
    with tracing(log, spans, someone) as runtime:
        run = runtime.start(someone, "What is 1 + 2?")
        asked.wait()
        run.cancel()
        list(run.events())
    whole(spans.seen())
    assert set(spans.seen()) == set(recorded(log, run.id))
    assert spans.one("plan adder").status == "ERROR"


def test_children_stand_in_the_tree_of_their_parent() -> None:
    log, spans = MemoryLog(), Spans()
    child = Agent(name="helper", instructions="Help with sums.", model=ScriptedModel(["3."]))
    boss = Agent(
        name="boss", model=ScriptedModel([call("helper", task="What is 1 + 2?"), "It is 3."]),
        tools=[child, add],
    )  # fmt: skip
    with Runtime(
        log, [boss, child], telemetry=Telemetry(tracer_provider=spans.provider)
    ) as runtime:
        runtime.run(boss, "What is 1 + 2?")
    seen = spans.seen()
    ids = {span.id for span in seen}
    assert len({span.trace for span in seen}) == 1
    assert [span.name for span in seen if span.parent not in ids] == ["invoke_agent boss"]
    helper = spans.one("invoke_agent helper")
    assert next(s.name for s in seen if s.id == helper.parent) == "perform child_started"
    runs = [stream.id for stream in log.streams() if stream.kind == "run"]
    assert {span for run in runs for span in recorded(log, run)} == set(seen)


def test_a_fork_has_a_trace_of_its_own_that_links_to_its_parents() -> None:
    log, spans = MemoryLog(), Spans()
    someone = agent([call("add", a=1, b=2), "It is 3.", "It is three."])
    with tracing(log, spans, someone) as runtime:
        parent = runtime.run(someone, "What is 1 + 2?").run_id
        fork = runtime.fork(parent, 5)
        fork.wait()
    roots = {span.about["playhead.run"]: span for span in spans.seen() if span.parent is None}
    assert roots[parent].trace != roots[fork.id].trace
    assert roots[fork.id].links == (roots[parent].id,)
    assert links_of(log, fork.id) == [(roots[parent].trace, roots[parent].id)]
    assert root_of(recorded(log, parent)).links == ()


def root_of(seen: list[Seen]) -> Seen:
    return next(span for span in seen if span.parent is None)


def links_of(log: MemoryLog, run: str) -> list[tuple[int, int]]:
    """The links of a run's root span, as they are exported."""
    spans = Spans()
    export_trace(log, run, spans.provider)
    root = next(span for span in spans.finished() if span.parent is None)
    return [(link.context.trace_id, link.context.span_id) for link in root.links]
