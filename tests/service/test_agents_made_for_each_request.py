"""A run uses the Agent object that it was started with; a name may have several versions."""

import gc
import threading
import weakref
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

from playhead import Agent, Cache, Depends, Guardrail, Run, Runtime, tool
from playhead.assembly.agents import made_for_one
from playhead.records import RunStarted
from playhead.testing import Scripted, ScriptedModel, call
from tests.support.agents import records, runtime


def results(body: dict[str, Any]) -> str:
    blocks = body["messages"][-1]["content"]
    return " ".join(str(block["content"]) for block in blocks if block["type"] == "tool_result")


def calls_orders(body: dict[str, Any]) -> Scripted:
    return call("orders") if len(body["messages"]) == 1 else results(body)


def desk(user: str, log_: list[str] | None = None, **more: Any) -> Agent:
    """An agent as a service makes it for one request: everything recorded is the same."""

    @tool(effect="read", **more)
    def orders() -> str:
        """List the user's orders. Use it when orders are asked about; returns their numbers."""
        if log_ is not None:
            log_.append(user)
        return f"orders of {user}"

    return Agent(name="desk", model=ScriptedModel(calls_orders), tools=[orders])


def test_two_agents_of_one_name_with_other_instructions_both_run() -> None:
    model = ScriptedModel(lambda body: str(body["system"]))
    with runtime() as (made, _):
        answers = [
            made.run(Agent(name="desk", instructions=f"You help {user}.", model=model), "hi").answer
            for user in ("Ann", "Bob")
        ]
    assert "You help Ann." in answers[0]
    assert "You help Bob." in answers[1]


def test_an_agent_whose_tool_was_made_again_runs() -> None:
    with runtime() as (made, _):
        assert made.run(desk("Ann"), "hi").answer == made.run(desk("Ann"), "hi").answer


def test_two_agents_that_record_the_same_keep_the_values_that_they_close_over() -> None:
    with runtime() as (made, log):
        runs = [made.start(desk(user), "hi") for user in ("Ann", "Bob", "Ann")]
        assert [run.wait().answer for run in runs] == [
            "orders of Ann", "orders of Bob", "orders of Ann",
        ]  # fmt: skip
        started = [records(log, run.id)[0].event for run in runs]
        assert len({event.definition for event in started if isinstance(event, RunStarted)}) == 1


def test_a_shared_cache_is_not_shared_by_tools_of_two_tenants() -> None:
    cache = Cache(shared=True)
    with runtime() as (made, _):
        answers = [made.run(desk(user, cache=cache), "hi").answer for user in ("Ann", "Bob")]
    assert answers == ["orders of Ann", "orders of Bob"]


def test_a_child_is_the_agent_among_its_own_parents_tools() -> None:
    def top(user: str) -> Agent:
        child = desk(user)

        def reply(body: dict[str, Any]) -> Scripted:
            first = len(body["messages"]) == 1
            return call("desk", task="list them") if first else results(body)

        return Agent(name="top", model=ScriptedModel(reply), tools=[child])

    with runtime() as (made, _):
        runs = [made.start(top(user), "hi") for user in ("Ann", "Bob")]
        answers = [run.wait().answer for run in runs]
    assert "orders of Ann" in answers[0]
    assert "orders of Bob" in answers[1]


def test_a_forked_run_is_continued_by_the_agent_of_its_parent() -> None:
    with runtime() as (made, log):
        ann, bob = desk("Ann"), desk("Bob")
        run = made.start(ann, "hi")
        run.wait()
        assert made.run(bob, "hi").answer == "orders of Bob"
        requested = next(r for r in records(log, run.id) if r.event.kind == "tool_requested")
        fork = made.fork(run.id, at=requested.seq - 1)
        assert fork.wait().answer == "orders of Ann"


def test_an_agent_that_no_open_run_uses_is_forgotten() -> None:
    with runtime() as (made, _):
        agents = [desk(f"user {n}") for n in range(3)]
        kept = [weakref.ref(agent) for agent in agents]
        while agents:
            made.run(agents.pop(), "hi")
        gc.collect()
        assert [ref() for ref in kept] == [None, None, None]


def test_an_agent_is_kept_as_long_as_its_run_is_open() -> None:
    going = threading.Event()

    @tool(effect="read")
    def slow() -> str:
        """Wait."""
        going.wait(30)
        return "done"

    def first(body: dict[str, Any]) -> Scripted:
        return call("slow") if len(body["messages"]) == 1 else call_or_end(body)

    def call_or_end(body: dict[str, Any]) -> Scripted:
        return call("orders") if len(body["messages"]) == 3 else results(body)

    made_by = desk("Ann")
    agent = Agent(name="desk", model=ScriptedModel(first), tools=[slow, *made_by.tools])
    with runtime() as (made, _):
        run = made.start(agent, "hi")
        del agent, made_by
        gc.collect()
        going.set()
        assert run.wait().answer == "orders of Ann"


def left_open(path: Path, *agents: Agent, model: ScriptedModel | None = None) -> list[str]:
    """Runs of a process that ended while they waited for approval."""
    with Runtime(path, model=model) as made:
        runs = [made.start(agent, "hi") for agent in agents]
        for run in runs:
            until_asked(run)
        return [run.id for run in runs]


def until_asked(run: Run[Any]) -> None:
    for record in run.events():
        if record.event.kind == "approval_requested":
            return


def approve(made: Runtime, run: str) -> str:
    waiting = made.attach(run)
    waiting.approve(waiting.approvals()[0].call)
    return waiting.wait().answer


def test_a_run_is_taken_up_by_the_version_that_recorded_the_same(tmp_path: Path) -> None:
    def version(number: int) -> Agent:
        agent = desk(f"version {number}", approval=True)
        return Agent(
            name="desk", instructions=f"Version {number}.", model=agent.model, tools=agent.tools
        )

    first, second = left_open(tmp_path / "log.db", version(1), version(2))
    with Runtime(tmp_path / "log.db", [version(2), version(1)]) as made:
        assert approve(made, first) == "orders of version 1"
        assert approve(made, second) == "orders of version 2"


def test_a_run_whose_version_is_gone_is_taken_up_by_the_newest_of_its_name(tmp_path: Path) -> None:
    changed = Agent(name="desk", instructions="Changed.", model=desk("").model, tools=[])
    old = desk("old", approval=True)
    (run,) = left_open(tmp_path / "log.db", old)
    newest = Agent(name="desk", instructions="Newest.", model=old.model, tools=old.tools)
    with Runtime(tmp_path / "log.db", [changed, newest]) as made:
        assert approve(made, run) == "orders of old"


def test_starting_a_run_takes_up_none_with_functions_that_hold_another_callers_values(
    tmp_path: Path,
) -> None:
    used: list[str] = []
    (run,) = left_open(tmp_path / "log.db", desk("Ann", used, approval=True))
    with Runtime(tmp_path / "log.db") as made:
        bob = made.start(desk("Bob", used, approval=True), "hi")
        until_asked(bob)
        approve(made, bob.id)
        assert made.runs.approvals(run)  # it still waits: nobody here is known to act for Ann
        assert used == ["Bob"]
        ann = made.attach(run, desk("Ann", used, approval=True))
        ann.approve(ann.approvals()[0].call)
        assert ann.wait().answer == "orders of Ann"


@tool(approval=True)
def plain() -> str:
    """Do it."""
    return "done"


def test_starting_a_run_takes_up_those_that_recorded_the_same_agent(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> Scripted:
        return call("plain") if len(body["messages"]) == 1 else results(body)

    def agent(instructions: str) -> Agent:
        return Agent(name="plain", instructions=instructions, tools=[plain])

    model = ScriptedModel(reply)
    same, other = left_open(tmp_path / "log.db", agent("One."), agent("Two."), model=model)
    with Runtime(tmp_path / "log.db", model=model) as made:
        made.start(agent("One."), "again")
        assert approve(made, same) == "done"
        held = made.attach(other)
        held.approve(held.approvals()[0].call)
        assert held.status == "running"


def test_an_agent_with_a_model_made_for_one_tenant_takes_up_no_run_of_another(
    tmp_path: Path,
) -> None:
    def tenant(user: str, used: list[str]) -> Agent:
        def reply(body: dict[str, Any]) -> Scripted:
            used.append(user)
            return call("plain") if len(body["messages"]) == 1 else f"done for {user}"

        return Agent(name="plain", model=ScriptedModel(reply), tools=[plain])

    used: list[str] = []
    (ann,) = left_open(tmp_path / "log.db", tenant("Ann", []))
    with Runtime(tmp_path / "log.db") as made:
        bob = made.start(tenant("Bob", used), "hi")
        until_asked(bob)
        held = made.attach(ann)
        held.approve(held.approvals()[0].call)
        assert held.status == "running"  # nobody here is known to act for Ann
        assert used == ["Bob"]
        assert made.attach(ann, tenant("Ann", used)).wait(20).answer == "done for Ann"


class Connection:
    """One tenant's, callable."""

    def __call__(self, text: str) -> str:
        """Ask it."""
        return text


def find(connection: Connection, text: str) -> str:
    """Find something."""
    return connection(text)


@cache
def once(text: str) -> str:
    """Find something, once."""
    return text


def test_values_of_one_caller_are_seen_in_closures_partials_objects_and_dependencies() -> None:
    mine = Connection()

    def connected() -> Connection:
        return mine

    def depends(db: Annotated[Connection, Depends(connected)], text: str) -> str:
        """Find something."""
        return db(text)

    def names(text: str) -> str:
        return text

    def made(*functions: Callable[..., str], **more: Any) -> bool:
        tools = [tool(each, name="find", description="Find.") for each in functions]
        return made_for_one(Agent(name="desk", tools=tools, **more))

    assert made(model=ScriptedModel([]))
    assert made(partial(find, mine))
    assert made(mine)
    assert made(depends)
    assert made(guardrails=[Guardrail(name="g", on="input", check=lambda text: bool(mine(text)))])
    assert not made(names)
    assert not made(once)
