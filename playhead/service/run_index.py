"""Which runs there are: the open ones, and the last one of each session. Kept in memory."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playhead.actors.engine.load_state import load_state
from playhead.events.errors import AdmissionRefused, LogError, SessionBusy
from playhead.events.kinds.codec import decode
from playhead.events.kinds.registry import ENDINGS
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Head, Log
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.record import Record
from playhead.events.spec.agent import Past
from playhead.projections.state.run_state import RunState
from playhead.projections.stored.run_list import RunList, find_runs
from playhead.projections.stored.view import Views


@dataclass(slots=True)
class Indexed:
    """One run: whose it is, and how it ended."""

    run: str
    agent: str
    session: str | None
    ended: Head | None = None
    """Its last record, once it has ended."""
    before: "Indexed | None" = None
    """The run of the session before this one."""
    child: bool = False
    """Another run started it: it needs no room of its own."""


class RunIndex:
    """Read when the log is opened, then kept up; safe from any thread."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._open: dict[str, Indexed] = {}
        self._last: dict[str, Indexed] = {}
        for entry in _listed(log) if isinstance(log, SqliteLog) else _scanned(log):
            self._put(entry)

    def admit(self, run: str, agent: str, session: str | None, most: int) -> Past | None:
        """Make room for a run; the end of its session's last run, if there is one.

        Raises AdmissionRefused beyond `most` open runs, SessionBusy while the session has one.
        """
        with self._lock:
            if sum(not entry.child for entry in self._open.values()) >= most:
                msg = f"{most} runs are open (Capacity.open_runs): nothing was logged, wait for one"
                raise AdmissionRefused(msg)
            last = None if session is None else self._last.get(session)
            if session is not None and last is not None and last.ended is None:
                raise SessionBusy(session, last.run)
            self._put(Indexed(run, agent, session, before=last))
        if last is None or last.ended is None:
            return None
        return Past(run=last.run, seq=last.ended.seq, hash=last.ended.hash.hex())

    def add(self, run: str, agent: str) -> None:
        """A run that was begun without being admitted: a fork."""
        with self._lock:
            self._put(Indexed(run, agent, None))

    def forget(self, run: str) -> None:
        """The run was not started after all; one whose append only seemed to fail stays open."""
        try:
            if self._log.stream(run) is not None:
                return
        except LogError:  # if it begins all the same, `committed` sees it
            pass
        with self._lock:
            entry = self._open.pop(run, None)
            if entry is None or entry.session is None:
                return
            if entry.before is None:
                self._last.pop(entry.session, None)
            else:
                self._last[entry.session] = entry.before

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """An engine's watcher: see runs end, and children begin."""
        if records[0].seq == 1 and state.run_started.parent is not None:
            with self._lock:
                self._put(Indexed(state.run, state.agent.name, None, child=True))
        elif records[0].seq == 1 and state.run not in self._open:
            started = state.run_started
            with self._lock:
                before = self._last.get(started.session or "")
                self._put(Indexed(state.run, state.agent.name, started.session, before=before))
        if state.ending is not None:
            with self._lock:
                entry = self._open.pop(state.run, None)
                if entry is not None:
                    entry.ended, entry.before = state.head, None

    def open_runs(self, agent: str | None = None) -> list[str]:
        """The runs that have not ended, of one agent or of all; oldest first."""
        with self._lock:
            entries = list(self._open.values())
        return [entry.run for entry in entries if agent is None or entry.agent == agent]

    def parked(self, agents: Sequence[str]) -> list[Indexed]:
        """Open runs of other agents than these: nobody here can go on with them."""
        with self._lock:
            return [entry for entry in self._open.values() if entry.agent not in agents]

    def _put(self, entry: Indexed) -> None:
        if entry.ended is None:
            self._open[entry.run] = entry
        if entry.session is not None:
            self._last[entry.session] = entry


def _listed(log: SqliteLog) -> Iterator[Indexed]:
    """By the stored list of runs: only what was appended since it was last looked at is read."""
    with Views.of(log, [RunList()]) as views:
        for row in reversed(find_runs(views.connection)):
            ended = log.head(row.run) if row.status in ENDINGS.values() else None
            if ended is None or row.session is not None:
                yield Indexed(row.run, row.agent, row.session, ended, child=row.child)


def _scanned(log: Log) -> Iterator[Indexed]:
    """By each run's first and last record."""
    for stream in log.streams():
        if stream.kind != "run":
            continue
        first = next(log.read(stream.id, 0, 1))
        last = next(log.read(stream.id, stream.head.seq - 1))
        event = decode(first, log.body).event
        if isinstance(event, RunStarted):
            ended = stream.head if last.kind in ENDINGS else None
            if stream.parent_seq is None:
                child = event.parent is not None
                yield Indexed(stream.id, event.agent.name, event.session, ended, child=child)
            else:  # a fork is in no session
                agent = load_state(log, stream.id, stream.parent_seq + 1).agent
                yield Indexed(stream.id, agent.name, None, ended)
