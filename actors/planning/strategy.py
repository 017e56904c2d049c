"""How to reach a goal: the stated rules by which `strategy="auto"` chooses, and their reasons.

    a review of plans is wanted                     -> plan
    five or more parts that can be told apart       -> plan
    parts that may run at the same time             -> plan
    no tools                                        -> direct
    under five tools, and nothing of the above      -> react
    anything else is a maybe                        -> react, and the reason says what to measure

Words are looked at, nothing is guessed: what the rules say of a goal, a person can check by eye.
"""

import re
from typing import get_args

from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.kinds.runs import StrategyChosen
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.plan import Strategy

PARTS = 5
"""From so many parts on, a plan pays."""

TOOLS = 5
"""From so many tools on, it is not plain any more that one thing follows from another."""

WORDS = 5
"""Words that an element of a comma list may have; between more commas stands a sentence."""

LISTED = re.compile(r"^[ \t]*(?:[-*\u2022]|\(?[0-9]{1,3}[.)])[ \t]+\S", re.MULTILINE)
"""A line of a list: with a bullet, or with a number."""

NUMBERED = re.compile(r"(?<![\w.])\(?[0-9]{1,2}[.)]\s+\S")
"""A numbered part within a line: 1. this, 2) that."""

AND = re.compile(r"\s*,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+|\s*;\s*", re.IGNORECASE)

ENUMERATED = re.compile(r"[^.:!?\n]+")
"""A comma list is counted within a sentence, behind its colon."""

PARALLEL = re.compile(
    r"\b(?:for (?:each|every|all)|each of|every one of|in parallel|at the same time"
    r"|simultaneously|concurrently|side by side|independently)\b",
    re.IGNORECASE,
)


def choose(goal: str, agent: AgentSpec) -> StrategyChosen:
    """The strategy for a goal, by the agent's own word or by the rules above."""
    if agent.strategy != "auto" and agent.strategy != "asked":
        return StrategyChosen(strategy=agent.strategy, reason="the agent says so")
    if agent.plan.review != "never":
        return StrategyChosen(strategy="plan", reason="a person wants to review a plan first")
    parts, tools = count_parts(goal), len(agent.tools)
    if parts >= PARTS:
        reason = f"the goal has {parts} parts that can be told apart ({PARTS} or more)"
        return StrategyChosen(strategy="plan", reason=reason)
    word = PARALLEL.search(goal)
    if word is not None:
        reason = f"the goal speaks of parts that may run at the same time ({word[0]!r})"
        return StrategyChosen(strategy="plan", reason=reason)
    if not tools:
        return StrategyChosen(strategy="direct", reason="there are no tools: one call will do")
    if tools < TOOLS:
        reason = f"{_count(tools)}, and nothing says that the parts are independent"
        return StrategyChosen(strategy="react", reason=reason)
    return StrategyChosen(strategy="react", reason=_maybe(tools, parts))


def count_parts(goal: str) -> int:
    """How many parts of the goal can be told apart: lines of a list, numbers, or a comma list."""
    listed = len(LISTED.findall(goal))
    numbered = len(NUMBERED.findall(goal))
    return max(listed, numbered, *map(_in_commas, ENUMERATED.findall(goal)), 0)


def _in_commas(piece: str) -> int:
    """The length of a comma list: what stands between its first and its last element is short."""
    elements = AND.split(piece.strip()) if "," in piece else []
    short = all(len(element.split()) <= WORDS for element in elements[1:-1])
    return len(elements) if short else 0


def _count(tools: int) -> str:
    return "one tool" if tools == 1 else f"{tools} tools"


def _maybe(tools: int, parts: int) -> str:
    found = f"{parts} parts" if parts > 1 else "no parts that can be told apart"
    return (
        f"a maybe: {_count(tools)}, {found}. One agent, then; to know better, run goals like this "
        'with strategy="plan" too and compare seconds, model calls, tokens and answers '
        "(`playhead runs`, `playhead show`)"
    )


def chosen_by(answered: RuleAnswered, goal: str, agent: AgentSpec) -> StrategyChosen:
    """The strategy that the user's function named; by the rules where it named none."""
    if answered.error is None and answered.answer in get_args(Strategy):
        strategy: Strategy = answered.answer  # type: ignore[assignment]
        return StrategyChosen(strategy=strategy, reason="the agent's strategy function says so")
    found = choose(goal, agent)
    said = answered.error or f"it answered {str(answered.answer)[:100]!r}"
    reason = f"{found.reason} (the strategy function gave none: {said})"
    return StrategyChosen(strategy=found.strategy, reason=reason)
