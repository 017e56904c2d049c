"""The people around a simulated run: they start it, interrupt, approve, deny, and come too late."""

from collections.abc import Callable
from random import Random

from playhead.actors.engine.turn import Trigger
from playhead.events.codec import decode
from playhead.events.errors import PlayheadError
from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.model_calls import ModelCall, ModelFailed
from playhead.events.kinds.runs import (
    CancelRequested,
    MessageReceived,
    RunPaused,
    RunResumed,
    RunStarted,
)
from playhead.events.kinds.tool_calls import AttemptStarted, CallAnswered, ToolFailed
from playhead.events.registry import KINDS
from playhead.events.version import VERSION
from playhead.projections.state.calls.approvals import OpenApproval, open_approvals
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.simulation.actors.inbox import SimulatedInbox
from playhead.simulation.actors.sample_tools import DEFERRING
from playhead.simulation.faults.mix import Mix
from playhead.simulation.process.process import Process

MOST_RUNS = 3


class People:
    """All people outside, over all processes of a simulated run."""

    def __init__(self, random: Random, goals: Callable[[int], str]) -> None:
        self._random = random
        self._goals = goals
        self._sessions = random.random() < 0.4
        self._wanted = random.choice((1, 1, 2, MOST_RUNS))
        self.runs: list[str] = []
        self._seen: list[tuple[str, OpenApproval]] = []
        """(run, a request for approval there)."""
        self.inbox = SimulatedInbox()

    def plan(self, process: Process) -> None:
        """Choose at random what people will do while this process lives."""
        loop, random = process.loop, self._random
        while len(self.runs) < self._wanted and (not self.runs or random.random() < 0.7):
            run = f"run-{len(self.runs) + 1}"
            self.runs.append(run)
            loop.call_later(random.random() * 3, self.start, process, run)
        for _ in range(int(random.random() * 6 * process.mix.people + 0.5)):
            loop.call_later(random.expovariate(0.2), self._interfere, process)
        if random.random() < process.mix.clock_jump:
            loop.call_later(random.random() * 10, self._jump, process)
        for _ in range(6):
            loop.call_later(random.expovariate(0.08), self._look_at_approvals, process)

    def meanwhile(self, mix: Mix) -> None:
        """No process is running: commands wait in the inbox for the next one."""
        for run in self.runs:
            if self._random.random() < mix.people / 6:
                self.inbox.put(run, self._word())

    def start(self, process: Process, run: str) -> None:
        """Start a run, in a session if one is free."""
        random = self._random
        agent = random.choice(list(process.agents.values()))
        session = "talk" if self._sessions else None
        if process.engine.draining:
            return
        try:
            past = process.index.admit(run, agent.name, session, 100)
        except PlayheadError as error:
            process.ledger.note("not admitted", run, str(error))
            return
        started = RunStarted(
            goal=self._goals(self.runs.index(run) + 1), agent=agent.spec(), session=session,
            past=past, code=random.choice((VERSION, VERSION, "0.0.0")),
        )  # fmt: skip

        process.waits(run)

        def told(error: Exception | None) -> None:
            process.ledger.note("start told", run, str(error))
            process.heard(run, error)
            if error is not None:
                process.index.forget(run)
            elif process.log.stream(run) is None:
                process.ledger.violated("acknowledged_means_present", f"{run} is not in the log")

        trigger = Trigger(started, "user", "outside", told=told)
        process.engine.start(run, trigger, process.index.context(session, past))

    def at_rest(self, process: Process) -> bool:
        """Whether every run that people started has ended."""
        return len(self.runs) == self._wanted and not process.index.open_runs()

    def _known(self, process: Process) -> list[str]:
        return [run for run in self.runs if process.log.stream(run) is not None]

    def _interfere(self, process: Process) -> None:
        runs = self._known(process)
        if not runs or not process.alive:
            return
        run, random = self._random.choice(runs), self._random
        acts = (self._say, self._say, self._repeat_outcome, self._say_by_inbox, self._approve_late)
        act = random.choice(acts)
        process.ledger.note("people", act.__name__, run)
        act(process, run)

    def _word(self) -> Event:
        return self._random.choice((
            MessageReceived(text="Hurry up."), MessageReceived(text=""),
            MessageReceived(text="Ünd 1 more thing."), CancelRequested(reason="enough"),
            RunPaused(reason="a person"), RunPaused(reason="a person"),
            RunResumed(code=VERSION, reason="a person"), RunResumed(code=VERSION),
        ))  # fmt: skip

    def _say(self, process: Process, run: str) -> None:
        process.tell(run, self._word())

    def _say_by_inbox(self, process: Process, run: str) -> None:
        self.inbox.put(run, self._word())
        self.inbox.serve(process)

    def _repeat_outcome(self, process: Process, run: str) -> None:
        """An effect's outcome arrives a second time, or long after its run has ended."""
        records = list(process.log.read(run))
        found = [row for row in records if row.origin == "effect"]
        if found:
            row = self._random.choice(found)
            event = decode(row, process.log.body).event
            process.engine.arrive(run, Trigger(event, row.actor, "effect", row.cause))
        intents = [
            row for row in records if issubclass(KINDS[row.kind], ModelCall | AttemptStarted)
        ]
        if intents and self._random.random() < 0.3:
            row = self._random.choice(intents)
            late = (
                ModelFailed(error="late", message="late", retryable=False)
                if issubclass(KINDS[row.kind], ModelCall)
                else ToolFailed(error="late", message="late")
            )
            if any(r.cause == row.seq and r.origin == "effect" for r in records):
                process.engine.arrive(run, Trigger(late, row.actor, "effect", row.seq))

    def _approve_late(self, process: Process, run: str) -> None:
        """Someone approves a request from a while ago."""
        seen = [asked for where, asked in self._seen if where == run]
        if seen:
            asked = self._random.choice(seen)
            decided = ApprovalDecided(call=asked.call, binding=asked.binding, approved=True)
            process.tell(run, decided)

    def _jump(self, process: Process) -> None:
        process.skew += self._random.choice((-3_600_000_000, -50_000, 20_000_000, 86_400_000_000))
        process.ledger.note("clock jumps", process.skew)

    def _look_at_approvals(self, process: Process) -> None:
        for run in filter(process.log.stream, process.index.open_runs()):
            state = process.engine.state(run)
            self._seen += [(run, asked) for asked in open_approvals(state)]
            if self._random.random() < 0.8:
                self.decide(process, state)
            if _deferring(state):
                self.answer(process, state)

    def decide(self, process: Process, state: RunState) -> bool:
        """Approve or deny one waiting call or plan; occasionally something not requested."""
        random, waiting = self._random, open_approvals(state)
        if not waiting or not process.alive:
            return False
        asked = random.choice(waiting)
        arguments: dict[str, Json] | None = None
        if asked.about == "call" and random.random() < 0.2:
            arguments = {**asked.arguments, "amount": 1} if random.random() < 0.5 else {"odd": 1}
        if asked.about == "input":
            arguments = {"amount": 7} if random.random() < 0.9 else {"odd": 1}
        cut = asked.plan[: random.randint(0, len(asked.plan))]
        decided = ApprovalDecided(
            call=asked.call,
            binding=asked.binding if random.random() < 0.8 else "0" * 64,
            approved=random.random() < 0.6,
            arguments=arguments,
            plan=cut if asked.about == "plan" and random.random() < 0.2 else None,
        )
        process.ledger.note("approval", state.run, asked.call, decided.approved)
        process.tell(state.run, decided)
        return True

    def answer(self, process: Process, state: RunState, *, rightly: bool = False) -> bool:
        """Answer a deferred call: often rightly, sometimes early, twice, or with the wrong type."""
        random = self._random
        waiting = [call for call in _deferring(state) if call.deferred or not rightly]
        if not waiting or not process.alive:
            return False
        call = random.choice(waiting)
        said: Json = 7 if call.requested.tool == "ask_outside" else "yes"
        wrong = not rightly and random.random() < 0.2
        answer = CallAnswered(
            call=call.seq + (not rightly and random.random() < 0.1),
            result=[said] if wrong else said,
            error=None if random.random() < 0.8 else "it went wrong",
        )
        process.ledger.note("answer", state.run, answer.call)
        process.tell(state.run, answer)
        if not rightly and random.random() < 0.3:
            process.tell(state.run, answer)
        return True

    def calm_down(self, process: Process) -> bool:
        """Answer what an idle run waits for; False if there is nothing left to answer."""
        had_side_effects = False
        for run in filter(process.log.stream, process.index.open_runs()):
            state = process.engine.state(run)
            broken = state.paused is not None and state.paused.role is not None
            if state.stop is not None and not broken:
                continue  # a stopping run ends by itself, unless a role raised
            if state.paused is not None:
                process.tell(run, RunResumed(code=VERSION, reason="go on"))
                had_side_effects = True
            else:
                had_side_effects = self.decide(process, state) or had_side_effects
                had_side_effects = self.answer(process, state, rightly=True) or had_side_effects
        return had_side_effects


def _deferring(state: RunState) -> list[ToolCall]:
    """Calls that are answered later, or may be: begun and not ended."""
    names = {tool.spec.name for tool in DEFERRING}
    calls = state.calls.values()
    return [c for c in calls if c.requested.tool in names and (c.started or c.deferred)]
