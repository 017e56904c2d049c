"""Which runs exist: the open ones, and how each session last ended.

Runs that this process has seen are in memory; earlier ones are in the stored list of runs. So
neither opening a log nor starting a run gets slower with the number of ended runs.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from playhead.actors.engine.load_state import load_session
from playhead.events.errors import AdmissionRefused, LogError, SessionBusy
from playhead.events.log.contract import Head, Log
from playhead.events.record import Record
from playhead.events.spec.agent import Past
from playhead.projections.prompt.context import Context
from playhead.projections.state.run_state import RunState
from playhead.projections.stored.run_list import RunList, find_runs, open_runs
from playhead.projections.stored.view import Views

KEPT_CONTEXTS = 64
"""Sessions whose context stays in memory for their next run; others are read from the log."""


@dataclass(slots=True)
class Indexed:
    """One run: its agent and session, and how it ended."""

    run: str
    agent: str
    session: str | None
    ended: Head | None = None
    """Its last record, once it has ended."""
    before: "Indexed | None" = None
    """The previous run of the session."""
    child: bool = False
    """Whether another run started it: it does not count as an open run."""


class RunIndex:
    """Loaded when the log is opened, then kept up to date; safe from any thread. `close` it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._open: dict[str, Indexed] = {}
        self._roots = 0
        """Open runs that no other run started."""
        self._last: dict[str, Indexed] = {}
        """The last run of each session that this process has seen."""
        self._unbound: dict[str, dict[str, None]] = {}
        """Agent's name -> open runs of other processes that no agent of this one acts for yet."""
        self._contexts: OrderedDict[str, tuple[str, Context | None]] = OrderedDict()
        """Session -> its last run and the context at its end."""
        self._views = Views.of(log, [RunList()])
        try:
            for row in open_runs(self._views.connection):
                self._put(Indexed(row.run, row.agent, row.session, child=row.child))
                if not row.child:  # it is resumed by the run that called it
                    self._unbound.setdefault(row.agent, {})[row.run] = None
        except BaseException:
            self._views.close()
            raise

    def close(self) -> None:
        """Release the stored list of runs."""
        with self._lock:
            self._views.close()

    def admit(self, run: str, agent: str, session: str | None, most: int) -> Past | None:
        """Admit a run; returns the end of its session's last run, if there is one.

        Raises AdmissionRefused beyond `most` open runs, SessionBusy while the session has one.
        """
        with self._lock:
            if self._roots >= most:
                msg = f"{most} runs are open (max_open_runs): none was logged; wait for one to end"
                raise AdmissionRefused(msg)
            last = None if session is None else self._last_of(session)
            if session is not None and last is not None and last.ended is None:
                raise SessionBusy(session, last.run)
            self._put(Indexed(run, agent, session, before=last))
        if last is None or last.ended is None:
            return None
        return Past(run=last.run, seq=last.ended.seq, hash=last.ended.hash.hex())

    def _last_of(self, session: str) -> Indexed | None:
        """The last run of a session, from this process's memory or from the stored list."""
        if session not in self._last:
            for row in find_runs(self._views.connection, session=session, limit=1):
                # Open runs are all in memory.
                head = self._log.head(row.run)
                self._last[session] = Indexed(row.run, row.agent, session, head)
        return self._last.get(session)

    def context(self, session: str | None, past: Past | None) -> Context | None:
        """The context for a session's next run: kept since the last one ended, or read."""
        if session is not None and past is not None:
            with self._lock:
                run, kept = self._contexts.get(session, ("", None))
            if run == past.run:
                return kept
        return load_session(self._log, past)

    def add(self, run: str, agent: str) -> None:
        """Add a run that was started without being admitted: a fork."""
        with self._lock:
            self._put(Indexed(run, agent, None))

    def forget(self, run: str) -> None:
        """The run was not started after all; one whose append only seemed to fail stays open."""
        try:
            if self._log.stream(run) is not None:
                return
        except LogError:  # if it begins after all, `committed` sees it
            pass
        with self._lock:
            entry = self._take_out(run)
            if entry is None or entry.session is None:
                return
            if entry.before is None:
                self._last.pop(entry.session, None)
            else:
                self._last[entry.session] = entry.before

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """An engine's watcher: sees runs end, and children begin."""
        if records[0].seq == 1 and state.run_started.parent is not None:
            with self._lock:
                self._put(Indexed(state.run, state.agent.name, None, child=True))
        elif records[0].seq == 1 and state.run not in self._open:
            started = state.run_started
            with self._lock:
                before = self._last.get(started.session or "")
                self._put(Indexed(state.run, state.agent.name, started.session, before=before))
        if state.ending is None:
            return
        with self._lock:
            entry = self._take_out(state.run)
            if entry is not None:
                entry.ended, entry.before = state.head, None
            if entry is not None and entry.session is not None:
                self._contexts[entry.session] = state.run, state.conversation
                self._contexts.move_to_end(entry.session)
                if len(self._contexts) > KEPT_CONTEXTS:
                    self._contexts.popitem(last=False)

    def open_runs(self, agent: str | None = None) -> list[str]:
        """The runs that have not ended, of one agent or of all; oldest first."""
        with self._lock:
            entries = list(self._open.values())
        return [entry.run for entry in entries if agent is None or entry.agent == agent]

    def unbound(self, agent: str) -> list[str]:
        """The open runs of other processes that no agent of this one acts for; oldest first."""
        with self._lock:
            return list(self._unbound.get(agent, ()))

    def bound(self, run: str) -> None:
        """An agent acts for the run from now on."""
        with self._lock:
            entry = self._open.get(run)
            if entry is not None:
                self._unbound.get(entry.agent, {}).pop(run, None)

    def __contains__(self, run: object) -> bool:
        """Whether it is open."""
        with self._lock:
            return run in self._open

    def _put(self, entry: Indexed) -> None:
        if entry.run not in self._open:
            self._open[entry.run] = entry
            self._roots += not entry.child
        if entry.session is not None:
            self._last[entry.session] = entry

    def _take_out(self, run: str) -> Indexed | None:
        entry = self._open.pop(run, None)
        if entry is not None:
            self._unbound.get(entry.agent, {}).pop(run, None)
            self._roots -= not entry.child
        return entry
