"""A fork shares its parent's past, is answered from its records, and asks before it acts."""

from collections.abc import Iterator
from typing import Any

import pytest

from playhead import Agent, Limits, RunNotFinished, Runtime, tool
from playhead.actors.engine.parent_outcomes import ParentRun
from playhead.actors.fork import cut_at, fork_run
from playhead.actors.replay import replay
from playhead.events.codec import body_refs
from playhead.events.errors import ModelError, UnknownRun, UsageError
from playhead.events.event import Event
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunFinished
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.contract import Append, Head
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Stored
from playhead.events.registry import INTENTS
from playhead.forking import Instead
from playhead.run import Run
from playhead.testing import ScriptedModel, call
from playhead.tools.context import ToolContext
from playhead.tools.tool import AnyTool
from tests.support.agents import add, kinds, records, runtime

LOST = "two replies asked for what the log has"


class Shop:
    """A world in which orders are placed, and counted."""

    def __init__(self) -> None:
        self.orders: list[str] = []

    def order(self, item: str, context: ToolContext) -> str:
        """Order an item.

        Args:
            item: what to order.
        """
        self.orders.append(context.key)
        return f"ordered {item}"


def results(body: dict[str, Any]) -> int:
    return sum(b["type"] == "tool_result" for m in body["messages"] for b in m["content"])


def script(body: dict[str, Any]) -> Any:
    """Two sums at once, an order, an answer; what it says depends on the conversation alone."""
    match results(body):
        case 0:
            return [call("add", a=1, b=2), call("add", a=1, b=2)]
        case 2:
            return call("order", item="tea")
        case _:
            said = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
            return "; ".join(str(b["content"]) for b in said)


def counted(body: dict[str, Any]) -> Any:
    return f"live: {results(body)}"


def heard(body: dict[str, Any]) -> Any:
    return f"heard {body['messages'][-1]['content'][0]['text']}"


def delegating(body: dict[str, Any]) -> Any:
    return "Done." if results(body) else call("helper", task="help me")


def silent(_: dict[str, Any]) -> Any:
    return ModelError("asked", "the model was asked, though the log has its answer")


def shopper(shop: Shop, model: Any = script, **more: Any) -> Agent[str]:
    tools: list[AnyTool] = [add, tool(effect="keyed")(shop.order)]
    return Agent(name="shopper", model=ScriptedModel(model), tools=tools, **more)


@pytest.fixture(scope="module")
def parent() -> tuple[MemoryLog, str]:
    log = MemoryLog()
    with Runtime(log) as made:
        return log, made.run(shopper(Shop()), "shop").run_id


def copy(log: MemoryLog, *runs: str) -> MemoryLog:
    """A log of its own with the same runs, so that tests do not meet."""
    made = MemoryLog()
    for run in runs:
        rows = [row._replace(position=0) for row in log.read(run)]
        bodies = {d: log.body(d) for row in rows for d in body_refs(row).values()}
        told: list[int | Exception] = []
        made.submit(Append(run, Head(), tuple(rows), bodies), told.append)
        assert isinstance(told[0], int)
    return made


def end_of(log: MemoryLog, run: str) -> Event:
    return records(log, run)[-1].event


def answer(run: Run[Any]) -> str:
    return run.wait(20).answer


def cuts(log: MemoryLog, run: str) -> Iterator[int]:
    yield from range(1, log.head(run).seq + 1)


def test_a_fork_that_changes_nothing_goes_the_parents_way_without_model_or_tool(
    parent: tuple[MemoryLog, str],
) -> None:
    whole, run = parent
    finished = end_of(whole, run)
    for at in cuts(whole, run):
        log, shop = copy(whole, run), Shop()
        with Runtime(log) as made:
            fork = made.fork(run, at, Instead(agent=shopper(shop, silent)))
            answer(fork)
        assert end_of(log, fork.id) == finished, at
        assert shop.orders == []
        assert replay(log, fork.id).matches
        own = [row for row in log.read(fork.id) if row.run == fork.id]
        assert own[0].kind == "run_forked"
        assert own[0].seq <= at + 1


def test_a_fork_is_its_parents_record_for_record_up_to_the_cut(
    parent: tuple[MemoryLog, str],
) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    with Runtime(log) as made:
        fork = made.fork(run, 9, Instead(agent=shopper(Shop(), silent)))
        answer(fork)
    stream = log.stream(fork.id)
    assert stream is not None
    assert stream.parent == run
    at = stream.parent_seq
    assert at is not None
    assert list(log.read(fork.id, 0, at)) == list(log.read(run, 0, at))
    assert sum(row.run == fork.id for row in log.follow()) == log.head(fork.id).seq - at


@pytest.mark.parametrize(
    "change", [Instead(model="another"), Instead(instructions="Be brief.")], ids=["model", "words"]
)
def test_from_the_first_request_that_differs_a_fork_is_live(
    parent: tuple[MemoryLog, str], change: Instead
) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    before = records(log, run)
    second = [r.seq for r in before if r.event.kind == "model_requested"][1]
    agent = shopper(Shop(), counted)
    with Runtime(log, [agent]) as made:
        fork = made.fork(run, second, change)
        assert answer(fork) == "live: 2"
    assert isinstance(agent.model, ScriptedModel)
    asked = agent.model.requests[0].body
    assert asked.get("model") == (change.model or asked["model"])
    assert (change.instructions or "") in str(asked.get("system", ""))
    assert replay(log, fork.id).matches


def test_a_result_can_be_another_one(parent: tuple[MemoryLog, str]) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    first = next(r.seq for r in records(log, run) if r.event.kind == "tool_requested")
    agent = shopper(Shop())
    with Runtime(log, [agent]) as made:
        fork = made.fork(run, None, Instead(results={first: 100}, allow=["order"]))
        assert answer(fork) == "100; 3; ordered tea"
    given = [r.event for r in records(log, fork.id) if isinstance(r.event, ToolSucceeded)]
    assert 100 in [event.result for event in given]  # two calls at once: either may end first
    assert replay(log, fork.id).matches


def test_a_message_is_heard_where_the_fork_begins(parent: tuple[MemoryLog, str]) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    agent = shopper(Shop(), heard)
    with Runtime(log, [agent]) as made:
        fork = made.fork(run, None, Instead(message="and cake?"))
        assert answer(fork) == "heard and cake?"
    with Runtime(log, [agent]) as made, pytest.raises(UsageError, match="nobody listens"):
        made.fork(run, 1, Instead(message="too early"))


def test_other_limits_stop_a_fork_that_costs_nothing(parent: tuple[MemoryLog, str]) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    with Runtime(log, [shopper(Shop(), silent)]) as made:
        fork = made.fork(run, 1, Instead(limits=Limits(max_steps=1)))
        with pytest.raises(RunNotFinished, match="max_steps"):
            fork.wait(20)


# Effects


def waiting(run: Run[Any], log: MemoryLog) -> int:
    """The call that waits for approval, once it does."""
    for record in run.events():
        if record.run == run.id and record.event.kind == "approval_requested":
            return run.approvals()[0].call
    raise AssertionError(kinds(log, run.id))


def test_an_effect_that_the_records_do_not_answer_asks_a_person_first(
    parent: tuple[MemoryLog, str],
) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    shop = Shop()
    with Runtime(log, [shopper(shop)]) as made:
        fork = made.fork(run, 1, Instead(model="another"))
        seq = waiting(fork, log)
        assert shop.orders == []
        fork.approve(seq)
        assert answer(fork) == "3; 3; ordered tea"
    assert shop.orders == [f"{fork.id}:{seq}"]
    assert replay(log, fork.id).matches


def test_tools_that_are_allowed_ask_nobody_and_live_ones_are_called_again(
    parent: tuple[MemoryLog, str],
) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    shop = Shop()
    with Runtime(log, [shopper(shop, silent)]) as made:
        fork = made.fork(run, 1, Instead(live=["order"], allow=["order"]))
        assert answer(fork) == "3; 3; ordered tea"
        with pytest.raises(UsageError, match=r"no tool .oder. .it has add, order"):
            made.fork(run, 1, Instead(live=["oder"]))
    assert len(shop.orders) == 1


def test_a_call_of_the_parents_keeps_the_parents_key(parent: tuple[MemoryLog, str]) -> None:
    """Cut off between start and outcome, with no outcome recorded: a new attempt, the same key."""
    whole, run = parent
    started = [r for r in records(whole, run) if r.event.kind == "tool_started"][-1]
    log = MemoryLog()
    rows = tuple(row._replace(position=0) for row in whole.read(run, 0, started.seq))
    log.submit(Append(run, Head(), rows), lambda _: None)
    shop = Shop()
    with Runtime(log, only_runs=()) as made:
        fork = made.fork(run, started.seq, Instead(agent=shopper(shop), allow=["order"]))
        answer(fork)
    assert shop.orders == [f"{run}:{started.event.call}"]  # type: ignore[attr-defined]


def test_an_approval_for_the_parents_call_is_none_for_the_forks() -> None:
    shop = Shop()
    agent = Agent(
        name="shopper", model=ScriptedModel(script),
        tools=[add, tool(effect="keyed", approval=True)(shop.order)],
    )  # fmt: skip
    with runtime(agent) as (made, log):
        run = made.start(agent, "shop")
        run.approve(waiting(run, log))
        answer(run)
        decided = next(r.seq for r in records(log, run.id) if r.event.kind == "approval_decided")
        fork = made.fork(run.id, decided, Instead(live=["order"]))
        seq = waiting(fork, log)
        assert len(shop.orders) == 1
        fork.deny(seq)
        fork.wait(20)
    assert len(shop.orders) == 1


# Where it is cut


def test_a_cut_inside_a_turn_is_rounded_down_to_its_opening_record(
    parent: tuple[MemoryLog, str],
) -> None:
    log, run = parent
    rows = list(log.read(run))
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        cut = cut_at(log, run, row.seq)
        if following is not None and following.origin != "decided":
            assert (cut.at, cut.undecided) == (row.seq, None)
        else:
            trigger = max(r.seq for r in rows[: row.seq] if r.origin != "decided")
            assert (cut.at, cut.undecided) == (trigger, trigger)
        assert cut.hash == rows[cut.at - 1].hash
    for at in (0, len(rows) + 1):
        with pytest.raises(UsageError, match="there is no record"):
            cut_at(log, run, at)
    with pytest.raises(UnknownRun):
        cut_at(log, "nobody", 1)


def test_forks_can_be_forked_and_every_one_replays(parent: tuple[MemoryLog, str]) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    with Runtime(log, [shopper(Shop(), silent)]) as made:
        for depth in range(6):
            end = log.head(run).seq
            fork = made.fork(run, max(1, end - depth * 2))
            assert answer(fork) == "3; 3; ordered tea"
            assert replay(log, fork.id).matches
            run = fork.id
    for at in cuts(log, run):
        copied = cut_at(log, run, at)
        assert copied.at <= at


class Counting(MemoryLog):
    """Counts the rows that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def read(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Stored]:
        for row in super().read(run, after, to):
            self.rows += 1
            yield row


def test_a_fork_reads_as_much_at_record_2_000_as_at_record_1_000() -> None:
    log, looper = Counting(), Agent(
        name="looper", tools=[add], limits=Limits(max_steps=10_000),
        model=ScriptedModel(lambda body: call("add", a=results(body), b=1)),
    )  # fmt: skip
    with Runtime(log, [looper]) as made:
        run = made.start(looper, "count")
        for record in run.events():
            if record.seq > 2_000:
                run.cancel()
                break
        list(run.events())
    read: list[int] = []
    for at in (10, 1_000, 2_000):
        log.rows = 0
        cut = cut_at(log, run.id, at)
        fork_run(log, cut, f"fork{at}", 0)
        read.append(log.rows)
    assert read[0] <= read[1] == read[2] < 40


# Crashes


def test_a_fork_cut_off_anywhere_goes_on_with_the_same_answers(
    parent: tuple[MemoryLog, str],
) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    with Runtime(log, [shopper(Shop(), silent)]) as made:
        fork = made.fork(run, 1)
        answer(fork)
    finished = end_of(log, fork.id)
    assert isinstance(finished, RunFinished)
    own = [row for row in log.read(fork.id) if row.run == fork.id]
    turns = [n for n, row in enumerate(own) if row.origin != "decided"][1:]
    for end in turns:
        crashed = copy(log, run)
        rows = tuple(row._replace(position=0) for row in own[:end])
        append = Append(fork.id, Head(1, rows_hash(log, run)), rows, {}, "run", run, 1)
        crashed.submit(append, lambda _: None)
        shop = Shop()
        with Runtime(crashed, [shopper(shop, silent)]) as made:
            assert answer(made.attach(fork.id)) == finished.answer
        assert shop.orders == []
        assert replay(crashed, fork.id).matches


def rows_hash(log: MemoryLog, run: str) -> bytes:
    return next(log.read(run, 0, 1)).hash


def test_which_intents_were_answered_can_be_told_from_the_log(
    parent: tuple[MemoryLog, str],
) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    third = [r.seq for r in records(log, run) if r.event.kind == "model_answered"][1]
    with Runtime(log, [shopper(Shop())]) as made:
        fork = made.fork(run, third, Instead(live=["order"], allow=["order"]))
        answer(fork)
    found = records(log, fork.id)
    forked = next(r.event for r in found if isinstance(r.event, RunForked))
    intents = [r for r in found if r.run == fork.id and r.event.kind in INTENTS]
    live = [r.event.kind for r in intents if r.seq not in ParentRun(log, fork.id, forked).answered]
    assert live == ["tool_started"]


def test_what_befell_the_parents_process_is_not_repeated() -> None:
    """An attempt that was interrupted, or met an outage, is no answer: the one after it is."""
    tries: list[int] = []

    def flaky(body: dict[str, Any]) -> Any:
        tries.append(1)
        if len(tries) == 1:
            return ModelError("overloaded", "busy", retryable=True)
        return "Hello."

    with runtime() as (made, log):
        agent: Agent[str] = Agent(name="a", model=ScriptedModel(flaky))
        run = made.run(agent, "hello").run_id
        assert len(tries) == 2
        fork = made.fork(run, 1)
        assert answer(fork) == "Hello."
        assert len(tries) == 2
        assert kinds(log, fork.id).count("model_failed") == 0


def test_a_fork_is_in_no_session(parent: tuple[MemoryLog, str]) -> None:
    agent: Agent[str] = Agent(
        name="a", model=ScriptedModel(lambda body: str(len(body["messages"])))
    )
    with runtime(agent) as (made, _log):
        first = made.run(agent, "1", session="s").run_id
        made.fork(first, 1).wait(20)
        assert made.run(agent, "2", session="s").answer == "3"


def test_an_agent_that_is_not_known_here_is_a_mistake(parent: tuple[MemoryLog, str]) -> None:
    log, run = copy(parent[0], parent[1]), parent[1]
    with Runtime(log) as made, pytest.raises(UsageError, match="not known here"):
        made.fork(run, 1)
    assert len(list(log.streams())) == 1


def test_a_child_that_the_parent_had_finished_is_not_started_again() -> None:
    child: Agent[str] = Agent(name="helper", model=ScriptedModel(["helped"]))
    boss: Agent[str] = Agent(
        name="boss",
        model=ScriptedModel(delegating),
        tools=[child],
    )
    with runtime(boss) as (made, log):
        run = made.run(boss, "go").run_id
        for at in cuts(log, run):
            fork = made.fork(run, at)
            assert answer(fork) == "Done."
            assert replay(log, fork.id).matches
        assert sum(stream.id.startswith(f"{run}.") for stream in log.streams()) == 1
        assert len([s for s in log.streams() if s.kind == "run" and "." in s.id]) == 1
