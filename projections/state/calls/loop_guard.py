"""The trail: a step's calls and answers, as the loop guard looks at them.

Counts are kept as calls end, so that asking costs nothing and grows with nothing but the window.
"""

from collections import deque
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import LoopDetected
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.tool_calls import ToolFailed, ToolRefused, ToolSucceeded
from playhead.events.spec.agent import LoopRules, Threshold

PERIODS = (2, 3, 4)
"""Lengths of the cycles that are looked for."""

WINDOW = 64
"""Calls that are looked back on; the known answers are kept beside it."""


Pattern: TypeAlias = Literal["same_failure", "same_answer", "cycle", "no_progress"]

PATTERNS: tuple[Pattern, ...] = ("same_failure", "same_answer", "cycle", "no_progress")

WORDS: Mapping[Pattern, str] = {
    "same_failure": (
        "The same call of {tool} has failed {count} times in a row. Do not repeat it: change the "
        "arguments, use another tool, or answer with what you have."
    ),
    "same_answer": (
        "The same call of {tool} has given the same answer {count} times in a row. It will not "
        "give another: use what you know, or do something else."
    ),
    "cycle": (
        "The same few calls have come around {count} times with the same answers. Break the "
        "circle: do something new, or answer with what you have."
    ),
    "no_progress": (
        "The last {count} calls brought nothing new. Answer with what you have, or say what is "
        "missing."
    ),
}


class PastCall(NamedTuple):
    """One call that ended."""

    call: bytes
    """Hash of tool and arguments."""
    answer: bytes
    """Hash of call and answer."""
    failed: bool


class LoopGuard:
    """A step's calls, newest last."""

    __slots__ = ("_known", "_stale", "_steps", "told", "tool")

    def __init__(self) -> None:
        self._steps: deque[PastCall] = deque(maxlen=WINDOW)
        self._known: set[bytes] = set()
        self._stale = 0
        self.tool = ""
        """The tool called last."""
        self.told: dict[str, int] = {}
        """Pattern -> the count at which it was last spoken of."""

    def add(self, tool: str, arguments: dict[str, Json], outcome: Event) -> None:
        """A call has ended."""
        digest = sha256(to_json([tool, sorted(arguments.items())]))
        call = digest.digest()
        digest.update(_said(outcome))
        answer = digest.digest()
        failed = not _went_well(outcome)
        self.tool = tool
        self._steps.append(PastCall(call, answer, failed))
        new = not failed and answer not in self._known
        self._known.add(answer)
        self._stale = 0 if new else self._stale + 1
        if self.told:
            self.told = {p: count for p, count in self.told.items() if self.count(p) >= count}

    def count(self, pattern: str) -> int:
        """How often in a row the pattern has come by now."""
        match pattern:
            case "same_failure":
                return self._failures()
            case "same_answer":
                return self._repeats(1) if self._steps and not self._steps[-1].failed else 0
            case "cycle":
                return max(self._repeats(period) for period in PERIODS)
            case _:
                return self._stale

    def loop(self, step: str, rules: LoopRules) -> LoopDetected | None:
        """What is to be said about the trail now, if anything: each stage of a loop once."""
        found: LoopDetected | None = None
        for pattern in PATTERNS:
            threshold: Threshold = getattr(rules, pattern)
            count = self.count(pattern)
            stop = 0 < threshold.stop <= count
            warn = 0 < threshold.warn <= count and pattern not in self.told
            if stop or (warn and found is None):
                message = WORDS[pattern].format(tool=self.tool, count=count)
                found = LoopDetected(
                    step=step, pattern=pattern, count=count,
                    action="stop" if stop else "warn", message=message,
                )  # fmt: skip
                if stop:
                    return found
        return found

    def _failures(self) -> int:
        """The last call's failures in a row, whatever each of them said."""
        count = 0
        for past in reversed(self._steps):
            if not past.failed or past.call != self._steps[-1].call:
                break
            count += 1
        return count

    def _repeats(self, period: int) -> int:
        """How often the last `period` answers have come in a row; 0 or 1 is no repeat."""
        steps, end = self._steps, len(self._steps) - 1
        newest = {steps[end - n].answer for n in range(min(period, end + 1))}
        if period > 1 and len(newest) == 1:
            return 0
        run = 0
        while run + period <= end and steps[end - run].answer == steps[end - run - period].answer:
            run += 1
        return run // period + 1


def _said(outcome: Event) -> bytes:
    """What of an outcome counts as its answer: not how long it took."""
    match outcome:
        case ToolSucceeded(result=result, content=content):
            return to_json([result, content])
        case ToolFailed(error=error, message=message):
            return f"{error}: {message}".encode()
        case ToolRefused(reason=reason, message=message):
            return f"{reason}: {message}".encode()
        case ChildFinished(answer=answer, output=output, reason=reason, message=message):
            return to_json([answer, output, reason, message])
        case _:
            return outcome.kind.encode()


def _went_well(outcome: Event) -> bool:
    if isinstance(outcome, ChildFinished):
        return outcome.status == "finished"
    return isinstance(outcome, ToolSucceeded)
