"""A run's records as rows with bars: what each says in one line, and how long what it began took.

run                 |===============================|
  step              |  ============================ |
    model call      |  =====        ======          |
    tool call       |       ======                  |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.runs import RunPaused
from playhead.events.kinds.steps import StepStarted
from playhead.events.kinds.tool_calls import AttemptStarted, ToolRequested
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, OUTCOMES
from playhead.events.usage import text_of
from playhead.projections.history.timeline import timeline
from playhead.projections.tracing.span import error_of

Bar: TypeAlias = Literal["run", "step", "model", "tool", "rule", "person"]

CHARS = 240
"""Of a row's text."""

WORDS: Mapping[str, tuple[str, str]] = {
    "model_requested": ("Model", "asks {e.model}"),
    "summary_requested": ("Model", "asks {e.model} for a summary"),
    "extraction_requested": ("Model", "asks {e.model} what was learned"),
    "tool_started": ("Tool", "attempt {e.attempt} of call {e.call} starts"),
    "memory_tool_started": ("Tool", "attempt {e.attempt} of call {e.call} starts"),
    "step_started": ("Step", "{e.step}: {e.task}"),
    "step_finished": ("Step", "{e.step} is done"),
    "approval_rule_asked": ("Rule", "asks the approval function"),
    "guardrail_asked": ("Guardrail", "asks {e.guardrail} about the {e.on}"),
    "router_asked": ("Rule", "asks the router"),
    "output_rule_asked": ("Rule", "asks the output's type"),
    "strategy_asked": ("Rule", "asks the strategy function"),
    "function_asked": ("Rule", "calls the agent's function"),
    "instructions_asked": ("Rule", "asks the instructions function"),
    "fork_check_requested": ("Fork", "looks for call {e.call} in the parent"),
    "fork_checked": ("Fork", "the parent has it: {e.recorded}"),
    "rule_answered": ("Rule", "answered"),
    "budget_neared": ("Budget", "most of ${e.maximum:g} is spent or reserved"),
}
"""Kinds that the timeline leaves out: heading and text, `e` being the event."""

BARS: Mapping[str, Bar] = {
    "run_started": "run",
    "step_started": "step",
    "model_requested": "model",
    "summary_requested": "model",
    "extraction_requested": "model",
    "tool_started": "tool",
    "memory_tool_started": "tool",
    "approval_rule_asked": "rule",
    "guardrail_asked": "rule",
    "router_asked": "rule",
    "output_rule_asked": "rule",
    "strategy_asked": "rule",
    "function_asked": "rule",
    "instructions_asked": "rule",
    "fork_check_requested": "rule",
    "approval_requested": "person",
    "answer_awaited": "person",
    "run_paused": "person",
}


@dataclass(slots=True)
class Row:
    """One record."""

    seq: int
    at: int
    """Microseconds since the epoch, as all times here."""
    actor: str
    origin: str
    kind: str
    heading: str
    text: str
    cause: int | None
    depth: int
    """How many decisions lie between it and the record that opened its turn."""
    held: bool = False
    trouble: bool = False
    bar: Bar | None = None
    begin: int = 0
    end: int | None = None
    """None while it goes on."""

    @property
    def opens_turn(self) -> bool:
        """Whether a turn begins here."""
        return self.origin != "decided"


class RunRows:
    """The rows of one run; `fold` takes in the next record and says which rows it changed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        """By seq - 1."""
        self.effects: dict[int, list[int]] = {}
        """Seq -> the records that it led to."""
        self._steps: dict[str, int] = {}
        self._waits: dict[int, int] = {}
        self._paused: int | None = None
        self._tools: dict[int, str] = {}

    def fold(self, record: Record) -> list[Row]:
        """One more record; it comes last among the rows that it changed."""
        event = record.event
        ended = self._ends(record)
        for row in ended:
            row.end = record.at
        if event.kind in OUTCOMES and record.cause:
            intent = self.rows[record.cause - 1]
            intent.trouble = error_of(event)[0] is not None
            took = getattr(event, "duration_ms", None)
            if took is not None:
                intent.begin = max(intent.at, record.at - int(took * 1000))
        row = self._row(record)
        self.rows.append(row)
        if record.cause:
            self.effects.setdefault(record.cause, []).append(record.seq)
        self._begins(record)
        return [*ended, row]

    def _row(self, record: Record) -> Row:
        event = record.event
        heading, text = self._told(record)
        decided = record.origin == "decided" and record.cause is not None
        depth = self.rows[record.cause - 1].depth + 1 if decided and record.cause else 0
        return Row(
            record.seq, record.at, record.actor, record.origin, event.kind, heading,
            " ".join(text.split())[:CHARS], record.cause, depth, record.held,
            error_of(event)[0] is not None or event.kind in ("tool_refused", "limit_reached"),
            BARS.get(event.kind), record.at,
        )  # fmt: skip

    def _told(self, record: Record) -> tuple[str, str]:
        event = record.event
        if isinstance(event, ModelAnswered):
            return "Reply", text_of(event.content) or event.stop_reason
        if isinstance(event, AttemptStarted) and event.call in self._tools:
            return "Tool", f"starts {self._tools[event.call]}"
        if event.kind in WORDS:
            heading, words = WORDS[event.kind]
            return heading, words.format(e=event)
        entries = list(timeline([record]))
        if entries:
            return entries[-1].heading, entries[-1].text
        return event.kind.replace("_", " ").capitalize(), plain_fields(event)

    def _begins(self, record: Record) -> None:
        match record.event:
            case StepStarted(step=step):
                self._steps[step] = record.seq
            case ApprovalRequested(call=call) | AnswerAwaited(call=call):
                self._waits[call] = record.seq
            case RunPaused():
                self._paused = record.seq
            case ToolRequested(tool=tool):
                self._tools[record.seq] = tool
            case _:
                pass

    def _ends(self, record: Record) -> list[Row]:
        event = record.event
        ended: list[int | None] = []
        if event.kind in OUTCOMES:
            ended.append(record.cause)
        match event.kind:
            case "step_finished" | "step_failed":
                ended.append(self._steps.pop(getattr(event, "step", ""), None))
            case "approval_decided" | "call_answered" | "tool_refused" | "time_reached":
                ended.append(self._waits.pop(getattr(event, "call", None) or 0, None))
                ended.append(getattr(event, "wait", None))
            case "run_resumed":
                ended.append(self._paused)
            case _:
                pass
        if event.kind in ENDINGS:
            ended += [row.seq for row in self.rows if row.bar is not None and row.end is None]
        rows = [self.rows[seq - 1] for seq in ended if seq]
        return [row for row in rows if row.bar is not None and row.end is None]


def plain_fields(event: Event) -> str:
    """An event of a kind without a text of its own: its fields."""
    fields = event.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    return ", ".join(f"{name}: {value}" for name, value in fields.items())
