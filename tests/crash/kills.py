"""Real kills: real processes on a real log file, each ended by SIGKILL wherever it happens to be.

A child carries runs and writes what it does to the world into a file; the parent reads its steps
from a pipe and kills it after a drawn number of them. The next child takes up what is open. The
last one is left in peace; then the log is held against the file. Each child also forks with its
Runtime while runs are under way: the fork's every call is refused, and the child's runs go on.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import structlog

from playhead import Agent, Runtime, ToolContext, tool
from playhead.events.errors import LogError
from playhead.events.event import Event
from playhead.events.kinds.model_calls import ModelAnswered, ModelRequested
from playhead.events.kinds.runs import CancelRequested, MessageReceived
from playhead.events.log.anchor import read_anchor
from playhead.events.log.inbox import Inbox
from playhead.events.log.sqlite.log import SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.events.model_api import OnText, Reply, Request
from playhead.simulation.actors.random_model import RandomModel
from playhead.simulation.faults.ground_truth import GroundTruth, ModelCallSeen, Start
from playhead.simulation.invariants.check import INVARIANTS
from playhead.simulation.invariants.evidence import Evidence
from playhead.tools.tool import AnyTool

HANGS = 120
"""Seconds after which a child counts as hanging; its runs are then found open."""

RUNS = ("first", "second", "third")


class Diary:
    """What a child does, one line of JSON each: to the world's file, and to the parent's pipe."""

    def __init__(self, world: Path, pipe: int) -> None:
        self._world = os.open(world, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._pipe = pipe

    def write(self, **what: Any) -> None:
        """Write a line; one call, so that a kill leaves whole lines."""
        line = json.dumps(what).encode() + b"\n"
        os.write(self._world, line)
        os.write(self._pipe, line)

    def note(self, **what: Any) -> None:
        """Only in the world's file."""
        os.write(self._world, json.dumps(what).encode() + b"\n")

    def tell(self, **what: Any) -> None:
        """Only to the parent."""
        os.write(self._pipe, json.dumps(what).encode() + b"\n")


class SeenModel:
    """A model by chance whose every request is in the diary."""

    name = "seen"

    def __init__(self, diary: Diary, seed: int) -> None:
        self._diary = diary
        self._model = RandomModel(Random(seed), odd=0.3, patience=4, density=0.25)

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """Ask and write both down."""
        self._diary.write(ask=request.hash)
        reply = await self._model.reply(request, on_text)
        self._diary.write(reply=request.hash, content=reply.content)
        return reply

    async def close(self) -> None:
        """Nothing was opened."""


def tools(diary: Diary) -> list[AnyTool]:
    """One tool of each class, sync and async."""

    def enter(context: ToolContext, name: str, effect: str) -> None:
        diary.write(start=[context.run, context.call, context.attempt, context.key, name, effect])

    def leave(context: ToolContext, result: str) -> str:
        diary.write(done=[context.key, context.attempt, result])
        return result

    @tool(effect="read", description="A tool of the class read.")
    async def look(n: int, context: ToolContext) -> str:
        enter(context, "look", "read")
        return leave(context, f"saw {n}")

    @tool(effect="keyed", description="A tool of the class keyed.")
    def put(n: int, context: ToolContext) -> str:
        enter(context, "put", "keyed")
        return leave(context, f"put {n}")

    @tool(effect="once", description="A tool of the class once.")
    def pay(n: int, context: ToolContext) -> str:
        enter(context, "pay", "once")
        return leave(context, f"paid {n}")

    return [look, put, pay]


def child(folder: Path, pipe: int, seed: int, number: int) -> None:
    """Carry the runs to their ends; never returns. One that hangs is ended by its alarm."""
    signal.alarm(HANGS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    diary = Diary(folder / "world", pipe)
    agent = Agent(name="killed", model=SeenModel(diary, seed + number), tools=tools(diary))

    def committed(_: object, records: Any) -> None:
        diary.tell(ack=[records[0].run, records[-1].seq])

    known = _runs(folder)
    with Runtime(folder / "log.db") as runtime:
        runtime.watch(committed)
        runtime.register(agent)
        runs = [runtime.attach(run) for run in known]
        if number == 0:
            runs += [runtime.start(agent, name) for name in RUNS]
        heir = _fork_with(runtime, agent, runs[0].id, diary)
        for run in runs:
            try:
                run.wait()
            except Exception as error:
                diary.tell(ended=str(error))
        os.waitpid(heir, 0)
    os._exit(0)


REFUSES = 30
"""Seconds within which an inherited Runtime has refused every call."""


def _fork_with(runtime: Runtime, agent: Agent[str], run: str, diary: Diary) -> int:
    """Fork while runs are under way: in the fork the Runtime refuses everything, in words."""
    heir = os.fork()
    if heir:
        return heir
    signal.alarm(REFUSES)  # a call that hangs leaves no line
    calls: dict[str, Callable[[], object]] = {
        "run": lambda: runtime.run(agent, "in a fork"),
        "start": lambda: runtime.start(agent, "in a fork"),
        "attach": lambda: runtime.attach(run),
        "status": lambda: runtime.runs.status(run),
        "cancel": lambda: runtime.runs.tell(run, CancelRequested(reason="in a fork")),
        "complete": lambda: runtime.complete(run, 1),
        "close": runtime.close,
    }
    diary.note(inherits=sorted(calls))
    for name, call in calls.items():
        try:
            diary.note(inherited=name, said=repr(call()))
        except BaseException as error:  # what it says is looked at
            diary.note(inherited=name, said=f"{type(error).__name__}: {error}")
    runtime.__exit__(None, None, None)
    diary.note(left=True)
    os._exit(0)


def _runs(folder: Path) -> list[str]:
    if not (folder / "log.db").exists():
        return []
    try:
        reader = SqliteReader(folder / "log.db")
    except LogError:  # killed before it had its tables
        return []
    runs = [stream.id for stream in reader.streams() if stream.kind == "run"]
    reader.close()
    return runs


class Ended(NamedTuple):
    """What one story of kills gave."""

    kills: int
    wrong: list[str]


def story(seed: int) -> Ended:
    """Kill some processes, let the last one end, and look."""
    random = Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="playhead-kill-"))
    acknowledged: dict[str, int] = {}
    commands: list[str] = []
    kills = 0
    try:
        for number in range(random.randint(2, 4)):
            if number:
                commands += _leave_commands(folder, random)
            kills += _one_process(folder, seed, number, _moment(random), acknowledged)
        _one_process(folder, seed, 100, None, acknowledged)
        return Ended(kills, _look(folder, acknowledged, commands))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _moment(random: Random) -> int:
    return int(random.expovariate(1 / 25)) + 1


def _leave_commands(folder: Path, random: Random) -> list[str]:
    inbox = Inbox(folder / "log.db")
    left: list[str] = []
    for run in _runs(folder):
        if random.random() < 0.3:
            words: list[Event] = [MessageReceived(text="Hurry."), CancelRequested(reason="enough")]
            left.append(inbox.put(run, random.choice(words)).id)
    inbox.close()
    return left


def _one_process(
    folder: Path, seed: int, number: int, moment: int | None, acknowledged: dict[str, int]
) -> int:
    """Fork a child and kill it after `moment` steps; whether it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            child(folder, writing, seed, number)
        except BaseException:  # a forked child must not go on as its parent
            traceback.print_exc()
        os._exit(1)
    os.close(writing)
    killed = 0
    with os.fdopen(reading) as steps:
        for count, line in enumerate(steps, 1):
            step = json.loads(line)
            if "ack" in step:
                acknowledged[step["ack"][0]] = step["ack"][1]
            if count == moment:
                os.kill(pid, signal.SIGKILL)
                killed = 1
                break
    os.waitpid(pid, 0)
    return killed


def _look(folder: Path, acknowledged: dict[str, int], commands: list[str]) -> list[str]:
    reader = SqliteReader(folder / "log.db")
    try:
        ledger = GroundTruth(acknowledged=acknowledged, cut_off=True)  # each process is killed
        lines = _read_world(folder / "world", ledger, reader)
        evidence = Evidence(reader, ledger, liveness=True)
        wrong = [
            f"  {invariant.__name__}: {what}"
            for invariant in INVARIANTS
            for what in invariant(evidence)
        ]
        report = verify(reader, read_anchor(folder / "log.db"))
        wrong += [f"  verify: {problem.message}" for problem in report.problems]
        wrong += [f"  inherited: {what}" for what in _not_refused(lines)]
        return wrong + [f"  {what}" for what in _unserved(folder, commands, reader)]
    finally:
        reader.close()


def _unserved(folder: Path, commands: list[str], reader: SqliteReader) -> list[str]:
    inbox = Inbox(folder / "log.db")
    found = {command: inbox.find(command) for command in commands}
    inbox.close()
    return [
        f"inbox: command {command} was neither appended nor answered"
        for command, left in found.items()
        if not reader.has_command(command) and (left is None or left.answer is None)
    ]


def _not_refused(lines: list[dict[str, Any]]) -> Iterator[str]:
    """What an inherited Runtime did not refuse; the last process, and its fork, were not killed."""
    for line in lines:
        if "inherited" in line and not line["said"].startswith("InheritedByFork: "):
            yield f"{line['inherited']}: {line['said']}"
    begun = [n for n, line in enumerate(lines) if "inherits" in line]
    last = lines[begun[-1] :] if begun else []
    if not any("left" in line for line in last):
        yield "the last process's fork did not come to its end"


def _read_world(world: Path, ledger: GroundTruth, reader: SqliteReader) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in world.read_text().splitlines()]
    for line in lines:
        if "start" in line:
            ledger.starts.append(Start._make([*line["start"], 0]))
        elif "done" in line:
            key, attempt, result = line["done"]
            ledger.answered.setdefault((key, attempt), []).append(result)
    asks = Counter(line["ask"] for line in lines if "ask" in line)
    replies = [(line["reply"], tuple(line["content"])) for line in lines if "reply" in line]
    evidence = Evidence(reader, ledger, liveness=True)
    for records in evidence.records.values():
        for record in records:
            if isinstance(record.event, ModelAnswered):
                request = records[(record.cause or 1) - 1].event
                assert isinstance(request, ModelRequested)
                asks[request.request] -= 1
                given = (request.request, record.event.content) in replies
                reply = Reply(record.event.content, "", record.event.usage, "") if given else None
                ledger.asked.append(
                    ModelCallSeen(record.run, record.cause or 0, request.model, 0, reply)
                )
    if min(asks.values(), default=0) < 0:
        ledger.violated("requests", "an answer is in the log that no request brought")
    return lines


def kill_many(first: int, kills: int) -> tuple[int, int, list[str]]:
    """Stories until so many processes were killed: kills, stories, and what was wrong."""
    done = stories = 0
    wrong: list[str] = []
    while done < kills and len(wrong) < 5:
        seed = first + stories
        ended = story(seed)
        stories, done = stories + 1, done + ended.kills
        if ended.wrong:
            again = f"python -m tests.crash.kills --first {seed} --kills 1"
            wrong.append("\n".join([f"seed {seed}; to try it again: {again}", *ended.wrong[:5]]))
    return done, stories, wrong


def main() -> int:
    """Kill many processes; print what was wrong; exit with 1 when anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    kills, stories, wrong = kill_many(given.first, given.kills)
    print("\n".join([*wrong, f"{kills} kills in {stories} stories, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
