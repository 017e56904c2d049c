"""The runs that the golden logs hold: one of every kind, each as short as it can be."""

# Times are not waited for.
# pyright: reportPrivateUsage=false

import asyncio
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, field_validator

from playhead import (
    Agent,
    Budget,
    CallDeferred,
    Guardrail,
    Image,
    Limits,
    MemoryRules,
    Notify,
    PlanRules,
    Price,
    Retry,
    Route,
    Run,
    RunContext,
    RunNotFinished,
    Runtime,
    Target,
    Verdict,
    mcp,
    tool,
)
from playhead.evals import Case, Contains, Dataset, Judge, Score, evaluate
from playhead.events.errors import ModelError
from playhead.events.kinds.evaluations import RunJudged
from playhead.events.kinds.schedules import ScheduleFired, ScheduleSet
from playhead.events.record import Record
from playhead.forking import Instead
from playhead.notices.notifier import Notifier
from playhead.scheduling.schedule_list import firings
from playhead.scheduling.scheduler import Scheduler
from playhead.testing import ScriptedModel, call
from playhead.toolkit import wait
from tests.golden.agents import add, fail, hang, note, pay
from tests.memory.long_runs import reader, turn_page
from tests.memory.remembering import assistant
from tests.memory.test_facts import agent as seller
from tests.support.planning import planner, step, work

MCP_SERVER = Path(__file__).parent.parent / "mcp" / "our_server.py"
HOUR = 3_600_000_000
EIGHT = 1_772_438_400_000_000
"""Monday, 2 March 2026, 08:00 UTC."""
QUICK = Retry(base=0.0, cap=0.0)
NOW = {"seconds": 0.0}
"""Arguments of a step that works no time."""


def scripted(name: str, *replies: Any, **more: Any) -> Agent[Any]:
    """An agent that says what the script says."""
    return Agent(name=name, model=ScriptedModel(list(replies)), **more)


def play(runtime: Runtime, agent: Agent[Any], goal: str = "Go.", **more: Any) -> Run[Any]:
    """Run it to its end, whatever that is."""
    run = runtime.start(agent, goal, **more)
    ended(run)
    return run


def ended(run: Run[Any]) -> None:
    """Wait for its end."""
    with suppress(RunNotFinished):
        run.wait(60)


def until(run: Run[Any], kind: str, count: int = 1) -> Record:
    """Wait for so many records of a kind; the last of them."""
    found = (record for record in run.events() if record.event.kind == kind)
    return next(islice(found, count - 1, None))


def plain(runtime: Runtime) -> None:
    play(runtime, scripted("plain", "It is 42."), "What is it?")


def tools(runtime: Runtime) -> None:
    many = [call("add", a=1, b=2), call("fail", why="no luck"), call("nothing"), call("add", a="x")]
    play(
        runtime,
        scripted("tools", ["I add.", call("add", a=17, b=4)], many, "21.", tools=[add, fail]),
    )


def instructions(runtime: Runtime) -> None:
    """A function is asked for the instructions."""

    def reach(run: RunContext) -> str:
        return f"Reach {run.goal!r}."

    play(runtime, scripted("instructions", "Done.", instructions=reach))


def spoken(runtime: Runtime) -> None:
    """Messages from elsewhere, and images between texts."""
    picture = Image(b"\x89PNG\r\n\x1a\n", "image/png")
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    agent = scripted("spoken", "A picture.")
    run = runtime.start(agent, ["Look at", picture, "please."], message_history=said)
    ended(run)


def model_retry(runtime: Runtime) -> None:
    said = [ModelError("overloaded", "later", status=529, retryable=True), "Now."]

    def reply(_: Any) -> Any:
        return said.pop(0)

    play(runtime, Agent(name="model_retry", model=ScriptedModel(reply), retry=QUICK))


def outage(runtime: Runtime) -> None:
    """The model is down for longer than the retries last; the wait's end in a fork, and its own."""
    down = True

    def reply(_: Any) -> Any:
        return ModelError("overloaded", "down", status=529, retryable=True) if down else "Up again."

    run = runtime.start(Agent(name="outage", model=ScriptedModel(reply), retry=QUICK), "Go.")
    until(run, "outage_wait_started")
    down = False
    ended(runtime.fork(run.id))
    run.resume()
    ended(run)


def planned(name: str, *plans: Any, otherwise: Any = None, **more: Any) -> Agent[Any]:
    """An agent that plans so."""
    more = {"tools": [work, add, fail], **more}
    return Agent(name=name, model=planner(*plans, otherwise=otherwise), strategy="plan", **more)


def plan(runtime: Runtime) -> None:
    steps = [
        step("a", arguments=NOW),
        step("each", for_each="${a.items}", arguments=NOW),
        step("b", arguments={**NOW, "given": "${each}"}),
    ]
    play(runtime, planned("plan", steps))


def plan_around_a_failure(runtime: Runtime) -> None:
    broken: dict[str, Any] = {
        "id": "x",
        "description": "fail",
        "tool": "fail",
        "arguments": {"why": "no luck"},
    }
    rules = PlanRules(step_retries=1)
    play(
        runtime, planned("plan_around_a_failure", [broken], [step("y", arguments=NOW)], plan=rules)
    )


def plan_reviewed(runtime: Runtime) -> None:
    first, second = [step("a", arguments=NOW)], [step("b", arguments=NOW)]
    agent = planned("plan_reviewed", first, second, plan=PlanRules(review="always"))
    run = runtime.start(agent, "Go.")
    until(run, "approval_requested")
    (waiting,) = run.approvals()
    run.deny(waiting.call, "too dear")
    until(run, "approval_requested", 2)
    (waiting,) = run.approvals()
    run.approve(waiting.call, plan=[step("c", arguments=NOW)])
    ended(run)


def children(runtime: Runtime) -> None:
    helper = scripted("helper", call("add", a=1, b=2), "It is 3.", tools=[add], description="Adds.")
    play(runtime, scripted("children", call("helper", task="add 1 and 2"), "3.", tools=[helper]))


def handoff(runtime: Runtime) -> None:
    billing = scripted("billing", "You get 3 back.", description="Pays.")
    over = call("handoff_to_billing", message="She wants 3 back.")
    play(runtime, scripted("handoff", over, handoffs=[billing]), "My money!", session="handed")


def approvals(runtime: Runtime) -> None:
    wishes = [call("pay", euros=n) for n in (1, 2, 3)]
    run = runtime.start(scripted("approvals", wishes, "Paid what I could.", tools=[pay]), "Go.")
    until(run, "approval_requested", 3)
    one, two, three = run.approvals()
    run.approve(one.call)
    run.deny(two.call, "too much")
    run.approve(three.call, {"euros": 1})
    ended(run)


def approval_lapsed(runtime: Runtime) -> None:
    @tool(approval=True, approval_expires=0.01)
    def soon() -> str:
        """Be quick."""
        return "done"

    play(runtime, scripted("approval_lapsed", call("soon"), "Too late.", tools=[soon]))


def deferred(runtime: Runtime) -> None:
    def ask(who: str) -> int:
        """Ask somebody.

        Args:
            who: a name.
        """
        raise CallDeferred(f"ask {who}", expires=3600)

    asks = [call("ask", who="ann"), call("ask", who="bob"), call("wait", seconds=0.01)]
    agent = scripted("deferred", asks, "One of three.", tools=[tool(ask), wait])
    run = runtime.start(agent, "Ask both.")
    until(run, "answer_awaited", 3)
    for waiting in runtime.runs.waits(run.id, "answer"):
        if waiting.arguments == {"who": "ann"}:
            run.complete(waiting.wait.call or 0, 3)
        else:
            run.fail(waiting.wait.call or 0, "bob is away", hint="ask ann")
    ended(run)


def schedules(runtime: Runtime) -> None:
    """Three hours pass at once: two times are missed, and the last is caught up."""
    runtime.register(scripted("scheduled", "Good morning."))
    clock = {"now": EIGHT}
    scheduler = Scheduler(runtime._log, runtime._start_scheduled, now=lambda: clock["now"])
    scheduler.set(
        ScheduleSet(
            schedule="hourly", cron="0 * * * *", timezone="UTC", agent="scheduled", goal="Greet.",
            missed="latest",
        )
    )  # fmt: skip
    clock["now"] += 3 * HOUR + HOUR // 2
    scheduler.look()
    (fired,) = [
        r.event for r in firings(runtime._log, "hourly") if isinstance(r.event, ScheduleFired)
    ]
    ended(runtime.attach(fired.run))
    scheduler.cancel("hourly", "over")


def notices(runtime: Runtime) -> None:
    run = runtime.start(scripted("noticed", call("pay", euros=3), "Paid.", tools=[pay]), "Go.")
    until(run, "approval_requested")
    notifier = Notifier(
        runtime._log, Notify(tell=lambda _: None, assignee="ann"), runtime.runs.waits
    )
    notifier.take_up()
    notifier.look()
    run.approve(run.approvals()[0].call)
    ended(run)


def approval_rule(runtime: Runtime) -> None:
    def dear(arguments: dict[str, Any]) -> bool:
        return bool(arguments["euros"] > 5)

    @tool(approval=dear)
    def spend(euros: int) -> str:
        """Spend an amount."""
        return f"{euros} spent"

    play(runtime, scripted("approval_rule", call("spend", euros=5), "Spent.", tools=[spend]))


def strategies(runtime: Runtime) -> None:
    def direct(_: str, __: list[str]) -> str:
        return "direct"

    play(runtime, scripted("strategy_function", "Yes.", strategy=direct))
    play(runtime, Agent(name="function", strategy="function", function=lambda goal: goal.upper()))


class Even(BaseModel):
    """Takes even numbers only, which no JSON schema of it says."""

    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        """Refuse odd numbers."""
        if number % 2:
            msg = "it must be even"
            raise ValueError(msg)
        return number


def router_and_output_rule(runtime: Runtime) -> None:
    def router(_: str) -> str:
        return "sums"

    ladder = Route(ladder=(Target(model="small"), Target(model="large")))
    agent = scripted(
        "router_and_output_rule", "no JSON", '{"number": 3}', '{"number": 4}', output=Even,
        router=router, routing={"sums": ladder},
    )  # fmt: skip
    play(runtime, agent)


def guardrails(runtime: Runtime) -> None:
    def numbers(text: str) -> Verdict:
        return Verdict.replace(text.replace("42", "[a number]"))

    rules = [
        Guardrail(name="short", on="input", max_chars=20),
        Guardrail(name="luck", on="result", words=["luck"], verdict="ask_again", text="Go on."),
        Guardrail(name="numbers", on="answer", check=numbers),
    ]
    play(runtime, scripted("guardrails", call("fail", why="no luck"), "It is 42.", tools=[fail],
                           guardrails=rules))  # fmt: skip
    play(runtime, scripted("guardrail_blocks", "Never.", guardrails=rules), "A goal that is long.!")


def failing(runtime: Runtime) -> None:
    """It fails while a guardrail's function is asked."""

    async def never(_: str) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError

    def nobody(_: RunContext) -> str:
        msg = "nobody is known"
        raise LookupError(msg)

    rule = Guardrail(name="slow", on="input", check=never, beside=True)
    play(runtime, scripted("failing", "Never.", instructions=nobody, guardrails=[rule]))


def loop(runtime: Runtime) -> None:
    play(
        runtime,
        Agent(name="loop", model=ScriptedModel(lambda _: call("add", a=1, b=1)), tools=[add]),
    )


def limits(runtime: Runtime) -> None:
    again = ScriptedModel(lambda body: call("add", a=len(body["messages"]), b=1))
    play(runtime, Agent(name="max_steps", model=again, tools=[add], limits=Limits(max_steps=2)))
    slow = scripted("max_seconds", call("hang"), tools=[hang], limits=Limits(max_seconds=0.3))
    play(runtime, slow)


def budget(runtime: Runtime) -> None:
    price = Price(input=1.0, output=1.0)
    agent = scripted(
        "budget", call("add", a=1, b=1), "Dear.", tools=[add], max_tokens=100,
        limits=Limits(max_cost=1.0), budget=Budget(warn_at=0.00001), prices={"custom": price},
    )  # fmt: skip
    play(runtime, agent)


def cancelled(runtime: Runtime) -> None:
    run = runtime.start(scripted("cancelled", call("hang"), tools=[hang]), "Go.")
    until(run, "tool_started")
    run.cancel("not needed")
    ended(run)


def paused(runtime: Runtime) -> None:
    go = threading.Event()

    @tool(effect="read")
    def wait() -> str:
        """Wait to be let go."""
        go.wait(60)
        return "gone on"

    run = runtime.start(scripted("paused", call("wait"), "Done.", tools=[wait]), "Go.")
    until(run, "tool_started")
    run.pause("a break")
    run.send("And quickly.")
    go.set()
    until(run, "tool_succeeded")
    run.resume()
    ended(run)


def session(runtime: Runtime) -> None:
    agent = scripted("session", "Hello.", "As I said, hello.")
    play(runtime, agent, "Greet me.", session="golden")
    play(runtime, agent, "Again.", session="golden")


def compression(runtime: Runtime) -> None:
    rules = MemoryRules(compress_at=900, keep_turns=2, clear_over=1000, summary_tokens=100)
    limits = Limits(max_steps=9)
    agent = Agent(
        name="compression", model=reader(8, 4), tools=[turn_page], memory=rules, limits=limits
    )
    play(runtime, agent, "Count the pages.")


def memory(runtime: Runtime) -> None:
    kept = runtime.memory.remember("The puppy is called Rex.", "acme")
    agent = assistant(name="memory")
    play(runtime, agent, "remember: the invoice is paid")
    play(runtime, agent, "recall: puppy")
    runtime.memory.forget(kept, "it was another puppy")
    old = runtime.memory.remember("Ada lives in Berlin.", "globex", at=1_600_000_000_000_000)
    runtime.memory.remember("Ada lives in Paris.", "globex", by="Ada", supersedes=old)
    runtime.memory.forget_namespace("globex", "the contract has ended")


def facts(runtime: Runtime) -> None:
    run = play(runtime, seller(0), "What does Acme pay?")
    source = until(run, "tool_succeeded").seq
    runtime.memory.retract(run.id, source, "the mail was forged")


def fork(runtime: Runtime) -> None:
    run = play(runtime, assistant(name="fork"), "remember: red is first")
    answered = until(run, "model_answered").seq
    forked = runtime.fork(run.id, answered - 1, Instead(message="And be brief."))
    ended(forked)
    runtime.memory.promote(forked.id, "it was right")
    payer = play_approved(runtime)
    begun = until(payer, "step_started").seq
    live = runtime.fork(payer.id, begun, Instead(instructions="Be bold."))
    asked = (r for r in live.events() if r.event.kind == "approval_requested")
    assert next(r for r in asked if r.run == live.id)
    live.deny(live.approvals()[0].call, "once is enough")
    ended(live)
    noter = Agent(name="noter", model=ScriptedModel(noted), tools=[note])
    first = play(runtime, noter, "Go.")
    again = runtime.fork(first.id, until(first, "step_started").seq, Instead(instructions="Short."))
    until(again, "approval_requested")
    again.approve(again.approvals()[0].call)
    ended(again)


def noted(body: Mapping[str, Any]) -> Any:
    """A model that notes something down once."""
    return call("note", text="red") if len(body["messages"]) == 1 else "Noted."


def play_approved(runtime: Runtime) -> Run[Any]:
    """A run whose payment was approved, to be forked."""

    def reply(body: Mapping[str, Any]) -> Any:
        return call("pay", euros=5) if len(body["messages"]) == 1 else "Settled."

    run = runtime.start(Agent(name="payer", model=ScriptedModel(reply), tools=[pay]), "Go.")
    until(run, "approval_requested")
    run.approve(run.approvals()[0].call)
    ended(run)
    return run


def mcp_tools(runtime: Runtime) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "words")
        words.write_text("Add two integers.")
        with closing(mcp([sys.executable, str(MCP_SERVER), str(words)], name="ours")) as server:
            play(runtime, scripted("mcp_tools", call("add", a=1, b=2), "3.", tools=[server]))
            asking = scripted("mcp_questions", call("greet"), "Greeted.", tools=[server])
            run = runtime.start(asking, "Go.")
            until(run, "approval_requested")
            run.approve(run.approvals()[0].call, {"name": "Ada"})
            ended(run)


def evaluations(runtime: Runtime) -> None:
    def says(body: Mapping[str, Any]) -> str:
        return "PASS: it is" if "Rubric" in str(body["messages"][0]) else "Bonn."

    cases = Dataset("capitals", [Case(goal="Where?", expected="Bonn"), Case(goal="Who?")])
    model = ScriptedModel(says)
    agent = Agent(name="evaluated", model=model)
    judge = Judge("It is short.", model=model)
    evaluate(runtime, cases, agent, evaluators=[Contains("Bonn"), judge], evaluation="golden")
    run = play(runtime, scripted("judged", "Bonn."))
    score = Score(evaluator="contains", passed=True)
    judged = RunJudged(
        run=run.id, agent="judged", status="finished", score=score, passed=True, judged_for=0
    )
    runtime.evaluations.append("online", judged)


SCENES: tuple[Callable[[Runtime], None], ...] = (
    plain, tools, instructions, spoken, model_retry, outage, plan, plan_around_a_failure,
    plan_reviewed, children, handoff,
    approvals, guardrails, failing, deferred, schedules, notices,
    approval_lapsed, approval_rule, strategies, router_and_output_rule, loop, limits, budget,
    cancelled, paused, session, compression, memory, facts, fork, mcp_tools, evaluations,
)  # fmt: skip
