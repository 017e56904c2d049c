"""Callbacks of the program: what they raise harms nobody, and what they may not call says so."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from playhead import (
    Agent,
    Alert,
    AlertRule,
    Alerts,
    NotStorable,
    Record,
    Run,
    RunNotFinished,
    Runtime,
    Secret,
    Telemetry,
    tool,
)
from playhead.events.errors import CalledOnLoop, RuntimeClosed
from playhead.events.log.memory import MemoryLog
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel, call
from tests.support.agents import kinds, runtime

LEAVING = (SystemExit, KeyboardInterrupt, asyncio.CancelledError, RuntimeError)
"""What a callback might raise; asyncio lets the first two end a loop."""

SECONDS = 60.0
"""After so long a test gives up."""

Action = Callable[[Runtime, str], object]


def greeter(**more: Any) -> Agent[str]:
    return Agent(name="greeter", model=ScriptedModel(lambda _: "hello"), **more)


def seen_by_a_watcher(action: Action) -> BaseException | None:
    """What an action raised in a watcher, while the run went on to its answer."""
    raised: list[BaseException | None] = []

    with runtime(agent := greeter()) as (made, _):

        def watcher(state: RunState, _: Sequence[Record]) -> None:
            if raised:
                return
            raised.append(None)
            try:
                action(made, state.run)
            except BaseException as error:
                raised[0] = error

        made.watch(watcher)
        assert made.start(agent, "greet").wait(SECONDS).answer == "hello"
    return raised[0]


@pytest.mark.parametrize("leaving", LEAVING)
def test_what_a_watcher_raises_harms_no_run_no_other_watcher_and_no_later_call(
    leaving: type[BaseException],
) -> None:
    told = list[str]()

    def watcher(*_: object) -> None:
        raise leaving("of a watcher")

    with runtime(agent := greeter()) as (made, _):
        made.watch(watcher)
        made.watch(lambda _, records: told.extend(r.event.kind for r in records))
        run = made.start(agent, "greet")
        assert run.wait(SECONDS).answer == "hello"
        assert run.status == "finished"
        assert "run_finished" in told
        assert made.run(agent, "again").answer == "hello"


BLOCKING: dict[str, Action] = {
    "run": lambda made, _: made.run(greeter(), "another"),
    "start": lambda made, _: made.start(greeter(), "another"),
    "close": lambda made, _: made.close(),
    "register": lambda made, _: made.register(greeter()),
    "fork": lambda made, run: made.fork(run),
    "wait": lambda made, run: made.attach(run).wait(1),
    "cancel": lambda made, run: made.attach(run).cancel(),
    "pause": lambda made, run: made.attach(run).pause(),
    "resume": lambda made, run: made.attach(run).resume(),
    "send": lambda made, run: made.attach(run).send("more"),
    "resolve": lambda made, run: made.attach(run).resolve(1, succeeded=True),
    "events": lambda made, run: list(made.attach(run).events()),
    "stream": lambda made, run: list(made.attach(run).stream()),
    "remember": lambda made, _: made.memory.remember("x", "acme"),
    "recall": lambda made, _: made.memory.recall("x", "acme"),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_a_blocking_call_in_a_watcher_is_refused_in_words_and_the_run_goes_on(name: str) -> None:
    error = seen_by_a_watcher(BLOCKING[name])
    assert isinstance(error, CalledOnLoop)
    assert "another thread" in str(error)


def test_a_watcher_may_look_at_its_run() -> None:
    seen = list[object]()

    def look(made: Runtime, run: str) -> None:
        held = made.attach(run)
        seen.extend([held.status, held.approvals(), repr(held)])

    assert seen_by_a_watcher(look) is None
    assert seen[:2] == ["running", []]


def test_a_model_that_starts_a_run_and_waits_is_refused_and_its_run_ends_in_words() -> None:
    made: list[Runtime] = []

    def nested(_: dict[str, Any]) -> str:
        return made[0].run(greeter(), "inner").answer

    asker = Agent(name="asker", model=ScriptedModel(nested))
    with runtime(asker) as (outer, _):
        made.append(outer)
        with pytest.raises(RunNotFinished, match="make it from another thread"):
            outer.start(asker, "ask").wait(SECONDS)


@pytest.mark.parametrize("leaving", LEAVING)
def test_what_a_model_raises_ends_its_own_run_only(leaving: type[BaseException]) -> None:
    def leave(_: dict[str, Any]) -> str:
        raise leaving("of a model")

    bad = Agent(name="bad", model=ScriptedModel(leave))
    with runtime(bad, good := greeter()) as (made, _):
        with pytest.raises(RunNotFinished):
            made.start(bad, "leave").wait(SECONDS)
        assert made.start(good, "greet").wait(SECONDS).answer == "hello"


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt])
def test_a_task_that_a_model_left_on_the_loop_cannot_end_the_loop(
    leaving: type[BaseException],
) -> None:
    async def leave() -> None:
        raise leaving("of a task")

    tasks = list[asyncio.Task[None]]()

    async def spawn(_: dict[str, Any]) -> str:
        tasks.append(asyncio.get_running_loop().create_task(leave()))
        await asyncio.wait(tasks)
        return "spawned"

    agent = Agent(name="spawner", model=ScriptedModel(spawn))
    with runtime(agent) as (made, _):
        assert made.start(agent, "spawn").wait(SECONDS).answer == "spawned"
        assert isinstance(tasks[0].exception(), leaving)


@pytest.mark.parametrize("leaving", LEAVING)
def test_a_redactor_that_raises_lets_nothing_into_the_log_and_says_so(
    leaving: type[BaseException],
) -> None:
    def redact(_: str) -> str:
        raise leaving("the secret itself")

    with (
        runtime(agent := greeter(), redact=redact) as (made, log),
        pytest.raises(NotStorable, match=rf"redact failed: {leaving.__name__} at ") as refused,
    ):
        made.start(agent, "my secret")
    assert "the secret itself" not in str(refused.value)
    assert not list(log.streams())


@pytest.mark.parametrize("leaving", LEAVING)
def test_a_redactor_that_raises_at_an_outcome_ends_the_run_in_words(
    leaving: type[BaseException],
) -> None:
    def redact(text: str) -> str:
        if "hello" in text or "cannot be stored" in text:
            raise leaving("the secret itself")
        return text

    with runtime(agent := greeter(), redact=redact) as (made, log):
        run = made.start(agent, "greet")
        with pytest.raises(RunNotFinished, match="redact failed") as ended:
            run.wait(SECONDS)
        assert "secret itself" not in str(ended.value)
        assert "model_answered" not in kinds(log, run.id)


@pytest.mark.parametrize("leaving", LEAVING)
def test_an_approval_rule_that_raises_makes_the_call_wait_and_says_what_it_raised(
    leaving: type[BaseException],
) -> None:
    def rule(_: dict[str, Any]) -> bool:
        raise leaving("no such customer")

    @tool(effect="once", approval=rule)
    def pay(euros: int) -> str:
        """Pay.

        Args:
            euros: how much.
        """
        return f"paid {euros}"

    payer = Agent(name="payer", model=ScriptedModel([call("pay", euros=4), "Paid."]), tools=[pay])
    with runtime(payer) as (made, _):
        run = made.start(payer, "pay")
        for record in run.events():
            if record.event.kind == "approval_requested":
                break
        (waiting,) = run.approvals()
        assert waiting.rule_error == f"{leaving.__name__}: no such customer"
        run.approve(waiting.call)
        assert run.wait(SECONDS).answer == "Paid."


@pytest.mark.parametrize("leaving", LEAVING)
def test_secrets_that_raise_fail_the_call_only(leaving: type[BaseException]) -> None:
    @tool(effect="read")
    def login(token: Annotated[str, Secret("TOKEN")]) -> str:
        """Log in."""
        return token

    def secrets(_: str) -> str | None:
        raise leaving("the vault is sealed")

    script = ScriptedModel([call("login"), "No way in."])
    agent = Agent(name="visitor", model=script, tools=[login])
    with runtime(agent, secrets=secrets) as (made, log):
        run = made.start(agent, "log in")
        assert run.wait(SECONDS).answer == "No way in."
        assert "tool_failed" in kinds(log, run.id)


@pytest.mark.parametrize("leaving", LEAVING)
def test_a_router_that_raises_is_answered_for(leaving: type[BaseException]) -> None:
    def router(_: str) -> str:
        raise leaving("of a router")

    with runtime(agent := greeter(router=router)) as (made, log):
        run = made.start(agent, "greet")
        assert run.wait(SECONDS).answer == "hello"
        assert "rule_answered" in kinds(log, run.id)


ALWAYS = (AlertRule(indicator="steps_per_task", alert_above=0),)
"""An alert at every agent's first run."""


@pytest.mark.parametrize("leaving", LEAVING)
def test_an_alert_that_cannot_be_told_is_followed_by_the_next(
    leaving: type[BaseException],
) -> None:
    told = list[str]()

    def tell(alert: Alert) -> None:
        told.append(alert.agent)
        raise leaving("no mail today")

    agents = [Agent(name=name, model=ScriptedModel(lambda _: "hello")) for name in ("a", "b")]
    alerts = Telemetry(alerts=Alerts(tell, rules=ALWAYS))
    with runtime(*agents, telemetry=alerts) as (made, _):
        for agent in agents:
            assert made.run(agent, "greet").answer == "hello"
    assert told == ["a", "b"]


def test_an_alert_may_close_the_runtime() -> None:
    closed = threading.Event()

    def tell(_: Alert) -> None:
        made.close()
        closed.set()

    made = Runtime(MemoryLog(), telemetry=Telemetry(alerts=Alerts(tell, rules=ALWAYS)))
    made.start(greeter(), "greet")
    assert closed.wait(SECONDS)
    with pytest.raises(RuntimeClosed):
        made.run(greeter(), "again")


def test_a_tool_that_closes_the_runtime_lets_it_close(tmp_path: Path) -> None:
    made = Runtime(tmp_path / "a.db", drain_seconds=0)
    closed = threading.Event()

    @tool(effect="read")
    def leave() -> str:
        """Close the program."""
        made.close()
        closed.set()
        return "closed"

    agent = Agent(name="closer", model=ScriptedModel([call("leave"), "Bye."]), tools=[leave])
    with pytest.raises(RuntimeClosed, match="closed before"):
        made.start(agent, "leave").wait(SECONDS)
    assert closed.wait(SECONDS)
    Runtime(tmp_path / "a.db").close()  # the log is free


def test_cancelling_the_task_that_awaits_a_run_leaves_it_going_and_cancel_stops_it() -> None:
    asked, release = threading.Event(), threading.Event()

    async def held(_: dict[str, Any]) -> str:
        asked.set()
        await asyncio.to_thread(release.wait, SECONDS)
        return "hello"

    async def await_and_be_cancelled(run: Run[str]) -> None:
        task = asyncio.ensure_future(run)
        assert await asyncio.to_thread(asked.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert run.status == "running"

    async def main() -> None:
        kept, stopped = made.start(agent, "greet"), made.start(agent, "greet")
        await await_and_be_cancelled(kept)
        await await_and_be_cancelled(stopped)
        stopped.cancel("the client went away")
        with pytest.raises(RunNotFinished, match="the client went away"):
            await stopped
        release.set()
        assert (await kept).answer == "hello"

    agent = Agent(name="slow", model=ScriptedModel(held))
    with runtime() as (made, _):
        asyncio.run(main())
