"""Formats a run for a terminal, live and afterwards."""

from rich.table import Table
from rich.text import Text

from playhead.cli.shared.output import STYLES, count, local_time, plain, tokens
from playhead.cli.shared.run_summary import RunSummary
from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.kinds.model_calls import ModelCall
from playhead.events.kinds.tool_calls import AttemptStarted, ToolRequested
from playhead.events.kinds.waits import AnswerAwaited, OutageWaitStarted
from playhead.projections.history.story import Cost
from playhead.projections.history.timeline import TimelineEntry
from playhead.projections.metrics.formatting import duration_text

LINES = 12
"""A longer text is cut, and says so."""


def entry_row(entry: TimelineEntry, note: str, *, full: bool = False, seq: bool = True) -> Table:
    """One entry: its number, its heading, its text, and below, dim, who and why and how long."""
    table = Table.grid(padding=(0, 2, 0, 0))
    if seq:
        table.add_column(width=4, justify="right", style="dim")
    table.add_column(width=11)
    table.add_column(overflow="fold")
    text = Text(entry.text if full else cut(entry.text), style=_text_style(entry.heading))
    text.plain = plain(text.plain)
    cells: list[Text | str] = [Text(entry.heading, style=STYLES.get(entry.heading, "")), text]
    table.add_row(*([str(entry.seq)] if seq else []), *cells)
    if note:
        table.add_row(*([""] if seq else []), "", Text(plain(note), style="dim"))
    return table


def _text_style(heading: str) -> str:
    return "dim" if heading in ("Thought", "Observation") else STYLES.get(heading, "")


def cut(text: str) -> str:
    """The first lines of a long text, and how much was cut."""
    lines = text.splitlines()
    kept = "\n".join(lines[:LINES])[: LINES * 80]
    if len(kept) >= len(text.rstrip()):
        return text
    return f"{kept}\n[... {len(text) - len(kept):,} more characters: playhead show --full]"


def who_and_why(entry: TimelineEntry, cost: Cost) -> str:
    """The actor, the cause, how long it took, what it used."""
    who = entry.actor if entry.cause is None else f"{entry.actor}, because of {entry.cause}"
    took = cost_text(cost)
    return f"{who}, {took}" if took else who


def cost_text(cost: Cost) -> str:
    """How long an effect took, how many tokens, and what confined its process."""
    took = "" if cost.duration_ms is None else duration_text(cost.duration_ms / 1000)
    if cost.confined is not None:
        return f"{took}, confined: {cost.confined}".removeprefix(", ")
    if cost.usage is None:
        return took
    used = f"model: {tokens(cost.usage)}"
    return f"{used} in {took}" if took else used


def totals(summary: RunSummary) -> str:
    """What the run cost, on one line."""
    m = summary.metrics
    parts = [count(m.steps, "step"), count(m.tool_calls, "tool call")]
    if m.tool_errors:
        parts.append(count(m.tool_errors, "tool error"))
    if m.model_failures:
        parts.append(count(m.model_failures, "failed model call"))
    return ", ".join([*parts, tokens(m.usage), duration_text(m.duration)])


def under_way(event: Event, summary: RunSummary) -> str | None:
    """What is being waited for once this record is in; None when it says nothing about that."""
    match event:
        case ModelCall(model=model):
            return f"asking {model}"
        case AttemptStarted(call=call):
            requested = summary.records[call].event if call in summary.records else None
            return (
                f"running {requested.tool}"
                if isinstance(requested, ToolRequested)
                else "running a tool"
            )
        case ApprovalRequested():
            return "waiting for a person"
        case AnswerAwaited(about="time"):
            return "waiting for a time"
        case AnswerAwaited(call=call):
            return f"waiting for the answer of call {call}"
        case OutageWaitStarted(error=error, until=until):
            return f"waiting for the model ({error}), which is asked again at {local_time(until)}"
        case _:
            return None
