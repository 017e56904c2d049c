"""The loop guard: a step's rounds of calls and answers, and the patterns of a loop.

A round is everything that one reply of the model requested: the model reads no result before the
round has ended, so a round counts once, however many calls it has. Counts are updated as rounds
end, so reading them is cheap; only the window takes memory.
"""

from collections import deque
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import LoopDetected
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.tool_calls import ToolFailed, ToolRefused, ToolSucceeded
from playhead.events.spec.agent import LoopRules, Threshold

PERIODS = (2, 3, 4)
"""Cycle lengths to detect."""

WINDOW = 64
"""How many past rounds are kept; the known answers are kept separately."""


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
        "The calls of your last {count} replies brought nothing new. Answer with what you have, or "
        "say what is missing."
    ),
}


class PastRound(NamedTuple):
    """The calls of one reply, once all of them have ended."""

    failures: Mapping[bytes, str]
    """Hash of tool and arguments -> the tool, of each call that failed."""
    answers: Mapping[bytes, str]
    """Hash of call and answer -> the tool, of each call that succeeded."""
    all: frozenset[bytes]
    """Hashes of call and answer, failures included."""
    new: bool
    """Whether any of them returned something new."""


class LoopGuard:
    """A step's rounds, newest last."""

    __slots__ = ("_known", "_open", "_rounds", "_stale", "told")

    def __init__(self) -> None:
        self._rounds: deque[PastRound] = deque(maxlen=WINDOW)
        self._open: list[tuple[str, bytes, bytes, bool]] = []
        """The current round: tool, call, answer, whether it failed."""
        self._known: set[bytes] = set()
        self._stale = 0
        self.told: dict[str, int] = {}
        """Pattern -> the count at which it was last reported."""

    def add(self, tool: str, arguments: dict[str, Json], outcome: Event) -> None:
        """Record the end of a call."""
        digest = sha256(to_json([tool, sorted(arguments.items())]))
        call = digest.digest()
        digest.update(_said(outcome))
        self._open.append((tool, call, digest.digest(), not _went_well(outcome)))

    def end_round(self) -> None:
        """Record the end of a round's last call."""
        ended, self._open = self._open, []
        answers = {answer: tool for tool, _, answer, failed in ended if not failed}
        past = PastRound(
            failures={call: tool for tool, call, _, failed in ended if failed},
            answers=answers,
            all=frozenset(answer for _, _, answer, _ in ended),
            new=not answers.keys() <= self._known,
        )
        self._rounds.append(past)
        self._known |= past.all
        self._stale = 0 if past.new else self._stale + 1
        if self.told:
            self.told = {p: count for p, count in self.told.items() if self.count(p) >= count}

    def count(self, pattern: str) -> int:
        """How many of the last rounds in a row show the pattern."""
        match pattern:
            case "same_failure":
                return self._same(_failures)[0]
            case "same_answer":
                return self._same(_answers)[0]
            case "cycle":
                return max(self._cycles(period) for period in PERIODS)
            case _:
                return self._stale

    def loop(self, step: str, rules: LoopRules) -> LoopDetected | None:
        """The loop to report now, if any: each stage is reported once."""
        found: LoopDetected | None = None
        for pattern in PATTERNS:
            threshold: Threshold = getattr(rules, pattern)
            count = self.count(pattern)
            stop = 0 < threshold.stop <= count
            warn = 0 < threshold.warn <= count and pattern not in self.told
            if stop or (warn and found is None):
                _, tool = self._same(_failures if pattern == "same_failure" else _answers)
                message = WORDS[pattern].format(tool=tool, count=count)
                found = LoopDetected(
                    step=step, pattern=pattern, count=count,
                    action="stop" if stop else "warn", message=message,
                )  # fmt: skip
                if stop:
                    return found
        return found

    def _same(self, picked: Callable[[PastRound], Mapping[bytes, str]]) -> tuple[int, str]:
        """For how many rounds the same item has appeared, and its tool; only the first was new.

        A call that repeats alongside others that make progress is not a loop.
        """
        rounds = reversed(self._rounds)
        newest = next(rounds, None)
        if newest is None or not (left := picked(newest)):
            return 0, ""
        count, later = 1, newest
        for past in rounds:
            still = {key: tool for key, tool in left.items() if key in picked(past)}
            if later.new or not still:
                break
            count, left, later = count + 1, still, past
        return count, next(iter(left.values()))

    def _cycles(self, period: int) -> int:
        """How often the last `period` rounds were repeated in a row; 0 or 1 means no repeat."""
        rounds, end = self._rounds, len(self._rounds) - 1
        newest = {rounds[end - n].all for n in range(min(period, end + 1))}
        if len(newest) == 1:
            return 0
        run = 0
        while run + period <= end and rounds[end - run].all == rounds[end - run - period].all:
            run += 1
        return run // period + 1


def _failures(past: PastRound) -> Mapping[bytes, str]:
    return past.failures


def _answers(past: PastRound) -> Mapping[bytes, str]:
    return past.answers


def _said(outcome: Event) -> bytes:
    """The part of an outcome that counts as its answer: its duration does not."""
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
