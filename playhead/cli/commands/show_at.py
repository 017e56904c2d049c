"""`show --at N`: the state of a run after any record, and what that record changed."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json
from rich.text import Text

from playhead.actors.engine.load_state import load_state
from playhead.cli.shared import exit_codes
from playhead.cli.shared.output import facts, out, plain, say_json, styled
from playhead.cli.shared.run_format import cut
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.history.timeline import call_text, timeline
from playhead.projections.state.run_state import RunState
from playhead.projections.state.snapshot import changes, snapshot

SHORT = 160
"""Characters of a value that a change shows."""


def show_at(reader: Reader, run: str, at: int, *, json: bool, full: bool) -> int:
    """Print it. Raises UsageError where the run has no such record."""
    row = next(reader.read(run, at - 1, at), None)
    if row is None:
        msg = f"run {run} has the records 1 to {reader.head(run).seq}: there is no record {at}"
        raise UsageError(msg)
    record = decode(row, reader.body)
    state = load_state(reader, run, at)
    after = snapshot(state)
    before = snapshot(load_state(reader, run, at - 1)) if at > 1 else {}
    changed = list(changes(before, after))
    if json:
        say_json({
            "run": run, "at": at, "kind": record.event.kind, "state": after,
            "changes": [change._asdict() for change in changed],
        })  # fmt: skip
        return exit_codes.OK
    out.print(Text.assemble(f"run {run} after record {at}  ", styled(state.status)))
    out.print(plain(_about(record)), style="dim")
    out.print("\nState:")
    out.print(facts(_facts(state, after)))
    for step in state.steps.values():
        _print_context(step.id, after["steps"][step.id]["context"]["messages"], full)
    out.print(f"\nChanged by record {at}:")
    out.print(facts((c.path, f"{_short(c.before)} -> {_short(c.after)}") for c in changed))
    return exit_codes.OK


def _about(record: Record) -> str:
    told = "; ".join(f"{e.heading}: {e.text}" for e in timeline([record]))
    why = "" if record.cause is None else f", because of {record.cause}"
    return f"{record.seq} {record.event.kind}, {record.actor}{why}. {_short(told)}".strip()


def _facts(state: RunState, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "goal", state.run_started.goal
    for step in state.steps.values():
        yield f"step {step.id}", f"round {step.round} of {state.limits.max_steps}"
    yield from _spent(state)
    for call in state.calls.values():
        waits = ", waits for a person" if call.waits else ""
        yield f"call {call.seq}", f"{call.requested.tool}({call_text(call.arguments)}){waits}"
    for seq, intent in state.open.items():
        yield f"open {seq}", intent.event.kind
    for name in ("plan", "facts", "stop", "paused", "held"):
        if found.get(name):
            yield name, _short(found[name])


def _spent(state: RunState) -> Iterator[tuple[str, str]]:
    """What was used, and of how much."""
    limits, spent = state.limits, state.spent
    used = (
        ("model calls", spent.model_calls, limits.max_model_calls),
        ("tool calls", spent.tool_calls, limits.max_tool_calls),
        ("tokens", spent.tokens_at_most, limits.max_tokens),
    )
    for name, count, limit in used:
        yield name, f"{count:,}" if limit is None else f"{count:,} of {limit:,}"
    if limits.max_cost is not None:
        cost = spent.cost_at_most / PICODOLLARS
        yield "cost", f"${cost:,.4f} of ${limits.max_cost:,.4f}"
    if limits.max_seconds is not None:
        passed = (state.at - state.first_at) / 1_000_000
        yield "seconds", f"{passed:,.1f} of {limits.max_seconds:,g}"


def _print_context(step: str, messages: list[Any], full: bool) -> None:
    out.print(f"\nContext of step {step}, as the model would read it:")
    for message in messages:
        for block in message["content"]:
            text = _block(block)
            out.print(facts([(message["role"], text if full else cut(text))]))


def _block(block: dict[str, Any]) -> str:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "tool_use", "name": str(name), "input": arguments}:
            return f"calls {name}({call_text(arguments)})"
        case {"type": "tool_result", "content": content}:
            return f"result: {content if isinstance(content, str) else to_json(content).decode()}"
        case _:
            return to_json(block).decode()


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value).decode()
    return text if len(text) <= SHORT else f"{text[:SHORT]}..."
