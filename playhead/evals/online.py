"""Judges a share of a Runtime's runs as they end, on a thread of its own.

    Runtime("desk.db", evaluators=[Sampled(Contains("Yours sincerely"), share=0.1)])

What was judged goes into the stream `evaluation/online`. A run that ended while no process was
there to judge it is judged at the next start.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import chain

from playhead.evals.budget import Share
from playhead.evals.case import Case, Trial
from playhead.evals.evaluation_log import ONLINE, STREAMS
from playhead.evals.evaluators import Given, evaluator_of
from playhead.evals.trials import Spent, TrialRunner
from playhead.events.codec import decode
from playhead.events.errors import PlayheadError, UsageError
from playhead.events.kinds.evaluations import RunJudged
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Log
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.state.run_state import RunState
from playhead.runtime import Runtime
from playhead.testing.recorded_run import RecordedRun

MISSED = 1000
"""The most runs that are judged at a start because nobody was there at their end."""

program_log = ProgramLogger("playhead.evals")


class Sampled:
    """An evaluator for a share of the runs of one Runtime, as they end."""

    def __init__(self, evaluator: Given, share: float = 1.0, agents: Sequence[str] = ()) -> None:
        """Nothing is judged before `begin`.

        Args:
            evaluator: a Judge, a function, or another one that expects nothing of a case.
            share: which share of the runs, from 0 to 1. The run's id decides, so that the sample is
                the same everywhere.
            agents: only runs of agents of these names; by default of all.

        Raises UsageError.
        """
        if not 0 <= share <= 1:
            msg = f"share={share}: give a share of the runs, from 0 to 1"
            raise UsageError(msg)
        self._evaluator = evaluator_of(evaluator)
        check = getattr(self._evaluator, "check", None)
        if check is not None:
            check(Case(id="a run", goal="of production"))
        self._share = share
        self._agents = frozenset(agents)
        self._ended: deque[tuple[str, str]] = deque()
        self._noted: dict[str, None] = {}
        """The newest runs that were taken."""
        self._woken = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def takes(self, run: str, agent: str) -> bool:
        """Whether a run is in the sample."""
        number = int.from_bytes(sha256(run.encode()).digest()[:8], "big")
        return number < self._share * 2**64 and (not self._agents or agent in self._agents)

    def begin(self, runtime: Runtime, judged: Callable[..., None]) -> None:
        """Judge what has ended unjudged, and from now on what ends.

        `judged` is told of each verdict: the agent, the run, passed=.
        """
        runtime.watch(self._committed)
        self._thread = threading.Thread(
            target=self._work, args=(runtime, judged), name="playhead-evals", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Judge nothing more; what is left is judged at the next start."""
        self._stopped = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _committed(self, state: RunState, records: Sequence[Record]) -> None:
        if records[-1].event.kind in ENDINGS:
            started = state.run_started
            if started.parent is None and "evaluation" not in started.metadata:
                self._note(state.run, started.agent.name)

    def _note(self, run: str, agent: str) -> None:
        """Judge it soon; once, also if it ends just while the missed ones are looked for."""
        if run not in self._noted and self.takes(run, agent):
            self._noted[run] = None
            if len(self._noted) > 2 * MISSED:
                self._noted.pop(next(iter(self._noted)))
            self._ended.append((run, agent))
            self._woken.set()

    def _work(self, runtime: Runtime, judged: Callable[..., None]) -> None:
        try:
            for run, agent in self._missed(runtime):
                self._note(run, agent)
        except PlayheadError as error:
            program_log.error("evaluation.missed_runs", why=str(error))
        while not self._stopped:
            self._woken.wait()
            self._woken.clear()
            while self._ended and not self._stopped:
                run, agent = self._ended.popleft()
                try:
                    passed = self._judge(runtime, run, agent)
                except Exception as error:
                    program_log.error("evaluation.not_judged", run=run, why=str(error))
                else:
                    judged(agent, run, passed=passed)

    def _missed(self, runtime: Runtime) -> Iterator[tuple[str, str]]:
        """Runs that have ended since those that were judged last began."""
        log = runtime.evaluations.log
        judged = _judged(log, self._evaluator.name)
        if not judged:
            return
        begun = chain.from_iterable(log.read(run, 0, 1) for run in judged if log.stream(run))
        since = max((row.at for row in begun), default=0)
        for row in runtime.find_runs(since=since, limit=MISSED):
            if row.ended_at is None or row.run in judged or "evaluation" in row.metadata:
                continue
            yield row.run, row.agent

    def _judge(self, runtime: Runtime, run: str, agent: str) -> bool:
        recorded = RecordedRun(runtime.evaluations.log, run)
        status = recorded.metrics.status
        first = recorded.records[0].event
        goal = first.goal if isinstance(first, RunStarted) else ""
        trial = Trial(Case(id=run, goal=goal or run), (recorded,), status)
        spent = Spent()
        runner = TrialRunner(runtime, ONLINE, "stop", None)
        (score,) = runner.score([self._evaluator], trial, run, Share(None), spent)
        passed = status == "finished" and score.passed
        verdict = RunJudged(
            run=run, agent=agent, status=status, score=score, passed=passed, judged_for=spent.cost
        )
        runtime.evaluations.append(ONLINE, verdict)
        return passed


def _judged(log: Log, evaluator: str) -> set[str]:
    """The newest runs that an evaluator has judged."""
    stream = f"{STREAMS}{ONLINE}"
    if log.stream(stream) is None:
        return set()
    after = max(0, log.head(stream).seq - MISSED)
    events = (decode(row, log.body).event for row in log.read(stream, after))
    return {
        event.run
        for event in events
        if isinstance(event, RunJudged) and event.score.evaluator == evaluator
    }
