"""What must be true of every simulated life: one function each, named as the promise it holds.

They look at the log and at the ledger of what really happened, never at what a process believes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from random import Random
from typing import Any

from playhead.actors.memory import recollect
from playhead.actors.replay import replay
from playhead.events.guards import ApprovalDecided, ApprovalRequested, RuleAnswered
from playhead.events.kinds import ENDINGS, INTENTS, OUTCOMES, decode
from playhead.events.log import Reader
from playhead.events.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.events.runs import RunStarted, TimeReached
from playhead.events.spec import Limits, ToolSpec
from playhead.events.tool_calls import (
    ToolFailed,
    ToolRefused,
    ToolRequested,
    ToolStarted,
    ToolSucceeded,
)
from playhead.events.verify import verify
from playhead.projections.run_state import RunState
from playhead.testing.fingerprint import fingerprint
from playhead.testing.ledger import Ledger, Start, uses
from playhead.testing.process import Process
from playhead.testing.validity import invalid_request
from playhead.tools.options import Done, NotDone
from playhead.tools.results import to_result

MOST_RECORDS = 3000
"""Of one run; more is a spin."""


class Evidence:
    """A life after its end."""

    def __init__(self, log: Reader, ledger: Ledger, runs: list[str], liveness: bool) -> None:
        self.log = log
        self.ledger = ledger
        self.liveness = liveness
        self.records: Mapping[str, list[Record]] = {
            run: [decode(row, log.body) for row in log.read(run)]
            for run in runs
            if log.stream(run) is not None
        }

    @cached_property
    def starts(self) -> Mapping[tuple[str, int], list[Start]]:
        """(run, call) -> how its tool's code was entered."""
        found: dict[tuple[str, int], list[Start]] = {}
        for start in self.ledger.starts:
            found.setdefault((start.run, start.call), []).append(start)
        return found

    def all(self) -> Iterator[Record]:
        """The records of all runs."""
        for records in self.records.values():
            yield from records


def dense_seqs(e: Evidence) -> Iterator[str]:
    """A run's records are numbered from 1 without a gap, and time never goes back."""
    for run, records in e.records.items():
        if [r.seq for r in records] != list(range(1, len(records) + 1)):
            yield f"{run}: {[r.seq for r in records]}"
        if any(a.at > b.at for a, b in zip(records, records[1:], strict=False)):
            yield f"{run}: time goes back"


def chain_and_anchor(e: Evidence) -> Iterator[str]:
    """Every hash fits."""
    for problem in verify(e.log, None).problems:
        if problem.fault != "no_anchor":
            yield problem.message


def survivors_are_a_prefix(e: Evidence) -> Iterator[str]:
    """What was committed is there, in the order of its commit, and nothing else."""
    for run, hashes in e.ledger.committed.items():
        found = [r.hash for r in e.records.get(run, [])]
        if found != hashes:
            yield f"{run}: {len(hashes)} were committed, {len(found)} are there"


def acknowledged_means_present(e: Evidence) -> Iterator[str]:
    """Whatever somebody was told of is in the log."""
    for run, seq in e.ledger.acknowledged.items():
        if len(e.records.get(run, [])) < seq:
            yield f"{run}: {seq} was acknowledged"
    for command in e.ledger.told:
        if not e.log.has_command(command):
            yield f"{command} was acknowledged"


def one_outcome_per_attempt(e: Evidence) -> Iterator[str]:
    """An intent has at most one outcome, of its kind; in an ended run, exactly one."""
    for run, records in e.records.items():
        intents = {r.seq: r for r in records if r.event.kind in INTENTS}
        ended: Counter[int] = Counter()
        for record in records:
            if record.event.kind not in OUTCOMES:
                continue
            intent = intents.get(record.cause or 0)
            if intent is None or record.event.kind not in INTENTS[intent.event.kind]:
                yield f"{run} {record.seq} ends nothing"
            ended[record.cause or 0] += 1
        yield from (f"{run} {seq} has {n} outcomes" for seq, n in ended.items() if n > 1)
        if records and records[-1].event.kind in ENDINGS and len(ended) < len(intents):
            yield f"{run} ended with open intents {sorted(set(intents) - set(ended))}"


def nothing_after_the_end(e: Evidence) -> Iterator[str]:
    """The ending record is a run's last."""
    for run, records in e.records.items():
        ends = [r.seq for r in records if r.event.kind in ENDINGS]
        if ends and ends != [records[-1].seq]:
            yield f"{run} ends at {ends} of {len(records)}"


def intent_before_effect(e: Evidence) -> Iterator[str]:
    """No tool's code was entered without a committed intent for that very attempt."""
    for run, records in e.records.items():
        wished = {
            (r.event.call, r.event.attempt) for r in records if isinstance(r.event, ToolStarted)
        }
        for (owner, call), starts in e.starts.items():
            for start in starts:
                if owner == run and (call, start.attempt) not in wished:
                    yield f"{run}: call {call} attempt {start.attempt} was never decided"


def started_once_per_attempt(e: Evidence) -> Iterator[str]:
    """An attempt enters its tool's code once at most."""
    entered = Counter((s.run, s.call, s.attempt) for s in e.ledger.starts)
    yield from (f"{attempt} was entered {n} times" for attempt, n in entered.items() if n > 1)


def once_at_most_once(e: Evidence) -> Iterator[str]:
    """A `once` call is never started twice."""
    for (run, call), starts in e.starts.items():
        if starts[0].effect == "once" and len(starts) > 1:
            yield f"{run}: call {call} of {starts[0].tool} was started {len(starts)} times"


def one_key_per_call(e: Evidence) -> Iterator[str]:
    """All attempts of a call carry one key, and no other call carries it."""
    owner: dict[str, tuple[str, int]] = {}
    for call, starts in e.starts.items():
        keys = {start.key for start in starts}
        if len(keys) != 1:
            yield f"{call} has the keys {keys}"
        for key in keys:
            if owner.setdefault(key, call) != call:
                yield f"{key} is the key of {owner[key]} and of {call}"


def one_wish_per_use(e: Evidence) -> Iterator[str]:
    """Each tool_use of a whole reply is wished once at most, and nothing else is wished."""
    for run, records in e.records.items():
        for reply in records:
            if not isinstance(reply.event, ModelAnswered):
                continue
            asked = [(str(b["id"]), b["name"]) for b in uses(reply.event.content)]
            wished = [
                (r.event.use, r.event.tool)
                for r in records
                if r.cause == reply.seq and isinstance(r.event, ToolRequested)
            ]
            if wished and wished != asked:
                yield f"{run} {reply.seq}: asked for {asked}, wished {wished}"


def wishes_come_from_replies(e: Evidence) -> Iterator[str]:
    """Only a whole reply leads to a wish."""
    for records in e.records.values():
        for record in records:
            if isinstance(record.event, ToolRequested):
                cause = records[(record.cause or 1) - 1].event
                if not isinstance(cause, ModelAnswered) or cause.stop_reason not in (
                    "tool_use", "end_turn", "stop_sequence",
                ):  # fmt: skip
                    yield f"{record.run} {record.seq} was wished by {cause.kind}"


def no_phantom_success(e: Evidence) -> Iterator[str]:
    """A success in the log is one that the tool's code, or its probe, or the model really gave."""
    replies = {(a.run, a.seq): a.reply for a in e.ledger.asked}
    for records in e.records.values():
        for record in records:
            match record.event:
                case ModelAnswered() as answered:
                    reply = replies.get((record.run, record.cause or 0))
                    if reply is None or reply.content != answered.content:
                        yield f"{record.run} {record.seq}: the model never said that"
                case ToolSucceeded() as succeeded:
                    started = records[(record.cause or 1) - 1].event
                    if not _was_given(e, record.run, started, succeeded):
                        yield f"{record.run} {record.seq}: the tool never gave that"
                case _:
                    pass


def _was_given(e: Evidence, run: str, started: object, succeeded: ToolSucceeded) -> bool:
    assert isinstance(started, ToolStarted)
    key = f"{run}:{started.call}"
    given = list(e.ledger.answered.get((key, started.attempt), []))
    given += [f.result for f in e.ledger.found.get(key, []) if isinstance(f, Done)]
    return any(to_result(value, None) == succeeded.result for value in given)


def doubt_is_explicit(e: Evidence) -> Iterator[str]:
    """A `once` call that was cut off is unknown, unless its probe says that it never happened."""
    for run, records in e.records.items():
        for record in records:
            event = record.event
            if not isinstance(event, ToolFailed) or event.error not in (
                "interrupted", "cancelled", "timeout",
            ):  # fmt: skip
                continue
            started = records[(record.cause or 1) - 1].event
            assert isinstance(started, ToolStarted)
            spec = _spec_of(records, started.call)
            found = e.ledger.found.get(f"{run}:{started.call}", [])
            if spec.effect == "once" and not any(isinstance(f, NotDone) for f in found):
                yield f"{run} {record.seq}: {spec.name} was cut off and counts as {event.error}"


def effects_have_their_record(e: Evidence) -> Iterator[str]:
    """What a tool did is in the log of an ended run: as done, as failed, or as unknown."""
    for (run, call), _ in e.starts.items():
        records = e.records.get(run, [])
        if records and records[-1].event.kind in ENDINGS and not _calls_end(records, call):
            yield f"{run}: call {call} was started and has no end in the log"


def _calls_end(records: list[Record], call: int) -> bool:
    return any(
        r.event.kind in OUTCOMES
        and getattr(records[(r.cause or 1) - 1].event, "call", None) == call
        for r in records
    )


def paired_calls(e: Evidence) -> Iterator[str]:
    """In an ended run every wish has been refused or has come to its last outcome."""
    for run, records in e.records.items():
        if not records or records[-1].event.kind not in ENDINGS:
            continue
        wishes = {r.seq for r in records if isinstance(r.event, ToolRequested)}
        ended = {getattr(r.event, "call", 0) for r in records if r.event.kind == "tool_refused"}
        ended |= {
            getattr(records[(r.cause or 1) - 1].event, "call", 0)
            for r in records
            if r.event.kind in OUTCOMES
        }
        if wishes - ended:
            yield f"{run}: calls {sorted(wishes - ended)} have no end"


def valid_request_at_every_prefix(e: Evidence) -> Iterator[str]:
    """After each record, the request that would be sent is one that the API takes."""
    for run, records in e.records.items():
        state = _begin(e, run)
        for record in records:
            state.fold(record)
            for step in state.steps.values():
                wrong = invalid_request(step.context.request("m").body)
                if wrong is not None:
                    yield f"{run} {record.seq}: {wrong}"
                    return


def _begin(e: Evidence, run: str) -> RunState:
    return RunState(run, recollect(e.log, run, 0).past)


def attempts_logged_are_requests_made(e: Evidence) -> Iterator[str]:
    """An attempt that the log calls answered or failed by the model was one request; none is more."""
    made = Counter((a.run, a.seq) for a in e.ledger.asked)
    yield from (f"{attempt} was sent {n} times" for attempt, n in made.items() if n > 1)
    for run, records in e.records.items():
        for record in records:
            reached = isinstance(record.event, ModelAnswered) or (
                isinstance(record.event, ModelFailed)
                and record.event.error not in ("interrupted", "cancelled", "unstorable")
            )
            if reached and not made[run, record.cause or 0]:
                yield f"{run} {record.seq}: no request was made for it"


def spent_within_caps(e: Evidence) -> Iterator[str]:
    """Calls, rounds and tokens stay within their limits at every record, and so does the world."""
    for run, records in e.records.items():
        first = records[0].event
        limits: Limits = first.agent.limits  # type: ignore[attr-defined]
        calls = tools = rounds = tokens = 0
        for record in records:
            match record.event:
                case ModelRequested(attempt=attempt):
                    calls, rounds = calls + 1, rounds + (attempt == 1)
                case ToolStarted(attempt=1):
                    tools += 1
                case ModelAnswered(usage=usage):
                    tokens += usage.total
                case _:
                    pass
        for name, maximum, found in (
            ("max_model_calls", limits.max_model_calls, calls),
            ("max_tool_calls", limits.max_tool_calls, tools),
            ("max_steps", limits.max_steps, rounds),
            ("max_tokens", limits.max_tokens, tokens),
            ("max_tokens (as the provider counts)", limits.max_tokens, e.ledger.spent(run)),
        ):
            if maximum is not None and found > maximum:
                yield f"{run}: {name} is {maximum}, and {found} were used"


def nothing_is_decided_in_a_pause(e: Evidence) -> Iterator[str]:
    """A paused run decides nothing, unless it is to end."""
    for run, records in e.records.items():
        paused = False
        for record in records:
            match record.event.kind:
                case "run_paused":
                    paused = not record.held or paused
                case "run_resumed":
                    paused = paused and record.held
                case "cancel_requested" | "time_reached":
                    paused = False
                case "model_requested" | "tool_started" | "rule_asked" | "tool_requested" if paused:
                    yield f"{run} {record.seq}: {record.event.kind} in a pause"
                case _:
                    pass


def a_round_waits_for_its_calls(e: Evidence) -> Iterator[str]:
    """The model is asked again only when every call of its last reply has ended."""
    for run, records in e.records.items():
        open_calls: set[int] = set()
        for record in records:
            match record.event:
                case ToolRequested():
                    open_calls.add(record.seq)
                case ToolRefused(call=call):
                    open_calls.discard(call)
                case ModelRequested() if open_calls:
                    yield f"{run} {record.seq}: asked while calls {sorted(open_calls)} are open"
                case _ if record.event.kind in OUTCOMES:
                    intent = records[(record.cause or 1) - 1].event
                    if isinstance(intent, ToolStarted) and not _tried_again(records, record):
                        open_calls.discard(intent.call)
                case _:
                    pass


def _tried_again(records: list[Record], outcome: Record) -> bool:
    intent = records[(outcome.cause or 1) - 1].event
    assert isinstance(intent, ToolStarted)
    return any(
        isinstance(r.event, ToolStarted)
        and (r.event.call, r.event.attempt) == (intent.call, intent.attempt + 1)
        for r in records[outcome.seq :]
    )


def the_model_is_told_the_truth(e: Evidence) -> Iterator[str]:
    """A request says of each call what became of it: its result, or that there is none."""
    for run, records in e.records.items():
        state = _begin(e, run)
        became: dict[str, bool] = {}
        for record in records:
            state.fold(record)
            _note_result(records, record, became)
            if isinstance(record.event, ModelRequested):
                body = state.requests[record.seq].body
                for block in _results(body):
                    failed = became.get(str(block["tool_use_id"]))
                    if failed is not None and failed != bool(block.get("is_error")):
                        yield f"{run} {record.seq}: told {block} of a call with error={failed}"


def _note_result(records: list[Record], record: Record, became: dict[str, bool]) -> None:
    call = getattr(record.event, "call", None)
    if record.event.kind in OUTCOMES:
        call = getattr(records[(record.cause or 1) - 1].event, "call", None)
    elif not isinstance(record.event, ToolRefused):
        return
    if call is not None and not isinstance(record.event, RuleAnswered):
        wish = records[call - 1].event
        became[str(getattr(wish, "use", ""))] = not isinstance(record.event, ToolSucceeded)


def _results(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        yield from (b for b in message["content"] if b["type"] == "tool_result")


def no_start_without_approval(e: Evidence) -> Iterator[str]:
    """A call that wants a person's approval starts only with one, for what was shown, in time."""
    for run, records in e.records.items():
        asked: dict[int, ApprovalRequested] = {}
        given: set[int] = set()
        for record in records:
            match record.event:
                case ApprovalRequested(call=call) as request:
                    asked[call] = request
                case ApprovalDecided(call=call, approved=True, binding=binding):
                    if call in asked and asked[call].binding == binding:
                        given.add(call)
                case TimeReached(due="approval", call=int(call)) if call not in given:
                    asked.pop(call, None)
                    given.discard(call)
                case ToolStarted(call=call) if call not in given:
                    spec = _spec_of(records, call)
                    if call in asked or (spec.approval and spec.approval.when == "always"):
                        yield f"{run} {record.seq}: {spec.name} started without approval"
                case _:
                    pass


def _spec_of(records: list[Record], call: int) -> ToolSpec:
    first, wish = records[0].event, records[call - 1].event
    assert isinstance(first, RunStarted)
    assert isinstance(wish, ToolRequested)
    return next(t for t in first.agent.tools if t.name == wish.tool)


def sessions_take_turns(e: Evidence) -> Iterator[str]:
    """A session has one open run at a time, and each goes on from the last one's end."""
    open_run: dict[str, str] = {}
    last: dict[str, Record] = {}
    for record in sorted(e.all(), key=lambda r: r.position):
        if isinstance(record.event, RunStarted) and record.event.session is not None:
            session, past = record.event.session, record.event.past
            if session in open_run:
                yield f"{record.run} began while {open_run[session]} was open"
            open_run[session] = record.run
            before = last.get(session)
            if (past.hash if past else None) != (before.hash.hex() if before else None):
                yield f"{record.run} does not go on from {before.run if before else 'nothing'}"
        elif record.event.kind in ENDINGS:
            for session in [s for s, run in open_run.items() if run == record.run]:
                last[session] = record
                del open_run[session]


def no_internal_error(e: Evidence) -> Iterator[str]:
    """What goes wrong in the world has a word of its own; an internal error is a bug of ours."""
    for record in e.all():
        if getattr(record.event, "error", None) == "internal_error":
            yield f"{record.run} {record.seq}: {getattr(record.event, 'message', '')}"


def no_spin(e: Evidence) -> Iterator[str]:
    """No run writes without end."""
    for run, records in e.records.items():
        if len(records) > MOST_RECORDS:
            yield f"{run} has {len(records)} records"


def a_due_time_is_reached_once(e: Evidence) -> Iterator[str]:
    """The same due time of the same call is said once."""
    for run, records in e.records.items():
        reached = Counter(
            (r.event.due, r.event.call) for r in records if isinstance(r.event, TimeReached)
        )
        yield from (f"{run}: {due} was reached {n} times" for due, n in reached.items() if n > 1)


def everything_ends(e: Evidence) -> Iterator[str]:
    """Once the faults have stopped, every run comes to its end."""
    if e.liveness:
        for run, records in e.records.items():
            if records and records[-1].event.kind not in ENDINGS:
                yield f"{run} stands still after {records[-1].seq} {records[-1].event.kind}"


def replay_gives_the_same_records(e: Evidence) -> Iterator[str]:
    """The same turns, decided again from the log alone, are the same records."""
    for run in e.records:
        found = replay(e.log, run).divergence
        if found is not None:
            yield f"{run} diverges at {found.seq}: {found.field} {found.error or ''}"


INVARIANTS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    dense_seqs, chain_and_anchor, survivors_are_a_prefix, acknowledged_means_present,
    one_outcome_per_attempt, nothing_after_the_end, intent_before_effect,
    started_once_per_attempt, once_at_most_once, one_key_per_call, one_wish_per_use,
    wishes_come_from_replies, no_phantom_success, doubt_is_explicit, effects_have_their_record,
    paired_calls, valid_request_at_every_prefix, attempts_logged_are_requests_made,
    spent_within_caps, nothing_is_decided_in_a_pause, a_round_waits_for_its_calls,
    the_model_is_told_the_truth, no_start_without_approval, sessions_take_turns, no_internal_error, no_spin, a_due_time_is_reached_once, everything_ends, replay_gives_the_same_records,
)  # fmt: skip


def check_all(evidence: Evidence, random: Random) -> None:
    """Check every invariant; what is broken goes into the ledger."""
    for invariant in INVARIANTS:
        try:
            for what in invariant(evidence):
                evidence.ledger.violated(invariant.__name__, what)
        except Exception as error:
            evidence.ledger.violated(invariant.__name__, f"raised {error!r}")


def check_process(process: Process, end: str) -> None:
    """What can only be seen in a process: its folded states, and how its mailboxes filled."""
    if process.dispatcher.longest > len(process.ledger.committed) + 3:
        process.ledger.violated("bounded_inboxes", f"{process.dispatcher.longest} messages waited")
    if end != "idle":
        return
    for run in process.ledger.committed:
        live = fingerprint(process.engine.state(run))
        folded = fingerprint(recollect(process.log, run))
        if live != folded:
            process.ledger.violated("projection_is_fold", f"{run}: {live} is not {folded}")
        _check_idle(process, process.engine.state(run))


def _check_idle(process: Process, state: RunState) -> None:
    """A run at which nothing is under way has ended, is paused, or waits for a person."""
    waits = state.paused is not None or any(call.waits for call in state.calls.values())
    if state.run in process.engine.taken and (state.stop is not None or not waits):
        process.ledger.violated("no_run_stands_still", f"{state.run} after {state.head.seq}")
