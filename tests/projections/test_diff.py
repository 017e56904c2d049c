"""Two runs side by side: where they part, and the difference in what came of it."""

from typing import Any

from playhead import Agent
from playhead.events.record import Record
from playhead.projections.history.diff import difference
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, fail, records, runtime


def told(*script: Any) -> list[Record]:
    agent: Agent[str] = Agent(name="a", model=ScriptedModel(script), tools=[add, fail])
    with runtime(agent) as (made, log):
        return records(log, made.run(agent, "go").run_id)


def test_two_runs_that_did_the_same_do_not_part() -> None:
    script = (call("add", a=1, b=2), "It is 3.")
    found = difference(told(*script), told(*script))
    assert found.parting is None
    assert found.outcomes == ("finished", "finished")
    assert all(f.left == f.right for f in found.numbers if "seconds" not in f.name)


def test_they_part_where_they_first_do_something_else_and_may_meet_again() -> None:
    left = told(call("add", a=1, b=2), "It is 3.")
    right = told(call("add", a=1, b=3), call("add", a=1, b=2), "It is 3.")
    found = difference(left, right)
    assert found.parting is not None
    first = found.pairs[found.parting]
    assert (first.left, first.right and first.right.text) == (None, "add(a=1, b=3)")
    assert found.pairs[-1].same
    indicators = {f.name: (f.left, f.right) for f in found.numbers}
    assert indicators["steps"] == (2, 3)
    assert indicators["tool calls"] == (1, 2)


def test_every_entry_of_both_stands_once_and_in_order() -> None:
    left = told(call("add", a=1, b=2), call("fail", why="x"), "One.")
    right = told(call("fail", why="y"), call("add", a=1, b=2), "Two.")
    found = difference(left, right)
    for side, records_ in (("left", left), ("right", right)):
        seqs = [getattr(pair, side).seq for pair in found.pairs if getattr(pair, side)]
        assert seqs == sorted(set(seqs))
        assert seqs[0] == 1
        assert seqs[-1] == len(records_)


def test_a_long_stretch_that_both_share_is_folded_and_nothing_that_differs_is() -> None:
    same = [call("add", a=n, b=2) for n in range(8)]
    found = difference(told(*same, "One."), told(*same, "Two."))
    shared, differs = found.groups()
    assert len(shared) > 8
    assert all(pair.same for pair in shared)
    assert [*shared, *differs] == found.pairs
    assert not any(pair.same for pair in differs)


def test_dollars_of_a_model_without_a_known_price_are_unknown_and_not_zero() -> None:
    one = told("Done.")
    dollars = next(f for f in difference(one, one).numbers if f.name == "dollars")
    assert (dollars.left, dollars.right) == (None, None)
