"""The ledger: what really happened in a simulated world, independent of any process's memory.

It outlives every process. The invariants compare it with the log; violations that are only visible
as they happen (an effect before its intent's commit, say) go into `broken` at once.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from playhead.events.event import Block
from playhead.events.kinds.model_calls import ModelCall
from playhead.events.log.contract import Append
from playhead.events.model_api import Reply
from playhead.events.registry import KINDS
from playhead.events.spec.tool import Effect
from playhead.events.usage import Usage
from playhead.tools.context import ToolContext


class Violation(NamedTuple):
    """A broken promise."""

    invariant: str
    what: str


class Start(NamedTuple):
    """A start of a tool's code."""

    run: str
    call: int
    attempt: int
    key: str
    tool: str
    effect: Effect
    process: int


@dataclass(slots=True)
class ModelCallSeen:
    """A request reached the model."""

    run: str
    seq: int
    model: str
    process: int
    reply: Reply | None = None
    """The complete reply that was returned; None if there was none."""
    used: Usage | None = None
    """The provider's count, including replies that never arrived."""


@dataclass
class GroundTruth:
    """Everything that outlives a process."""

    broken: list[Violation] = field(default_factory=list[Violation])
    starts: list[Start] = field(default_factory=list[Start])
    answered: dict[tuple[str, int], list[Any]] = field(default_factory=dict)
    """(key, attempt) -> what the tool's code returned."""
    effects: Counter[str] = field(default_factory=Counter[str])
    """Key -> how often the tool's code completed."""
    found: dict[str, list[Any]] = field(default_factory=dict)
    """Key -> its probe's answer."""
    asked: list[ModelCallSeen] = field(default_factory=list[ModelCallSeen])
    intents: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    """Committed model intents."""
    committed: dict[str, list[bytes]] = field(default_factory=dict)
    """Run -> the hashes of its committed records, in order."""
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    """Run -> the last seq that was acknowledged to someone."""
    told: set[str] = field(default_factory=set[str])
    """Commands acknowledged to their sender."""
    withdrawn: set[str] = field(default_factory=set[str])
    """Commands and run starts whose sender was told that they will not be recorded later."""
    cut_off: bool = False
    """Whether anything could have cut an effect off: a process ended, or a run was dropped."""
    crashes: Counter[str] = field(default_factory=Counter[str])
    """Crash point -> number of processes that died there."""
    lines: list[str] = field(default_factory=list[str])
    """The trace, if one is kept."""
    tracing: bool = False
    trace: Any = field(default_factory=sha256)

    def note(self, *what: object) -> None:
        """One step of the trace; its hash is the same for the same seed."""
        line = repr(what)
        self.trace.update(line.encode())
        if self.tracing:
            self.lines.append(line[1:-1])

    def violated(self, invariant: str, what: str) -> None:
        """Record a broken promise."""
        self.broken.append(Violation(invariant, what))

    def commit(self, append: Append, *, late: bool = False) -> None:
        """An append is in the log. `late`: it was submitted after it had been withdrawn."""
        hashes = self.committed.setdefault(append.run, [])
        if append.rows[-1].hash in hashes:  # it only seemed to fail, and was submitted again
            return
        if late:
            what = f"{append.run} {append.expected.seq + 1} was withdrawn, and was written"
            self.violated("withdrawn_is_not_recorded", what)
        for row in append.rows:
            hashes.append(row.hash)
            self.trace.update(row.hash)
            if issubclass(KINDS[row.kind], ModelCall):
                self.intents.add((row.run, row.seq))
            if self.tracing:
                self.lines.append(f"  {row.run} {row.seq} {row.kind} {row.data.decode()[:110]}")

    def is_withdrawn(self, append: Append) -> bool:
        """Whether its sender was told that it will not be recorded later."""
        begins = append.expected.seq == 0 and append.run in self.withdrawn
        return begins or any(row.command in self.withdrawn for row in append.rows)

    def acknowledge(self, append: Append) -> None:
        """Someone was told that an append is in the log."""
        self.acknowledged[append.run] = append.rows[-1].seq

    def ask(self, run: str, seq: int, model: str, process: int) -> ModelCallSeen:
        """The request of an intent arrives at the model."""
        if (run, seq) not in self.intents:
            self.violated("intent_before_effect", f"{run} {seq} asks and is not in the log")
        asked = ModelCallSeen(run, seq, model, process)
        self.asked.append(asked)
        self.note("ask", run, seq, model)
        return asked

    def start(self, context: ToolContext, tool: str, effect: Effect, process: int) -> None:
        """A tool's code starts."""
        start = Start(
            context.run, context.call, context.attempt, context.key, tool, effect, process
        )
        self.starts.append(start)
        self.note("start", *start)

    def answer(self, context: ToolContext, result: object) -> None:
        """A tool's code has completed."""
        self.effects[context.key] += 1
        self.answered.setdefault((context.key, context.attempt), []).append(result)

    def billed(self, run: str) -> Iterator[tuple[str, Usage]]:
        """What the provider counts for a run and its children: each call's model and tokens.

        This includes calls whose replies were lost in a crash or a fault.
        """
        for asked in self.asked:
            mine = asked.run == run or asked.run.startswith(f"{run}.")
            if mine and asked.used is not None:
                yield asked.model, asked.used


def uses(content: tuple[Block, ...]) -> list[Block]:
    """The tool calls of a reply."""
    return [block for block in content if block.get("type") == "tool_use"]
