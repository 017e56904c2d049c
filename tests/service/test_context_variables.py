"""The caller's ContextVars are seen by whatever works for the runs that it starts."""

import asyncio
import gc
import weakref
from collections.abc import Generator
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import pytest

from playhead import Agent, Depends, Runtime, tool
from playhead.testing import Scripted, ScriptedModel, call
from tests.support.agents import runtime


class Tenant:
    """A value that can be watched by a weak reference."""

    def __init__(self, name: str) -> None:
        self.name = name


NOBODY = Tenant("nobody")
tenant: ContextVar[Tenant] = ContextVar("tenant", default=NOBODY)


@pytest.fixture(autouse=True)
def _nobody() -> Generator[None]:
    token = tenant.set(NOBODY)
    yield
    tenant.reset(token)


def who() -> str:
    return tenant.get().name


@tool(effect="read")
def sync_who() -> str:
    """Say whose request this is."""
    return who()


@tool(effect="read")
async def async_who() -> str:
    """Say whose request this is."""
    return who()


@tool(effect="read")
def given_who(name: Annotated[str, Depends(who)]) -> str:
    """Say whose request this is."""
    return name


def results(body: dict[str, Any]) -> str:
    """What the last tool results said, as the answer."""
    blocks = body["messages"][-1]["content"]
    return " ".join(str(block["content"]) for block in blocks if block["type"] == "tool_result")


def asks(*tools: str) -> ScriptedModel:
    """Calls each tool once, then answers with their results."""

    def reply(body: dict[str, Any]) -> Scripted:
        first = len(body["messages"]) == 1
        return [call(name) for name in tools] if first else results(body)

    return ScriptedModel(reply)


WHO = Agent(
    name="who",
    model=asks("sync_who", "async_who", "given_who"),
    tools=[sync_who, async_who, given_who],
)


def in_the_name_of(name: str) -> None:
    tenant.set(Tenant(name))


@pytest.mark.parametrize("way", ["run", "start", "arun", "await"])
def test_tools_and_dependencies_see_what_the_caller_had_set_however_the_run_is_started(
    way: str,
) -> None:
    async def play(made: Runtime) -> str:
        in_the_name_of("acme")
        match way:
            case "run":
                return (await asyncio.to_thread(made.run, WHO, "who?")).answer
            case "start":
                return (await asyncio.to_thread(made.start(WHO, "who?").wait)).answer
            case "arun":
                return (await made.arun(WHO, "who?")).answer
            case _:
                return (await made.start(WHO, "who?")).answer

    with runtime() as (made, _):
        assert asyncio.run(play(made)) == "acme acme acme"


def test_two_callers_at_once_are_not_confused() -> None:
    async def one(made: Runtime, name: str) -> str:
        in_the_name_of(name)
        return (await made.arun(WHO, "who?")).answer

    async def both(made: Runtime) -> list[str]:
        return list(await asyncio.gather(*(one(made, f"t{n}") for n in range(8))))

    with runtime() as (made, _):
        assert asyncio.run(both(made)) == [f"t{n} t{n} t{n}" for n in range(8)]
    assert tenant.get() is NOBODY


def test_rules_routers_and_models_see_them_too() -> None:
    seen: dict[str, str] = {}

    def rule(_: object) -> bool:
        seen["rule"] = who()
        return False

    @tool(effect="read", approval=rule)
    def work() -> str:
        """Work."""
        return who()

    def router(_: str) -> str:
        seen["router"] = who()
        return "reasoning"

    def reply(body: dict[str, Any]) -> Scripted:
        seen["model"] = who()
        return call("work") if len(body["messages"]) == 1 else "ok"

    agent = Agent(name="all", model=ScriptedModel(reply), tools=[work], router=router)
    with runtime() as (made, _):
        in_the_name_of("acme")
        made.run(agent, "go")
    assert seen == {"rule": "acme", "router": "acme", "model": "acme"}


def test_a_watcher_sees_the_context_of_the_run_that_it_is_called_for() -> None:
    seen: set[tuple[str, str]] = set()
    with runtime() as (made, _):
        made.watch(lambda state, _: seen.add((state.run_started.goal, who())))
        for name in ("ann", "bob"):
            in_the_name_of(name)
            made.run(WHO, name)
    assert seen == {("ann", "ann"), ("bob", "bob")}


def test_a_child_run_inherits_the_context_of_its_parent() -> None:
    child = Agent(name="child", description="Works.", model=asks("sync_who"), tools=[sync_who])

    def reply(body: dict[str, Any]) -> Scripted:
        first = len(body["messages"]) == 1
        return call("child", task="who?") if first else results(body)

    top = Agent(name="top", model=ScriptedModel(reply), tools=[child])
    with runtime() as (made, _):
        in_the_name_of("acme")
        assert "acme" in made.run(top, "go").answer


def test_what_a_tool_sets_stays_within_its_call() -> None:
    @tool(effect="read")
    def change() -> str:
        """Change it."""
        in_the_name_of("changed")
        return "changed"

    agent = Agent(name="c", model=asks("change", "sync_who"), tools=[change, sync_who])
    with runtime() as (made, _):
        in_the_name_of("acme")
        assert made.run(agent, "go").answer == "changed acme"
        assert who() == "acme"


def test_an_approver_does_not_lend_its_context_to_the_run() -> None:
    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return who()

    agent = Agent(name="p", model=asks("pay"), tools=[pay])
    with runtime() as (made, _):
        in_the_name_of("acme")
        run = made.start(agent, "go")
        for record in run.events():
            if record.event.kind == "approval_requested":
                break
        in_the_name_of("approver")
        run.approve(run.approvals()[0].call)
        assert run.wait().answer == "acme"


def test_the_context_is_let_go_when_the_run_ends() -> None:
    with runtime() as (made, _):
        acme = Tenant("acme")
        kept = weakref.ref(acme)
        token = tenant.set(acme)
        made.run(WHO, "who?")
        tenant.reset(token)
        del acme, token
        made.run(WHO, "another")  # the threads have gone on to something else
        gc.collect()
        assert kept() is None


def test_a_run_that_is_taken_up_by_another_process_has_an_empty_context(tmp_path: Path) -> None:
    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return who()

    agent = Agent(name="p", model=asks("pay"), tools=[pay])
    with Runtime(tmp_path / "log.db", [agent]) as first:
        in_the_name_of("acme")
        run = first.start(agent, "go")
        for record in run.events():
            if record.event.kind == "approval_requested":
                break
    with Runtime(tmp_path / "log.db", [agent]) as second:
        again = second.attach(run.id)
        again.approve(again.approvals()[0].call)
        assert again.wait().answer == "nobody"
