"""The waterfall: every bar once, below what it belongs to."""

from playhead.events.record import Record
from playhead.projections.history.record_rows import RunRows
from playhead.projections.history.waterfall import WaterfallBar, waterfall
from tests.support.planning import agent_of as plans_of
from tests.support.planning import step
from tests.support.virtual import Play


def bars(records: list[Record]) -> tuple[list[WaterfallBar], RunRows]:
    rows = RunRows()
    for record in records:
        rows.fold(record)
    return waterfall(records, rows.rows), rows


PLAN = [
    step("find"),
    step("each", for_each="${find.items}", arguments={"given": "${item.n}"}),
    step("sum", arguments={"given": "${each}"}),
]


def test_every_bar_stands_once_and_after_what_it_lies_within() -> None:
    records = Play(plans_of(PLAN)).start().records
    for end in range(1, len(records) + 1):
        found, rows = bars(records[:end])
        assert sorted(bar.row.seq for bar in found) == [r.seq for r in rows.rows if r.bar]
        deep = -1
        for bar in found:
            assert bar.depth <= deep + 1
            deep = bar.depth


def test_calls_lie_within_their_steps_and_steps_within_the_run() -> None:
    found, _ = bars(Play(plans_of(PLAN)).start().records)
    depths = {bar.row.bar: bar.depth for bar in found}
    assert (depths["run"], depths["step"], depths["tool"]) == (0, 1, 2)
    step_of: dict[int, str] = {}
    current = ""
    for bar in found:
        if bar.row.bar == "step":
            current = bar.row.text
        elif bar.row.bar == "tool":
            step_of[bar.row.seq] = current
    assert len(set(step_of.values())) == len(step_of) == 4
