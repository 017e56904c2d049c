"""The runtime: what a program embeds. One log, some agents, their runs.

    with Runtime("fx.db", agents=[agent]) as runtime:
        result = runtime.run(agent, "What is 1 EUR in VND?")

It starts one thread for its event loop, one for the log, and a few for synchronous tools, however
many runs there are. It touches no signal handler, no global logging and no global tracer provider.
"""

import asyncio
import os
import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack, cast

from playhead.actors.engine.engine import Watcher
from playhead.actors.replay import ReplayReport, replay
from playhead.assembly.agents import made_for_one
from playhead.assembly.engine import Assembly
from playhead.assembly.mcp_pins import Pins
from playhead.assembly.models import Models
from playhead.assembly.tools import Toolbox
from playhead.definition.agent import Agent, Out, check_namespace
from playhead.definition.for_one_run import for_one_run, named
from playhead.definition.messages import Said, history_of, spoken
from playhead.events.codec import decode
from playhead.events.errors import PlayheadError, ServerUnreachable, UsageError
from playhead.events.event import Json
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.schedules import MissedRule, ScheduleCancelled, ScheduleSet
from playhead.events.log.contract import Log
from playhead.events.log.inbox import Command
from playhead.events.log.run_agent import agent_of
from playhead.events.log.sql.writer import Durability
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import Model
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec
from playhead.events.version import VERSION
from playhead.forking import NOTHING, Instead, begin_fork
from playhead.memory.store import Memory
from playhead.notices.notice import Notify
from playhead.notices.notifier import Notifier
from playhead.projections.state.run_state import RunState
from playhead.projections.stored.run_list import RunRow
from playhead.run import Result, Run
from playhead.scheduling.schedule_list import Schedule
from playhead.scheduling.scheduler import Scheduler, schedule_id
from playhead.service.idempotency import check_same, check_same_fork, lock_of, run_of
from playhead.service.inbox_worker import InboxWorker
from playhead.service.loop_thread import LoopThread
from playhead.service.quotas import quotas_of
from playhead.service.redaction import Redactor, redactor_of
from playhead.service.run_control import RunControl, new_run_id
from playhead.service.run_index import RunIndex
from playhead.service.subscriptions import Subscriptions
from playhead.service.wait_reader import Wanted
from playhead.settings import Capacity, RunOptions, Telemetry, check_options, recorded_options
from playhead.telemetry.setup import Reporting
from playhead.tools.context import Secrets, from_environment
from playhead.tools.execution.workers import Threads
from playhead.tools.models.admission import Admission
from playhead.tools.models.embedders import Embedder, chosen_embedder

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from playhead.evals.evaluation_log import EvaluationLog
    from playhead.inspector.server import Inspector

DEFAULT_LOG = "playhead.db"

program_log = ProgramLogger("playhead.runtime")


def default_log() -> Path:
    """$PLAYHEAD_LOG, or playhead.db in the working directory."""
    return Path(os.environ.get("PLAYHEAD_LOG") or DEFAULT_LOG)


def _opened(log: Path | str | None, durability: Durability) -> Log:
    url = os.environ.get("PLAYHEAD_LOG") if log is None else log
    if not isinstance(url, str) or not url.startswith(("postgresql://", "postgres://")):
        return SqliteLog(log or default_log(), durability)
    try:
        from playhead.events.log.postgres.log import PostgresLog
    except ImportError as error:
        msg = "a log in PostgreSQL needs an extra: pip install 'playhead[postgres]'"
        raise UsageError(msg) from error
    return PostgresLog(url, durability)


class Evaluator(Protocol):
    """Judges runs as they end."""

    def begin(self, runtime: "Runtime", judged: Callable[..., None]) -> None:
        """The runtime is open; `judged` is told of each verdict: the agent, the run, passed=."""
        ...

    def close(self) -> None:
        """The runtime closes."""
        ...


class Runtime:
    """Runs agents, every step an event in the log. Use it as a context manager, or `close` it.

    It works in the process that created it: in a forked one every call raises InheritedByFork, and
    leaving its `with` block does nothing. After `close` every call raises RuntimeClosed. Blocking
    calls raise CalledOnLoop on the runtime's own loop (in a watcher, a model).
    """

    runs: RunControl
    """Its runs by their ids: `approvals()`, `status(run)`, `listen(run)`, `tell(run, event)`..."""
    memory: Memory
    """The log's facts and memories: `remember`, `recall`, `facts`, `retract`..."""

    def __init__(
        self,
        log: Log | Path | str | None = None,
        agents: Sequence[Agent[object]] = (),
        *,
        model: Model | None = None,
        base_url: str | None = None,
        endpoints: Mapping[str, Model | str] | None = None,
        capacity: Capacity = Capacity(),  # noqa: B008 - immutable
        telemetry: Telemetry = Telemetry(),  # noqa: B008 - immutable
        redact: Callable[[str], str] | None = None,
        secrets: Secrets = from_environment,
        embedder: Embedder | str | None = None,
        durability: Durability = "full",
        drain_seconds: float = 5.0,
        storage_seconds: float = 10.0,
        only_runs: Container[str] | None = None,
        notify: Notify | None = None,
        evaluators: Sequence[Evaluator] = (),
    ) -> None:
        """Open the log, resume the open runs of these agents, and be ready.

        Args:
            log: a file (created if missing), a database of PostgreSQL's ("postgresql://..."), a
                Log (closed by its owner), or None for $PLAYHEAD_LOG or playhead.db.
            agents: their open runs are resumed; runs of other agents stay parked. One whose
                MCP server does not answer is left out, and tried again when a run of it starts.
            model: answers every request of agents whose `model` is a name; by default the
                anthropic SDK, or the local demonstration model without a key and a base URL.
            base_url: an Anthropic-compatible endpoint.
            endpoints: others that a routing table may name: a Model, or a string (a URL,
                bedrock:REGION, vertex:PROJECT/REGION).
            capacity: how much runs at once, and how fast.
            telemetry: where spans, metrics and alerts go.
            redact: changes every incoming text before it becomes part of an event: a function or a
                Redactor; keys of known formats are masked unless Redactor(formats=()) is given.
            secrets: maps a secret's name to its value, asked when a tool that needs it is called;
                by default the environment variable of that name.
            embedder: lets recall also search by meaning: an Embedder, or the string "offline" (the
                default; words only if the extra `embeddings` is not installed), "none", or an
                endpoint as "BASE_URL MODEL DIMENSIONS". None for $PLAYHEAD_EMBEDDER.
            durability: "full" survives power cuts, "normal" may lose the newest records then.
            drain_seconds: how long `close` waits for open effects, and for `notify`.
            storage_seconds: how long writing the log may fail until those who wait are told
                (StorageUnavailable); the runs continue by themselves when it works again.
            only_runs: resume only these of the open runs, and start none by schedules; None for
                all.
            notify: who is told that a run waits for a person, and when.
            evaluators: judge runs as they end: `playhead.evals.Sampled`, each for a share of them.

        Raises LogOwned, LogTooNew, LogDamaged and UsageError (ServerUnreachable when no agent is
        left).
        """
        self._models = Models(model, base_url, endpoints)
        self._telemetry = Reporting(telemetry)
        chosen = chosen_embedder(embedder, secrets)
        redactor = self._redactor = redactor_of(redact)
        self._own_log = log is None or isinstance(log, str | Path)
        self._log: Log = (
            _opened(log, durability) if log is None or isinstance(log, str | Path) else log
        )
        self._capacity = capacity
        self._drain_seconds = drain_seconds
        self._storage_seconds = storage_seconds
        self._only_runs = only_runs
        self._closed = False
        self._evaluators: list[Evaluator] = []
        self._inspectors: list[Inspector] = []
        with ExitStack() as undo:  # a failure here leaves no lock and no thread behind
            if self._own_log:
                undo.callback(self._log.close)
            self._thread = LoopThread()
            undo.callback(self._thread.close)
            self.memory = Memory(self._log, chosen, redactor, self._thread.check_may_wait)
            undo.callback(self.memory.close)
            toolbox = Toolbox(Pins(self._log), secrets)
            self._assembly = Assembly(self._models, toolbox, Threads(capacity.sync_tools))
            index = RunIndex(self._log)
            undo.callback(index.close)
            self._quotas = quotas_of(self._log, capacity.quotas)
            if self._quotas is not None:
                undo.callback(self._quotas.close)
            self._start_engine(index, redactor, notify)
            undo.pop_all()
        try:
            self._register_reachable(agents)
            if only_runs is None:
                self._scheduler.begin()
            if self._notifier is not None:
                self._notifier.begin()
            for evaluator in evaluators:
                self._evaluators.append(evaluator)
                evaluator.begin(self, self._telemetry.judged)
        except BaseException:
            self.close()
            raise

    def _start_engine(self, index: RunIndex, redactor: Redactor, notify: Notify | None) -> None:
        capacity, subscriptions, thread = self._capacity, Subscriptions(), self._thread
        admission = Admission(
            capacity.model_calls, time.monotonic, capacity.rate_limits, capacity.breaker,
            None if self._quotas is None else self._quotas.check,
        )  # fmt: skip
        self._engine = thread.call(
            lambda: self._assembly.engine(
                self._log,
                subscriptions,
                admission,
                thread.loop,
                redactor,
                self.memory.index,
                self._storage_seconds,
            )
        )
        self._engine.warned.append(subscriptions.warned)
        self.runs = RunControl(
            self._log, index, thread, self._engine, subscriptions, self._spec_for
        )
        self._assembly.toolbox.lapse = self.runs.lapse
        self._scheduler = Scheduler(self._log, self._start_scheduled, redactor.event)
        self._notifier = Notifier(self._log, notify, self.runs.waits) if notify else None
        self._engine.watchers += [
            index.committed,
            *([self._notifier.committed] if self._notifier else []),
            *self._telemetry.watchers(self._log),
            subscriptions.committed,
        ]
        self._engine.effects.entering = self._telemetry.entering
        self._subscriptions = subscriptions
        self._inbox_worker = (
            InboxWorker(self._log.path, self._log, self._serve)
            if isinstance(self._log, SqliteLog)
            else None
        )

    def register(self, agent: Agent[Out]) -> None:
        """Keep an agent for the runs of other processes: the open ones are resumed now.

        A name may have several versions: a run is resumed by the one that it was started with, as
        far as the record tells, else by the newest. A run that cannot be resumed (of a kind that
        this code does not know, or damaged) stays as it is, and the program's log says why.
        """
        self.runs.check_may_wait()
        names = self._assembly.agents.keep(agent)
        if names:
            self._scheduler.agents_changed()
        for name in names:
            self._take_up_all(name)

    def _register_reachable(self, agents: Sequence[Agent[object]]) -> None:
        """Register the agents, except those whose MCP server does not answer.

        Raises ServerUnreachable if no agent is left.
        """
        unreachable = list[ServerUnreachable]()
        names = dict[str, None]()  # a run is resumed once all versions are known
        for agent in agents:
            try:
                names |= dict.fromkeys(self._assembly.agents.keep(agent))
            except ServerUnreachable as error:
                program_log.error("agent.left_out", agent=agent.name, why=str(error))
                unreachable.append(error)
        if unreachable and len(unreachable) == len(agents):
            raise unreachable[0]
        self._scheduler.agents_changed()
        for name in names:
            self._take_up_all(name)

    def _take_up_all(self, name: str) -> None:
        """Resume the runs of the agents of a name that no object acts for yet."""
        for run in self.runs.index.unbound(name):
            if self._only_runs is None or run in self._only_runs:
                agent = self._assembly.agents.named(name, partial(self._definition, run))
                if agent is not None:
                    self._take_up(run, agent)

    def _prepare(self, agent: Agent[Out]) -> None:
        """An agent that a run is started with; it resumes the runs that recorded the same.

        Not if its functions hold values of their own, which may be another caller's.
        """
        if not self._assembly.agents.prepare(agent) or made_for_one(agent):
            return
        definition = self._assembly.agents.definition(agent)
        for run in self.runs.index.unbound(agent.name):
            if self._only_runs is None and self._definition(run) in (definition, None):
                self._take_up(run, agent)

    def _definition(self, run: str) -> str | None:
        """The hash of the agent that a run was started with; None if an older version did."""
        first = decode(next(self._log.read(run, 0, 1)), self._log.body).event
        return first.definition if isinstance(first, RunStarted) else None

    def _spec_for(self, run: str, name: str) -> AgentSpec | None:
        """The agent of that name as it is known here, as data; it acts for the run from now on."""
        agent = self._named(run, name)
        if agent is None:
            return None
        if callable(agent.instructions):
            msg = (
                f"agent {name!r} cannot take up an imported run: its instructions are a function, "
                "which is asked when a run starts; take it up with an agent that has a text"
            )
            raise UsageError(msg)
        self._bind(run, agent)
        spec = self._models.check(agent, agent.spec(None, None))
        check_namespace(spec)
        return spec

    def _take_up(self, run: str, agent: Agent[object]) -> None:
        try:
            self._bind(run, agent)
            self.runs.take_up(run)
        except PlayheadError as error:
            if self._only_runs is not None:  # it was asked for by its id
                raise
            program_log.error("run.parked", run=run, why=str(error))

    def _bind(self, run: str, agent: Agent[object]) -> None:
        self._assembly.agents.bind(run, agent, resumed=True)
        self.runs.index.bound(run)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with each turn of each run, on the runtime's loop, once committed.

        It sees the context variables of the run's caller, as tools do.
        Callers that wait for a run are notified afterwards. To see resumed runs from their first
        turn on, call `watch` before `register`. A watcher's exceptions go to the program's log and
        harm nothing; blocking calls (`run`, `run.wait`, `cancel`, `close`...) raise CalledOnLoop:
        make them on another thread.
        """
        self.runs.check_open()
        engine = self._engine

        def in_context(state: RunState, records: Sequence[Record]) -> None:
            engine.context(state.run).run(watcher, state, records)

        self._thread.call(lambda: engine.watchers.insert(-1, in_context))

    def run(self, agent: Agent[Out], goal: Said, **options: Unpack[RunOptions]) -> Result[Out]:
        """Start a run and wait for its result; `await runtime.start(...)` in async programs.

        Raises the errors of `start`, and RunNotFinished if there is no result.
        """
        return self.start(agent, goal, **options).wait()

    async def arun(
        self, agent: Agent[Out], goal: Said, **options: Unpack[RunOptions]
    ) -> Result[Out]:
        """`run` for async programs: starts the run, and waits without blocking the caller's loop.

        Cancelling the caller leaves the run going; to stop it too, `start` it, and `cancel` it.
        """
        return await (await asyncio.to_thread(lambda: self.start(agent, goal, **options)))

    def start(self, agent: Agent[Out], goal: Said, **options: Unpack[RunOptions]) -> Run[Out]:
        """Start a run; it is in the log when this returns. Options: `RunOptions`.

        The goal is a text, or a list of texts, Images, Documents and content blocks of the API,
        which the model reads in this order.

        Its tools, dependencies, rules and watchers see the caller's context variables (ContextVar)
        as they are now, until the run ends or leaves memory. When it is taken up later, after a
        crash or by another process, they are empty: what a tool needs then belongs into `metadata`.

        Raises AdmissionRefused (nothing was logged), SessionBusy, NotStorable for a goal that JSON
        cannot represent, StorageUnavailable if the log could not be written for `storage_seconds`
        (the run does not begin later, unless the last failed try had written it), and UsageError
        for a blank goal without content, an unknown option, a cost limit with a model of
        unknown price, or memory tools without a namespace.
        """
        return self._start(agent, goal, options, None)

    def _start(
        self, agent: Agent[Out], goal: Said, options: RunOptions, run: str | None
    ) -> Run[Out]:
        self.runs.check_may_wait()
        said = spoken(goal, check_options(options).get("content") or ())
        if not said.text.strip() and not said.content:
            msg = "the goal is blank: say what the run should achieve"
            raise UsageError(msg)
        self._prepare(agent)
        own = for_one_run(agent, options)
        self._assembly.agents.prepare(own, named=False)  # connects servers, judges skills
        spec = self._models.check(own, own.spec(named(options), options.get("namespace")))
        check_namespace(spec)
        started = RunStarted(
            goal=said.text, content=said.content, ordered=said.ordered, agent=spec,
            history=history_of(options.get("message_history") or ()),
            session=options.get("session"), code=VERSION,
            metadata=dict(options.get("metadata") or {}),
            definition=self._assembly.agents.definition(agent),
        )  # fmt: skip
        key = options.get("idempotency_key")
        if key is None:
            return self._begin(run or new_run_id(), started, own)
        run = run_of(key)
        with lock_of(run):
            if self._log.head(run).seq:
                check_same(self._log, run, key, self._redactor.event(started))
                return self.attach(run, own)
            if self.runs.was_moved(run):
                msg = f"idempotency_key {key!r}: its run {run} was archived or erased"
                raise UsageError(msg)
            return self._begin(run, started, own)

    def _begin(self, run: str, started: RunStarted, agent: Agent[Out]) -> Run[Out]:
        agents = self._assembly.agents
        agents.bind(run, agent)
        try:
            self.runs.start(run, started, self._capacity.open_runs, self._telemetry.traceparent())
        except BaseException:
            if run not in self.runs.index:
                agents.release(run)
            raise
        return Run(self.runs, run, agent.read_output)

    def find_runs(self, **wanted: Unpack[Wanted]) -> list[RunRow]:
        """The runs of the log, newest first, as the stored list has them; filters: `Wanted`.

        Child runs are left out unless `children=True`. For the next page, pass the `position` of
        the last row as `before`.
        """
        wanted.setdefault("children", False)
        return self.runs.find_runs(**wanted)

    def schedule(
        self,
        cron: str,
        agent: Agent[Any],
        goal: str,
        *,
        timezone: str = "UTC",
        name: str | None = None,
        missed: MissedRule = "latest",
        **options: Unpack[RunOptions],
    ) -> Schedule:
        """Start a run of the agent at each time of a cron expression; it is kept in the log.

        Call it at each start of the program: a schedule that is the same already is left as it is.
        Whichever process has the log starts the runs, with the agent of that name; each time is one
        run, whatever crashes. Needs the extra `schedules`.

        Args:
            cron: minute, hour, day, month, weekday: "0 9 * * 1" is Mondays at nine.
            agent: its name is recorded, and the agent itself registered.
            goal: of each run.
            timezone: an IANA name.
            name: sets the schedule of that name anew; by default its settings name it.
            missed: what is done about times at which no process was there: "skip", "latest" (the
                last of them is caught up) or "all".
            options: of each run, as in `start`, but for `idempotency_key`.

        Raises UsageError.
        """
        self.runs.check_may_wait()
        if options.get("idempotency_key") is not None:
            msg = "a schedule has no idempotency_key: each of its times is one run by itself"
            raise UsageError(msg)
        self.register(agent)
        wanted = ScheduleSet(
            schedule=name or "", cron=cron, timezone=timezone, agent=agent.name, goal=goal,
            missed=missed, options=recorded_options(check_options(options)),
        )  # fmt: skip
        if not name:
            wanted = wanted.model_copy(update={"schedule": schedule_id(wanted)})
        return self._scheduler.set(wanted)

    def schedules(self) -> list[Schedule]:
        """The schedules of this log that are not cancelled, oldest first."""
        self.runs.check_open()
        return self._scheduler.all()

    def cancel_schedule(self, schedule: str, reason: str = "") -> None:
        """Start nothing more by this schedule; its open runs go on. Raises UsageError."""
        self.runs.check_may_wait()
        self._scheduler.cancel(schedule, reason)

    def _start_scheduled(self, wanted: ScheduleSet, run: str) -> bool:
        agent = self._assembly.agents.named(wanted.agent, lambda: None)
        if agent is not None:
            self._start(agent, wanted.goal, cast("RunOptions", wanted.options), run)
        return agent is not None

    def _serve(self, command: Command) -> None:
        """Execute a command from another process."""
        if command.kind == "schedule_cancelled":
            event = command.event()
            assert isinstance(event, ScheduleCancelled)
            self._scheduler.cancel(event.schedule, event.reason, command.id)
        else:
            self.runs.serve(command)

    def attach(self, run: str, agent: Agent[Out] | None = None) -> Run[Out]:
        """A run that is already in the log, by its id, the beginning of its id, or `last`.

        Raises UnknownRun.
        """
        self.runs.check_open()
        run = self.runs.find(run)
        if agent is not None:
            if run in self.runs.index.unbound(agent.name):
                self._take_up(run, agent)
            self._prepare(agent)
        known = agent or self._assembly.agents.of(run) or self._named(run, self.runs.agent(run))
        read = known.read_output if known is not None else _as_text
        return cast("Run[Out]", Run(self.runs, run, read))

    def complete(self, run: str, call: int, result: Json = None) -> None:
        """Give the answer of a deferred call, from anywhere in the program: a webhook, a queue.

        Raises AnswerRefused, whose `reason` says why, and UnknownRun; see `RunControl.complete`.
        """
        self.runs.complete(run, call, result)

    def fail(self, run: str, call: int, message: str, hint: str | None = None) -> None:
        """Say that what a deferred call began has failed; the model reads it. As `complete`."""
        self.runs.fail(run, call, message, hint)

    def replay(self, run: str, to: int | None = None) -> ReplayReport:
        """Decide a run's turns again and compare; uses no network, tools or user code."""
        self.runs.check_open()
        return replay(self._log, self.runs.find(run), to=to)

    def fork(
        self,
        run: str,
        at: int | None = None,
        instead: Instead = NOTHING,
        *,
        idempotency_key: str | None = None,
    ) -> Run[object]:
        """A new run that shares a run's past up to record `at`, and continues with a change.

        Recorded outcomes answer equal calls; after the first different call everything is live.
        Tools with side effects ask for approval first, unless `instead.allow` names them.
        `idempotency_key`: the same key gives the same fork, as in `start`.

        Raises UnknownRun, and UsageError if it cannot be cut there or its agent is not known here.
        """
        self.runs.check_may_wait()
        run = self.runs.find(run)
        known = instead.agent or self._assembly.agents.of(run)
        known = known or self._named(run, agent_of(self._log, run, at).name)
        if known is None:
            msg = f"the agent of run {run} is not known here: Runtime(agents=[...]) or agent="
            raise UsageError(msg)
        if instead.agent is None and next(self._log.read(run, 0, 1)).imported:
            instead = replace(instead, agent=known)  # the imported agent spec is ignored
        fork = new_run_id() if idempotency_key is None else run_of(idempotency_key)
        with lock_of(fork):
            if self._log.stream(fork) is not None:
                check_same_fork(self._log, run, fork, idempotency_key or "")
                return self.attach(fork, known)
            self._assembly.agents.prepare(known, named=False)  # connects servers, judges skills
            begin_fork(self._log, run, at, instead, fork)
            self.runs.index.add(fork, known.name)
            self._bind(fork, known)
            self.runs.take_up(fork)
        return Run(self.runs, fork, known.read_output)

    @cached_property
    def evaluations(self) -> "EvaluationLog":
        """The evaluations in its log: `playhead.evals.evaluate` writes them."""
        from playhead.evals.evaluation_log import EvaluationLog

        self.runs.check_open()
        return EvaluationLog(self._log, self._redactor.event)

    def _named(self, run: str, name: str) -> Agent[object] | None:
        return self._assembly.agents.named(name, partial(self._definition, run))

    def serve(
        self, *, host: str = "127.0.0.1", port: int = 0, approvals: bool = True
    ) -> "Inspector":
        """Show this log in the browser, at `.url`, until it or the runtime is closed.

        `approvals`: whether the holder of `.url` can approve, answer, cancel, resume and fork
        there; the holder of `.reader_url` can only look. Raises UsageError if the address is taken,
        or if the extra `inspector` is not installed.
        """
        self.runs.check_open()
        try:
            from playhead.inspector.control import InProcess
            from playhead.inspector.server import Inspector
        except ImportError as error:
            msg = "the inspector is not installed: pip install 'playhead[inspector]'"
            raise UsageError(msg) from error
        control = InProcess(self.runs, self.fork) if approvals else None
        rules = self._telemetry.rules
        inspector = Inspector(self._log, control=control, host=host, port=port, rules=rules)
        self._inspectors.append(inspector)
        return inspector.start()

    def mcp_server(self, agents: Sequence[Agent[Any]] = ()) -> "MCPServer":
        """This log, and these agents, for MCP clients: a server of the official SDK.

        Its tools read the log, if that is a file: list_runs, show, why, causes, context, cost,
        diff, verify, replay. Each agent is a tool too, whose call is a run. What waits for a person
        is shown and cannot be granted there. `.run()` serves it over stdio;
        `.streamable_http_app()` is an ASGI app, which needs your authentication in front of it.

        Raises UsageError if the extra `mcp` is not installed.
        """
        self.runs.check_open()
        try:
            from playhead.mcp_server.server import make_server
        except ImportError as error:
            msg = "MCP needs the extra `mcp`: pip install 'playhead[mcp]'"
            raise UsageError(msg) from error
        path = self._log.path.resolve() if isinstance(self._log, SqliteLog) else None
        for agent in agents:
            self.register(agent)

        def begin(agent: Agent[Any], task: str, session: str | None) -> Run[Any]:
            return self.start(agent, task, session=session)

        return make_server(path, begin, agents)

    def close(self) -> None:
        """Let open effects end (`drain_seconds`), write everything, release the log.

        Open runs continue when another Runtime resumes them. If the log cannot be written for
        `storage_seconds`, unwritten turns are lost, as after a crash, and the program's log names
        their runs (`close.left_unwritten`). Safe to call twice.
        """
        if self._closed:
            return
        self._thread.check_may_wait()
        self._closed = True
        with ExitStack() as last:  # each is closed, even if an earlier one raises
            last.callback(self._telemetry.close)
            if self._own_log:
                last.callback(self._log.close)
            last.callback(self.runs.index.close)
            if self._quotas is not None:
                last.callback(self._quotas.close)
            last.callback(self.memory.close)
            last.callback(self._assembly.toolbox.close)
            last.callback(self._assembly.workers.close)
            last.callback(self._thread.close)
            last.callback(self._subscriptions.close)
            for inspector in self._inspectors:
                inspector.close()
            if self._inbox_worker is not None:
                self._inbox_worker.close()
            for evaluator in self._evaluators:
                evaluator.close()
            self._scheduler.close(self._drain_seconds)
            if self._notifier is not None:
                self._notifier.close(self._drain_seconds)
            self.runs.settle(self._drain_seconds)
            self._thread.wait_for(self._models.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._thread.inherited:
            self.close()


def _as_text(answer: str, _: Json) -> str:
    return answer
