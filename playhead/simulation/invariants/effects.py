"""Promises about effects: tools and model calls, compared with what really happened.

Each function is one promise: it yields a line for each violation.
"""

from collections import Counter
from collections.abc import Iterator

from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolFailed,
    ToolInputRequired,
    ToolSucceeded,
)
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, OUTCOMES
from playhead.simulation.invariants.evidence import Evidence, Promise, spec_of
from playhead.tools.options import Done, NotDone
from playhead.tools.result import ResultRefused, to_result


def intent_before_effect(e: Evidence) -> Iterator[str]:
    """No tool's code started without a committed intent for that very attempt."""
    for run, records in e.records.items():
        requested_call = {
            (r.event.call, r.event.attempt) for r in records if isinstance(r.event, AttemptStarted)
        }
        for (owner, call), starts in e.starts.items():
            for start in starts:
                if owner == run and (call, start.attempt) not in requested_call:
                    yield f"{run}: call {call} attempt {start.attempt} was never decided"


def started_once_per_attempt(e: Evidence) -> Iterator[str]:
    """An attempt starts its tool's code at most once."""
    entered = Counter((s.run, s.call, s.attempt) for s in e.ledger.starts)
    yield from (f"{attempt} was entered {n} times" for attempt, n in entered.items() if n > 1)


def once_at_most_once(e: Evidence) -> Iterator[str]:
    """A `once` call is never started twice, unless its tool asked a person first."""
    for (run, call), starts in e.starts.items():
        asked = sum(
            isinstance(record.event, ToolInputRequired) and _call_of(e, record) == call
            for record in e.records.get(run, [])
        )
        if starts[0].effect == "once" and len(starts) > 1 + asked:
            yield f"{run}: call {call} of {starts[0].tool} was started {len(starts)} times"


def _call_of(e: Evidence, outcome: Record) -> int | None:
    return getattr(e.records[outcome.run][(outcome.cause or 1) - 1].event, "call", None)


def one_key_per_call(e: Evidence) -> Iterator[str]:
    """All attempts of a call have one key, and no other call has it."""
    owner: dict[str, tuple[str, int]] = {}
    for call, starts in e.starts.items():
        keys = {start.key for start in starts}
        if len(keys) != 1:
            yield f"{call} has the keys {keys}"
        for key in keys:
            if owner.setdefault(key, call) != call:
                yield f"{key} is the key of {owner[key]} and of {call}"


def no_phantom_success(e: Evidence) -> Iterator[str]:
    """Every success in the log was really returned by the tool's code, its probe, or the model."""
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
    assert isinstance(started, AttemptStarted)
    if succeeded.cached:
        kept = [value for values in e.ledger.answered.values() for value in values]
        return any(_gives(value, succeeded) for value in kept)
    key = f"{run}:{started.call}"
    given = list(e.ledger.answered.get((key, started.attempt), []))
    given += [f.result for f in e.ledger.found.get(key, []) if isinstance(f, Done)]
    return any(_gives(value, succeeded) for value in given)


def _gives(value: object, succeeded: ToolSucceeded) -> bool:
    try:
        return to_result(value, None) == succeeded.result
    except ResultRefused:
        return False


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
            assert isinstance(started, AttemptStarted)
            spec = spec_of(records, started.call)
            found = e.ledger.found.get(f"{run}:{started.call}", [])
            if spec.effect == "once" and not any(isinstance(f, NotDone) for f in found):
                yield f"{run} {record.seq}: {spec.name} was cut off and counts as {event.error}"


def effects_have_their_record(e: Evidence) -> Iterator[str]:
    """What a tool did is in the log of an ended run: as done, failed, or unknown."""
    for run, call in e.starts:
        records = e.records.get(run, [])
        if records and records[-1].event.kind in ENDINGS and not _calls_end(records, call):
            yield f"{run}: call {call} was started and has no end in the log"


def _calls_end(records: list[Record], call: int) -> bool:
    return any(
        r.event.kind in OUTCOMES
        and getattr(records[(r.cause or 1) - 1].event, "call", None) == call
        for r in records
    )


CUT_OFF = ("interrupted", "cancelled", "unstorable")
"""Errors of attempts that may or may not have sent a request."""


def attempts_logged_are_requests_made(e: Evidence) -> Iterator[str]:
    """An attempt with a reply or failure from the model was exactly one request.

    A call that an open circuit breaker refused (circuit_open) was none.
    """
    made = Counter((a.run, a.seq) for a in e.ledger.asked)
    yield from (f"{attempt} was sent {n} times" for attempt, n in made.items() if n > 1)
    for run, records in e.records.items():
        for record in records:
            reached = isinstance(record.event, ModelAnswered) or (
                isinstance(record.event, ModelFailed)
                and record.event.error not in (*CUT_OFF, "circuit_open")
            )
            rested = isinstance(record.event, ModelFailed) and record.event.error == "circuit_open"
            if reached and not made[run, record.cause or 0]:
                yield f"{run} {record.seq}: it never sent a request"
            if rested and made[run, record.cause or 0]:
                yield f"{run} {record.seq}: its circuit breaker was open, and a request was sent"


def interrupted_means_cut_off(e: Evidence) -> Iterator[str]:
    """While every process lives, no outcome is lost, whatever happens to the storage."""
    if e.ledger.cut_off:
        return
    for record in e.all():
        reason = getattr(record.event, "error", None) or getattr(record.event, "reason", None)
        if record.origin == "effect" and reason == "interrupted":
            yield f"{record.run} {record.seq}: {record.event.kind} counts as interrupted"


EFFECT_PROMISES: tuple[Promise, ...] = (
    intent_before_effect, started_once_per_attempt, once_at_most_once, one_key_per_call,
    no_phantom_success, doubt_is_explicit, effects_have_their_record,
    attempts_logged_are_requests_made, interrupted_means_cut_off,
)  # fmt: skip
