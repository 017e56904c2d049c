"""How to reach a goal: the rules by which `strategy="auto"` chooses, and the recorded reasons.

    a review of plans is wanted                     -> plan
    a turn of a session                             -> no plan: it is answered
    five or more tasks that can be told apart       -> plan
    work on parts that may run at the same time     -> plan
    no tools                                        -> direct
    under five tools, and nothing of the above      -> react
    anything else is a maybe                        -> react, and the reason says what to measure

The rules look at words and guess nothing, so a person can check by eye how they apply to a goal. A
list alone is not a list of tasks ("1. One-way 2. Economy"): a task begins with a verb.
"""

import re
from typing import get_args

from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.kinds.runs import StrategyChosen
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.plan import Strategy

TASKS = 5
"""From this many tasks on, a plan pays."""

TOOLS = 5
"""From this many tools on, the tools may not all be needed one after another."""

WORDS = 5
"""The maximum number of words in an element of a comma list; longer text is a sentence."""

WORK = (
    "analy[sz]e|assess|audit|calculate|check|classify|collect|compare|compute|convert|crawl|debug"
    "|describe|determine|download|draft|estimate|evaluate|examine|explain|extract|fetch|find"
    "|gather|generate|get|identify|inspect|investigate|label|list|look up|look|measure|parse|query"
    "|rank|rate|read|research|review|run|scan|score|search|summari[sz]e|test|translate|validate"
    "|verify|write"
)
"""Verbs of work that is done for one item after another, or for several at once."""

OTHER = (
    "add|archive|arrange|book|build|buy|call|cancel|choose|clean|close|contact|copy|count|create"
    "|delete|deploy|design|develop|document|draw|email|file|fill|filter|fix|flag|give|group|import"
    "|install|invite|mail|make|map|merge|migrate|monitor|move|notify|open|order|organi[sz]e|outline"
    "|pay|pick|plan|plot|post|prepare|print|prioriti[sz]e|produce|propose|publish|pull|put"
    "|recommend|record|refactor|remove|rename|replace|reply|report|reproduce|reserve|rewrite"
    "|rotate|save|schedule|select|send|set up|set|show|sort|split|suggest|tag|tell|track|update"
    "|upload|visit|weigh"
)
"""Verbs with which other tasks begin."""

POLITE = (
    r"(?:(?:please|now|first|second|third|next|then|also|finally|and|go and|step \d+:?"
    r"|(?:can|could|would|will) you|i (?:need|want) you to|i'd like you to|help me(?: to)?"
    r"|we need to|your task is to)[\s,:]+)*"
)
"""What may precede a verb."""

TASK = re.compile(rf"\s*{POLITE}(?:{WORK}|{OTHER})\b(?!:)", re.IGNORECASE)
"""The beginning of a task."""

OVER_SEVERAL = re.compile(rf"\s*{POLITE}(?:{WORK})\b", re.IGNORECASE)
"""The beginning of work on the items listed after it."""

ITEM = re.compile(r"(?:^[ \t]*[-*\u2022]|(?<![\w.])\(?[0-9]{1,3}[.)])[ \t]+(?=\S)", re.MULTILINE)
"""The beginning of a list element: a bullet or a number, also within a line."""

CLAUSE = re.compile(r"\s*[,;:.!?\n]\s*|\s+(?:and|then)\s+", re.IGNORECASE)

AND = re.compile(r"\s*,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+|\s*;\s*", re.IGNORECASE)

SENTENCE = re.compile(r"[^.!?\n]+")

PARALLEL = re.compile(
    r"\b(?:for (?:each|every|all)|each of|every one of|in parallel|at the same time"
    r"|simultaneously|concurrently|side by side|independently)\b",
    re.IGNORECASE,
)


def choose(goal: str, agent: AgentSpec, *, session: bool = False) -> StrategyChosen:
    """The strategy for a goal, by the agent's own setting or by the rules above.

    `session`: whether it is a turn of a session.
    """
    if agent.strategy != "auto" and agent.strategy != "asked":
        return StrategyChosen(strategy=agent.strategy, reason="the agent says so")
    if agent.plan.review != "never":
        return StrategyChosen(strategy="plan", reason="a person wants to review a plan first")
    found = None if session else _plan(goal)
    return found or _no_plan(goal, len(agent.tools), session)


def _plan(goal: str) -> StrategyChosen | None:
    tasks = count_tasks(goal)
    if tasks >= TASKS:
        reason = f"the goal has {tasks} tasks that can be told apart ({TASKS} or more)"
        return StrategyChosen(strategy="plan", reason=reason)
    word = parallel_work(goal)
    if word is not None:
        reason = f"the goal asks for work that may run at the same time ({word!r})"
        return StrategyChosen(strategy="plan", reason=reason)
    return None


def _no_plan(goal: str, tools: int, session: bool) -> StrategyChosen:
    turn = "a turn of a session is answered, not planned; " if session else ""
    if not tools:
        reason = f"{turn}there are no tools: one call will do"
        return StrategyChosen(strategy="direct", reason=reason)
    if session or tools < TOOLS:
        rest = "" if session else ", and nothing says that the parts are independent"
        return StrategyChosen(strategy="react", reason=f"{turn}{_count(tools)}{rest}")
    return StrategyChosen(strategy="react", reason=_maybe(tools, count_tasks(goal)))


def count_tasks(goal: str) -> int:
    """The number of distinct tasks: clauses that begin with a verb, or items listed for some work.

    Items are listed for work if the sentence before or around them begins with a verb of WORK.
    """
    lead, *items = ITEM.split(goal)
    clauses = _tasks(lead) + sum(_tasks(item, bare=True) for item in items)
    listed = len(items) if _last_sentence_works(lead) else 0
    sentences = SENTENCE.findall(goal)
    commas = [_in_commas(sentence) for sentence in sentences if OVER_SEVERAL.match(sentence)]
    return max(clauses, listed, *commas, 0)


def _tasks(piece: str, *, bare: bool = False) -> int:
    """The clauses that begin a task; with `bare`, the first may be a verb alone."""
    clauses = enumerate(CLAUSE.split(piece))
    return sum(
        TASK.match(clause) is not None and (len(clause.split()) > 1 or (bare and n == 0))
        for n, clause in clauses
    )


def parallel_work(goal: str) -> str | None:
    """The words that say that work may run in parallel, in a sentence that asks for work."""
    for sentence in SENTENCE.findall(goal):
        found = PARALLEL.search(sentence)
        if found is not None and any(map(OVER_SEVERAL.match, CLAUSE.split(sentence))):
            return found[0]
    return None


def _last_sentence_works(lead: str) -> bool:
    sentences = SENTENCE.findall(lead)
    return bool(sentences) and OVER_SEVERAL.match(sentences[-1]) is not None


def _in_commas(sentence: str) -> int:
    """The length of a comma list, after its colon if there is one; its inner elements are short."""
    piece = sentence.rpartition(":")[2]
    elements = AND.split(piece.strip()) if "," in piece else []
    short = all(len(element.split()) <= WORDS for element in elements[1:-1])
    return len(elements) if short else 0


def _count(tools: int) -> str:
    return "one tool" if tools == 1 else f"{tools} tools"


def _maybe(tools: int, tasks: int) -> str:
    found = f"{tasks} tasks" if tasks > 1 else "no tasks that can be told apart"
    return (
        f"a maybe: {_count(tools)}, {found}. One agent, then; to know better, run goals like this "
        'with strategy="plan" too and compare seconds, model calls, tokens and answers '
        "(`playhead runs`, `playhead show`)"
    )


def chosen_by(
    answered: RuleAnswered, goal: str, agent: AgentSpec, *, session: bool = False
) -> StrategyChosen:
    """The strategy that the user function chose; if it chose none, the one by the rules."""
    if answered.error is None and answered.answer in get_args(Strategy):
        strategy: Strategy = answered.answer  # type: ignore[assignment]
        return StrategyChosen(strategy=strategy, reason="the agent's strategy function says so")
    found = choose(goal, agent, session=session)
    said = answered.error or f"it answered {str(answered.answer)[:100]!r}"
    reason = f"{found.reason} (the strategy function gave none: {said})"
    return StrategyChosen(strategy=found.strategy, reason=reason)
