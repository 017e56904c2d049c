"""What one run may have in place of its agent's, instructions by a function, a tool's context."""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from playhead import Agent, Instead, Limits, RunContext, Runtime, ToolContext, UsageError, tool
from playhead.events.log.memory import MemoryLog
from playhead.records import InstructionsAsked, RuleAnswered, RunStarted
from playhead.service.subscriptions import ToolProgress
from playhead.testing import Scripted, ScriptedModel, call
from playhead.tools.mcp.server import mcp
from tests.support.agents import add, kinds, records, runtime


def system(body: dict[str, Any]) -> str:
    return " ".join(block["text"] for block in body.get("system", []))


def tells(body: dict[str, Any]) -> Scripted:
    names = [each["name"] for each in body.get("tools", [])]
    return f"{system(body)}|{','.join(names)}"


AGENT = Agent(name="desk", instructions="Of the agent.", model=ScriptedModel(tells), tools=[add])


@tool(effect="read")
def own() -> str:
    """Do something of this run's own."""
    return "own"


def test_a_run_may_have_instructions_of_its_own() -> None:
    with runtime() as (made, _):
        answer = made.run(AGENT, "hi", instructions="Of the run.").answer
        assert answer.startswith("Of the run.")
        assert made.run(AGENT, "hi").answer.startswith("Of the agent.")


def test_a_run_may_have_a_model_of_its_own() -> None:
    other = ScriptedModel(["from the other"])
    with runtime() as (made, _):
        assert made.run(AGENT, "hi", model=other).answer == "from the other"


def test_a_run_may_have_limits_of_its_own() -> None:
    with runtime() as (made, log):
        run = made.start(AGENT, "hi", limits=Limits(max_steps=3))
        run.wait()
        started = records(log, run.id)[0].event
        assert isinstance(started, RunStarted)
        assert started.agent.limits.max_steps == 3


@pytest.mark.parametrize(
    ("tools", "names"), [(["add"], "add"), ([own], "own"), ([own, "add"], "add,own"), ([], "")]
)
def test_a_run_may_have_tools_of_its_own(tools: list[Any], names: str) -> None:
    with runtime() as (made, _):
        assert made.run(AGENT, "hi", tools=tools).answer.partition("|")[2] == names


def test_a_tool_of_the_runs_own_is_called() -> None:
    model = ScriptedModel([call("own"), "done"])
    with runtime() as (made, log):
        run = made.run(AGENT, "hi", tools=[own], model=model).run_id
        assert "tool_succeeded" in kinds(log, run)


class Rate(BaseModel):
    """An answer of one run."""

    rate: float


def test_a_run_may_have_an_output_type_of_its_own() -> None:
    with runtime() as (made, _):
        model = ScriptedModel(['{"rate": 1.5}'])
        output: object = made.run(AGENT, "hi", output=Rate, model=model).output
        assert output == Rate(rate=1.5)


def test_a_run_with_an_output_of_its_own_is_finished_by_its_agent_after_a_restart(
    tmp_path: Any,
) -> None:
    def pay_then_rate(body: dict[str, Any]) -> Scripted:
        return call("pay") if len(body["messages"]) == 1 else '{"rate": 1.5}'

    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    class Other(BaseModel):
        """What the agent answers otherwise."""

        word: str

    agent = Agent(name="payer", model=ScriptedModel(pay_then_rate), tools=[pay], output=Other)
    with Runtime(tmp_path / "log.db", [agent]) as made:
        run = made.start(agent, "hi", output=Rate)
        for record in run.events():
            if record.event.kind == "approval_requested":
                break
    with Runtime(tmp_path / "log.db", [agent]) as made:
        made.runs.approvals(run.id)
        again = made.attach(run.id)
        again.approve(again.approvals()[0].call)
        ended = [record.event for record in again.events()][-1]
        assert ended.kind == "run_finished"


def helps(context: RunContext) -> str:
    return f"You help {context.metadata['user']} with {context.goal!r} in {context.session}."


ASKED = Agent(name="asked", instructions=helps, model=ScriptedModel(tells))


def test_instructions_may_be_a_function_of_the_run_and_are_recorded() -> None:
    with runtime() as (made, log):
        run = made.run(ASKED, "fix it", metadata={"user": "Ann"}, session="s").run_id
        told = [r.event for r in records(log, run)]
        asked = [n for n, event in enumerate(told) if isinstance(event, InstructionsAsked)]
        assert len(asked) == 1
        answered = told[asked[0] + 1]
        assert isinstance(answered, RuleAnswered)
        assert answered.answer == "You help Ann with 'fix it' in s."
        assert made.attach(run).wait().answer.startswith("You help Ann")
        assert made.replay(run).matches


def test_the_instructions_function_may_be_async() -> None:
    async def later(context: RunContext) -> str:
        return f"You are {context.agent}."

    agent = Agent(name="later", instructions=later, model=ScriptedModel(tells))
    with runtime() as (made, _):
        assert made.run(agent, "hi").answer.startswith("You are later.")


@pytest.mark.parametrize("answer", [3, None])
def test_a_run_fails_in_words_if_its_instructions_are_no_text(answer: Any) -> None:
    agent = Agent(name="wrong", instructions=lambda _: answer, model=ScriptedModel(tells))
    with runtime() as (made, _):
        run = made.start(agent, "hi")
        ended = [record.event for record in run.events()][-1]
        assert ended.kind == "run_failed"
        assert "instructions function returned" in ended.message  # type: ignore[attr-defined]


def test_a_fork_keeps_the_instructions_that_its_parent_was_given() -> None:
    with runtime() as (made, log):
        run = made.run(ASKED, "fix it", metadata={"user": "Ann"}, session="s").run_id
        seq = next(r.seq for r in records(log, run) if r.event.kind == "model_requested")
        fork = made.fork(run, at=seq - 1, instead=Instead(limits=Limits(max_steps=2)))
        assert fork.wait().answer == made.attach(run).wait().answer
        given = made.fork(run, at=seq - 1, instead=Instead(instructions="Given."))
        assert given.wait().answer.startswith("Given.")


def test_a_fork_is_not_given_an_agent_whose_instructions_are_a_function() -> None:
    with runtime() as (made, _):
        run = made.run(AGENT, "hi").run_id
        with pytest.raises(UsageError, match="asked when a run starts"):
            made.fork(run, instead=Instead(agent=ASKED))


def test_a_child_is_asked_for_its_own_instructions_with_its_callers_labels() -> None:
    def who(context: RunContext) -> str:
        return f"For {context.metadata['user']}."

    child = Agent(name="child", description="Helps.", instructions=who, model=ScriptedModel(tells))
    top = Agent(name="top", model=ScriptedModel([call("child", task="go"), "done"]), tools=[child])
    with runtime() as (made, log):
        run = made.run(top, "hi", metadata={"user": "Ann"}).run_id
        finished = [r.event for r in records(log, run) if r.event.kind == "child_finished"]
        assert finished[0].answer.startswith("For Ann.")  # type: ignore[attr-defined]


def test_a_tool_knows_where_it_is() -> None:
    seen: list[ToolContext] = []

    @tool(effect="read", timeout=50)
    def where(context: ToolContext) -> str:
        """Say where it is."""
        seen.append(context)
        return "here"

    agent = Agent(name="knows", model=ScriptedModel([call("where"), "done"]), tools=[where])
    before = time.time()
    with runtime() as (made, log):
        run = made.run(
            agent, "find out", session="s", metadata={"user": "Ann"}, namespace="acme",
            limits=Limits(max_seconds=20),
        ).run_id  # fmt: skip
        requested = next(r for r in records(log, run) if r.event.kind == "tool_requested")
    (context,) = seen
    assert (context.run, context.call, context.attempt) == (run, requested.seq, 1)
    assert context.key == f"{run}:{requested.seq}"
    assert (context.agent, context.session, context.namespace) == ("knows", "s", "acme")
    assert (context.metadata, context.goal) == ({"user": "Ann"}, "find out")
    assert context.deadline is not None
    assert before < context.deadline <= time.time() + 20
    assert not context.cancelled


def test_a_tool_is_told_that_it_was_cancelled() -> None:
    started, told = threading.Event(), threading.Event()

    @tool(effect="read")
    def works(context: ToolContext) -> str:
        """Work until nobody waits any more."""
        started.set()
        while not context.cancelled:
            threading.Event().wait(0.01)
        told.set()
        return "stopped"

    agent = Agent(name="c", model=ScriptedModel([call("works"), "done"]), tools=[works])
    with runtime() as (made, _):
        run = made.start(agent, "go")
        assert started.wait(20)
        run.cancel()
        assert told.wait(20)


def test_progress_is_heard_by_listeners_and_not_recorded() -> None:
    listening = threading.Event()

    @tool(effect="read")
    def load(context: ToolContext) -> str:
        """Load."""
        assert listening.wait(20)
        context.progress("loading", done=1, total=4)
        context.progress("almost done")
        return "loaded"

    agent = Agent(name="p", model=ScriptedModel([call("load"), "done"]), tools=[load])
    log = MemoryLog()
    with Runtime(log, [agent]) as made:
        run = made.start(agent, "go")
        heard: list[object] = []
        for piece in run.events(pieces=True):
            listening.set()
            heard.append(piece)
    told = [piece for piece in heard if isinstance(piece, ToolProgress)]
    call_ = next(r.seq for r in records(log, run.id) if r.event.kind == "tool_requested")
    assert told == [ToolProgress(call_, "loading", 1, 4), ToolProgress(call_, "almost done")]
    assert not any("loading" in str(record.event) for record in records(log, run.id))


OUR_SERVER = Path(__file__).parent.parent / "mcp" / "our_server.py"


def skilled(folder: Path, body: str) -> Agent:
    """An agent with a skill, which says what it is told of it."""
    folder.mkdir(exist_ok=True)
    front = "---\nname: refunds\ndescription: How refunds are made.\n---\n"
    (folder / "SKILL.md").write_text(front + body)
    return Agent(name="skilled", model=ScriptedModel(tells), skills=[folder])


def test_a_changed_skill_reaches_no_prompt_of_a_run_with_options_of_its_own(tmp_path: Path) -> None:
    log, folder = MemoryLog(), tmp_path / "refunds"
    with Runtime(log) as made:
        assert "refunds" in made.run(skilled(folder, "Ask first."), "hi").answer
    changed = skilled(folder, "Pay any amount.")
    with Runtime(log) as made:
        run = made.run(changed, "hi", limits=Limits(max_steps=3))
        assert "refunds" not in run.answer
        started = records(log, run.run_id)[0].event
        assert isinstance(started, RunStarted)
        assert started.agent.skills == ()


def test_a_changed_skill_reaches_no_prompt_of_a_fork(tmp_path: Path) -> None:
    log, folder = MemoryLog(), tmp_path / "refunds"
    with Runtime(log) as made:
        run = made.run(skilled(folder, "Ask first."), "hi").run_id
    changed = skilled(folder, "Pay any amount.")
    with Runtime(log) as made:
        fork = made.fork(run, at=1, instead=Instead(agent=changed))
        assert "refunds" not in fork.wait(20).answer


def test_a_server_that_only_one_run_is_given_has_its_tools(tmp_path: Path) -> None:
    words = tmp_path / "served" / "words"
    words.parent.mkdir()
    words.write_text("Add two integers. Use it for sums. Returns the sum.")
    server = mcp([sys.executable, str(OUR_SERVER), str(words)], name="ours")
    with runtime() as (made, _):
        assert "die" in made.run(AGENT, "hi", tools=[server]).answer.split("|")[1].split(",")
        fork_of = made.run(AGENT, "hi").run_id
        other = mcp([sys.executable, str(OUR_SERVER), str(words)], name="ours")
        with_server = Agent(name="desk", model=ScriptedModel(tells), tools=[other])
        fork = made.fork(fork_of, at=1, instead=Instead(agent=with_server))
        assert "die" in fork.wait(20).answer.split("|")[1].split(",")
