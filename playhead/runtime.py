"""The runtime: what a program embeds. One log, some agents, their runs.

    with Runtime("fx.db", agents=[agent]) as runtime:
        result = runtime.run(agent, "What is 1 EUR in VND?")

It starts one thread for its event loop, one for the log, and a few for synchronous tools, however
many runs there are. It touches no signal handler, no global logging and no global tracer provider.
"""

import os
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from playhead.actors.engine.engine import Watcher
from playhead.actors.engine.load_state import load_session
from playhead.actors.engine.recovery import take_up
from playhead.actors.engine.turn import Trigger
from playhead.actors.fork import agent_of
from playhead.actors.replay import ReplayReport, replay
from playhead.assembly.engine import Assembly
from playhead.assembly.mcp_pins import Pins
from playhead.assembly.models import Models
from playhead.assembly.tools import Toolbox
from playhead.definition.agent import Agent, Out, check_namespace
from playhead.events.errors import PlayheadError, UsageError
from playhead.events.event import Block, Json
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Log
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.store import Durability
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import Model
from playhead.events.version import VERSION
from playhead.forking import NOTHING, Instead, begin_fork, new_run_id
from playhead.memory.api import Remembering
from playhead.memory.store import Memories
from playhead.run import Result, Run
from playhead.service.inbox_worker import InboxWorker
from playhead.service.loop_thread import LoopThread
from playhead.service.redaction import redactor_of
from playhead.service.run_control import RunControl, teller
from playhead.service.run_index import RunIndex, find_run
from playhead.service.subscriptions import Subscriptions
from playhead.telemetry.alerts import Alerts
from playhead.telemetry.setup import Telemetry
from playhead.tools.context import Secrets, from_environment
from playhead.tools.execution.workers import Threads
from playhead.tools.models.admission import Admission
from playhead.tools.models.embedders import Embedder, chosen_embedder
from playhead.tools.models.rate_limit import BreakerRule, RateLimit

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from playhead.inspector.server import Inspector

DEFAULT_LOG = "playhead.db"

program_log = ProgramLogger("playhead.runtime")


def default_log() -> Path:
    """$PLAYHEAD_LOG, or playhead.db in the working folder."""
    return Path(os.environ.get("PLAYHEAD_LOG") or DEFAULT_LOG)


class Runtime(RunControl, Remembering):
    """Runs agents, every step an event in the log. Use it as a context manager, or `close` it."""

    def __init__(
        self,
        log: Log | Path | str | None = None,
        agents: Sequence[Agent[object]] = (),
        *,
        model: Model | None = None,
        base_url: str | None = None,
        durability: Durability = "full",
        max_open_runs: int = 10_000,
        endpoints: Mapping[str, Model | str] | None = None,
        rate_limits: Mapping[str, RateLimit] | None = None,
        breaker: BreakerRule | None = None,
        max_model_calls: int = 64,
        max_sync_tools: int = 8,
        redact: Callable[[str], str] | None = None,
        watchers: Iterable[Watcher] = (),
        drain_seconds: float = 5.0,
        only_runs: Container[str] | None = None,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        alerts: Alerts | None = None,
        trace_content: bool = False,
        secrets: Secrets | None = None,
        embedder: Embedder | str | None = None,
    ) -> None:
        """Open the log, take up the open runs of these agents, and be ready.

        Args:
            log: a file (made when missing), a Log (which its owner closes), or None for
                $PLAYHEAD_LOG or playhead.db.
            agents: whose open runs are taken up again; runs of other agents stay parked.
            model: answers every request of agents whose `model` is a name; by default the
                anthropic SDK, or the local demonstration model without a key and a base URL.
            base_url: an Anthropic-compatible endpoint.
            durability: "full" survives power cuts, "normal" may lose the newest records then.
            max_open_runs: `start` refuses more than so many open runs.
            endpoints: others that a routing table may name: a Model, or in words (a URL,
                bedrock:REGION, vertex:PROJECT/REGION).
            rate_limits: requests and tokens a minute, by model ("*": any other); calls wait.
            breaker: when an endpoint that fails again and again rests, and for how long.
            max_model_calls: model calls under way at once, over all runs.
            max_sync_tools: threads for synchronous tools.
            redact: changes every text of what comes in before an event is made of it: a function,
                or a Redactor; keys of a known form are hidden in any case but Redactor(formats=()).
            watchers: hear each turn once it is committed, on the runtime's loop.
            drain_seconds: how long `close` waits for effects under way.
            only_runs: of the open runs, take up these alone; None for all.
            tracer_provider: takes the spans; by default one that the OTEL_* variables ask for.
            meter_provider: takes the metrics; by default one that the OTEL_* variables ask for.
            alerts: what is judged after each run, and who is told.
            secrets: from a secret's name to its value, asked when a tool that needs it is called;
                by default the environment variable of that name.
            embedder: makes recall search by meaning too: an Embedder, or in words "offline" (the
                default; words alone where the extra `embeddings` is not installed), "none", or an
                endpoint as "BASE_URL MODEL DIMENSIONS". None for $PLAYHEAD_EMBEDDER.
            trace_content: put prompts, arguments, results and error messages onto the spans.

        Raises LogOwned, LogTooNew, LogDamaged and UsageError.
        """
        models = Models(model, base_url, endpoints)
        self._telemetry = Telemetry(
            tracer_provider, meter_provider=meter_provider, alerts=alerts, content=trace_content
        )
        secrets = secrets or from_environment
        chosen = chosen_embedder(embedder, secrets)
        self._own_log = log is None or isinstance(log, str | Path)
        self._log: Log = (
            SqliteLog(log or default_log(), durability)
            if log is None or isinstance(log, str | Path)
            else log
        )
        self._max_open = max_open_runs
        self._drain_seconds = drain_seconds
        self._only_runs = only_runs
        self._closed = False
        self._inspectors: list[Inspector] = []
        with ExitStack() as undo:  # what fails here leaves neither a lock nor a thread behind
            if self._own_log:
                undo.callback(self._log.close)
            self._memories = Memories(self._log, chosen, redactor_of(redact))
            undo.callback(self._memories.close)
            self._subscriptions = Subscriptions()
            toolbox = Toolbox(Pins(self._log), secrets)
            self._assembly = Assembly(models, toolbox, Threads(max_sync_tools))
            self._index = RunIndex(self._log)
            self._thread = LoopThread()
            undo.callback(self._thread.close)
            admission = Admission(max_model_calls, time.monotonic, rate_limits, breaker)
            self._engine = self._thread.call(
                lambda: self._assembly.engine(
                    self._log,
                    self._subscriptions,
                    admission,
                    self._thread.loop,
                    redact,
                    self._memories,
                )
            )
            self._engine.watchers += [
                self._index.committed,
                *watchers,
                *self._telemetry.watchers(self._log),
                self._subscriptions.committed,
            ]
            self._inbox_worker = (
                InboxWorker(self._log.path, self._log, self._serve)
                if isinstance(self._log, SqliteLog)
                else None
            )
            undo.pop_all()
        try:
            for agent in agents:
                self.register(agent)
        except BaseException:
            self.close()
            raise

    def register(self, agent: Agent[Out]) -> None:
        """Make an agent known: its open runs are taken up now.

        One that cannot be (of a kind that this code does not know, or damaged) stays as it is, and
        the program's log says why.
        """
        for child in agent.agents:
            self.register(child)
        if not self._assembly.add(agent):
            return
        for run in self._index.open_runs(agent.name):
            if self._only_runs is None or run in self._only_runs:
                self._take_up(run)

    def _take_up(self, run: str) -> None:
        try:
            self._thread.call(partial(take_up, self._engine, run))
        except PlayheadError as error:
            if self._only_runs is not None:  # it was asked for by its id
                raise
            program_log.error("run.parked", run=run, why=str(error))

    def watch(self, watcher: Watcher) -> None:
        """Have each turn of each run told to `watcher`, on the runtime's loop, once committed."""
        self._thread.call(lambda: self._engine.watchers.append(watcher))

    def run(
        self,
        agent: Agent[Out],
        goal: str,
        *,
        session: str | None = None,
        metadata: Mapping[str, str] | None = None,
        content: Sequence[Block] = (),
        tools: Sequence[str] | None = None,
        namespace: str | None = None,
    ) -> Result[Out]:
        """Start a run and wait for its result. Raises RunNotFinished when there is none."""
        run = self.start(
            agent, goal, session=session, metadata=metadata, content=content, tools=tools,
            namespace=namespace,
        )  # fmt: skip
        return run.wait()

    async def arun(
        self,
        agent: Agent[Out],
        goal: str,
        *,
        session: str | None = None,
        metadata: Mapping[str, str] | None = None,
        content: Sequence[Block] = (),
        tools: Sequence[str] | None = None,
        namespace: str | None = None,
    ) -> Result[Out]:
        """`run` for async programs: the caller's loop is never blocked for long."""
        return await self.start(
            agent, goal, session=session, metadata=metadata, content=content, tools=tools,
            namespace=namespace,
        )  # fmt: skip

    def start(
        self,
        agent: Agent[Out],
        goal: str,
        *,
        session: str | None = None,
        metadata: Mapping[str, str] | None = None,
        content: Sequence[Block] = (),
        tools: Sequence[str] | None = None,
        namespace: str | None = None,
    ) -> Run[Out]:
        """Start a run; it is in the log when this returns.

        `tools` names those of the agent's tools and groups that the run may see; None for all.
        `content` holds images and documents that belong to the goal, as the API has them.
        `namespace` is whose memory it reads and writes: a user, a customer, a project; by default
        the one that the agent's `memory` names, if any.

        Raises AdmissionRefused (nothing was logged), SessionBusy, NotStorable for a goal that JSON
        cannot carry, and UsageError for a blank goal without content, a money limit with a model
        of unknown price, or tools of memory without a namespace.
        """
        self._check_open()
        if not goal.strip() and not content:
            msg = "the goal is blank: say what is to be reached"
            raise UsageError(msg)
        self.register(agent)
        spec = self._assembly.models.check(agent, agent.spec(tools, namespace))
        check_namespace(spec)
        run = new_run_id()
        past = self._index.admit(run, agent.name, session, self._max_open)
        started = RunStarted(
            goal=goal, content=tuple(content) or None, agent=spec, session=session, past=past,
            code=VERSION, metadata=dict(metadata or {}),
        )  # fmt: skip
        committed: Future[None] = Future()
        trigger = Trigger(
            started, "user", "outside", traceparent=self._telemetry.traceparent(),
            told=teller(committed),
        )  # fmt: skip
        try:
            context = load_session(self._log, past)
            self._thread.call(lambda: self._engine.start(run, trigger, context))
            committed.result()
        except BaseException:
            self._index.forget(run)
            raise
        return Run(self, run, agent.read_output)

    def attach(self, run: str, agent: Agent[Out] | None = None) -> Run[Out]:
        """A run that is in the log already, by its id. Raises UnknownRun."""
        if agent is not None:
            self.register(agent)
        run = find_run(self._log, run)
        state = self._thread.call(lambda: self._engine.state(run))
        known = agent or self._assembly.agents.get(state.agent.name)
        read = known.read_output if known is not None else _as_text
        return Run(self, run, read)  # type: ignore[arg-type]

    def replay(self, run: str, to: int | None = None) -> ReplayReport:
        """Decide a run's turns again and compare; no network, no tool, no user code is touched."""
        return replay(self._log, run, to=to)

    def resume(self, run: str) -> None:
        """Go on with a run that is paused.

        An imported run is taken up with the agent of its name that is known here, and nothing that
        was agreed to elsewhere counts. Raises UsageError where there is no such agent.
        """
        state = self._thread.call(lambda: self._engine.state(run))
        if not state.parked:
            super().resume(run)
            return
        self._check_open()
        known = self._assembly.agents.get(state.agent.name)
        if known is None:
            msg = f"run {run} was imported, and its agent {state.agent.name!r} is not known here"
            raise UsageError(msg)
        if state.run_started.parent is not None:
            msg = f"run {run} was imported, and started by another run: take that one up"
            raise UsageError(msg)
        spec = self._assembly.models.check(known, known.spec(None, None))
        check_namespace(spec)
        self._thread.call(partial(take_up, self._engine, run, spec))

    def fork(self, run: str, at: int | None = None, instead: Instead = NOTHING) -> Run[object]:
        """A new run that shares a run's past up to record `at`, and goes on with something changed.

        What the parent has recorded answers as long as what is asked stays the same; then it is
        live. Tools with effects ask for approval first, unless `instead.allow` names them.

        Raises UnknownRun, and UsageError where it cannot be cut or its agent is not known here.
        """
        self._check_open()
        run = find_run(self._log, run)
        if instead.agent is not None:
            self.register(instead.agent)
        known = self._assembly.agents.get((instead.agent or agent_of(self._log, run, at)).name)
        if known is None:
            msg = f"the agent of run {run} is not known here: Runtime(agents=[...]) or agent="
            raise UsageError(msg)
        if instead.agent is None and next(self._log.read(run, 0, 1)).imported:
            instead = replace(instead, agent=known)  # the spec that came with it counts for nothing
        forked = begin_fork(self._log, run, at, instead)
        self._index.add(forked.run, forked.agent.name)
        self._thread.call(partial(take_up, self._engine, forked.run))
        return Run(self, forked.run, known.read_output)

    def serve(
        self, *, host: str = "127.0.0.1", port: int = 0, approvals: bool = True
    ) -> "Inspector":
        """Show this log in the browser, at `.url`, until it or the runtime is closed.

        `approvals`: whether they can be given there. Raises UsageError when the address is taken,
        or where the extra `inspector` is not installed.
        """
        self._check_open()
        try:
            from playhead.inspector.server import Inspector
        except ImportError as error:
            msg = "the inspector is not installed: pip install 'playhead[inspector]'"
            raise UsageError(msg) from error
        tell = self.tell if approvals else None
        rules = self._telemetry.rules
        inspector = Inspector(self._log, tell=tell, host=host, port=port, rules=rules)
        self._inspectors.append(inspector)
        return inspector.start()

    def close(self) -> None:
        """Let effects under way end (`drain_seconds`), write everything, release the log.

        Runs that are still open go on when a Runtime takes them up again. Safe to call twice.
        """
        if self._closed:
            return
        for inspector in self._inspectors:
            inspector.close()
        if self._inbox_worker is not None:
            self._inbox_worker.close()
        self._closed = True
        self._thread.wait_for(self._settle())
        self._subscriptions.close()
        self._thread.close()
        self._assembly.workers.close()
        self._assembly.toolbox.close()
        self._memories.close()
        if self._own_log:
            self._log.close()
        self._telemetry.close()

    async def _settle(self) -> None:
        self._engine.draining = True
        await self._engine.quiet()  # what these turns let out is settled too
        await self._engine.effects.settle(self._drain_seconds)
        await self._engine.quiet()
        self._engine.stop()
        await self._assembly.models.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _as_text(answer: str, _: Json) -> str:
    return answer
