"""A plan drawn from a run's records: one status for each step, wherever it is shown."""

from collections import Counter

from playhead.events.kinds.runs import RunCancelled
from playhead.events.record import Record
from playhead.inspector.plan_layout import plan_graph
from playhead.projections.plan.drawing import COLOURS, MARKS, as_mermaid, as_text, depths, drawn
from playhead.projections.plan.plan import plan_of
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from tests.support.planning import agent_of, step
from tests.support.virtual import RUN, Play

FAN_OUT = [
    step("find"),
    step("each", for_each="${find.items}", arguments={"given": "${item.n}"}),
    step("sum", arguments={"given": "${each}"}),
]


def until(records: list[Record], kind: str, name: str) -> list[Record]:
    """The records up to the one of that kind about that step."""
    return next(
        records[: n + 1]
        for n, record in enumerate(records)
        if record.event.kind == kind and getattr(record.event, "step", None) == name
    )


def test_after_each_record_the_plan_that_is_drawn_is_the_one_that_was_decided_with() -> None:
    bad = [step("find"), {**step("broken", depends_on=["find"]), "arguments": {"given": "${x}"}}]
    for plans in ([FAN_OUT], [bad, FAN_OUT]):
        records = Play(agent_of(*plans)).start().records
        state = RunState(RUN)
        for end, record in enumerate(records, 1):
            fold(state, record)
            drawn = plan_of(records[:end])
            decided = None if state.plan is None or not state.plan.seq else state.plan
            assert (drawn and drawn.nodes) == (decided and decided.nodes)


def test_elements_of_a_step_are_drawn_with_their_own_status() -> None:
    records = until(Play(agent_of(FAN_OUT)).start().records, "step_finished", "each[0]")
    plan, graph = plan_of(records), plan_graph(records)
    assert plan is not None
    assert graph is not None
    lines = [line.strip().split("  ")[0] for line in as_text(plan).splitlines()]
    shown = {node.step.id: node.step.status for node in graph.nodes}
    begun = {"find": "done", "each": "running", "each[0]": "done", "each[1]": "running"}
    assert shown == {**begun, "sum": "waiting", "answer": "waiting"}
    assert lines[:5] == ["[x] find", "|", "[>] each", "[x] each[0]", "[>] each[1]"]
    assert lines[6::2] == ["[ ] sum", "[ ] answer"]
    assert as_mermaid(plan).count("style ") == 4


def test_a_step_is_drawn_to_the_right_of_all_that_it_depends_on_and_elements_fan_out() -> None:
    graph = plan_graph(Play(agent_of(FAN_OUT)).start().records)
    assert graph is not None
    column = {node.step.id: node.x for node in graph.nodes}
    assert column["find"] < column["each"] < column["each[0]"] == column["each[1]"] < column["sum"]
    assert len({(node.x, node.y) for node in graph.nodes}) == 6
    assert len(graph.edges) == 6
    assert Counter(node.step.status for node in graph.nodes) == {"done": 6}


def test_text_mermaid_and_page_draw_the_same_steps_with_the_same_statuses() -> None:
    records = Play(agent_of(FAN_OUT)).start().records
    for end in range(1, len(records) + 1):
        plan, graph = plan_of(records[:end]), plan_graph(records[:end])
        if plan is None or graph is None:
            assert (plan, graph) == (None, None)
            continue
        steps = drawn(plan)
        assert [node.step for node in graph.nodes] == steps
        text, mermaid = as_text(plan), as_mermaid(plan)
        for each in steps:
            assert f"[{MARKS[each.status]}] {each.id}" in text
            assert f'["{each.id}: ' in mermaid
        coloured = sum(each.status in COLOURS for each in steps)
        assert mermaid.count("    style ") == coloured
        assert mermaid.count(" --> ") == len(graph.edges)


def test_a_step_that_ran_when_its_run_ended_is_stopped_and_not_running_for_ever() -> None:
    records = until(Play(agent_of(FAN_OUT)).start().records, "step_started", "each[1]")
    end = records[-1]._replace(seq=len(records) + 1, event=RunCancelled())
    plan = plan_of([*records, end])
    assert plan is not None
    statuses = {each.id: each.status for each in drawn(plan)}
    assert statuses["each[1]"] == "stopped"
    assert "running" not in statuses.values()
    assert statuses["find"] == "done"


def test_what_waits_for_itself_or_for_nothing_known_still_has_a_place() -> None:
    after = {"d": ("b", "c"), "a": (), "b": ("a",), "c": ("a", "unknown"), "loop": ("loop",)}
    found = depths(after)
    assert found["a"] < found["b"] == found["c"] < found["d"]
    assert "loop" in found
