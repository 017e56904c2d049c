"""Finds what makes a tool hard for a model to use.

Four principles: one job per tool; the description is the interface; results have a structure;
errors say what to do. Each finding says how to fix it. Nothing here stops a tool from being used.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import Any, NamedTuple

from playhead.events.event import Json
from playhead.tools.lint.shadowing import named_tools
from playhead.tools.tool import AnyTool

MANY = 20
"""Tools per agent; with more, models choose badly."""

WORDS = 8
"""A description with fewer words says too little."""

ALIKE = 0.75
"""Cosine similarity of two tools' words above which a model may confuse them."""

WHEN = re.compile(r"\b(use|when|before|instead|after|unless|only if|for)\b", re.IGNORECASE)
RETURNS = re.compile(r"\b(returns?|gives?|answers?|results?|lists?)\b", re.IGNORECASE)
DO_IT_ALL = re.compile(
    r"^(manage|handle|process|do|execute|perform|crud|admin|util\w*)(_|$)|_(crud|manager|ops)$"
)
SWITCHES = ("action", "mode", "operation", "op", "command_type", "method", "task")
STOP_WORDS = frozenset(
    """
    a an and are as at be by for from has have how if in into is it its of on or than that the
    their them then there this to use used was what when which who will with you your
    """.split()  # noqa: SIM905 - it reads better
)

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

HARMLESS = frozenset("\n\r\t\u00ad")

FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Letters and symbols by category that are displayed as nothing."""


class Finding(NamedTuple):
    """One thing to fix."""

    tool: str
    """The tool's name, or several names separated by commas."""
    rule: str
    problem: str
    mend: str


def lint(tools: Sequence[AnyTool]) -> list[Finding]:
    """All findings: tool by tool, then those about several tools."""
    found = [Finding(t.spec.name, *each) for t in tools for rule in RULES for each in rule(t)]
    return [*found, *_overlaps(tools), *_too_many(tools), *_shadows(tools)]


class _Found(NamedTuple):
    rule: str
    problem: str
    mend: str


def _vague(tool: AnyTool) -> Iterator[_Found]:
    text = tool.spec.description
    if len(text.split()) < WORDS:
        mend = (
            "Say what it does, when to use it (before or instead of which tool), what it returns."
        )
        yield _Found("vague", f"the description is {len(text.split())} words long", mend)
        return
    if not WHEN.search(text):
        mend = 'Add a sentence such as "Use it when ..., use other_tool instead for ...".'
        yield _Found("no_when", "the description does not say when to use it", mend)
    if not RETURNS.search(text):
        mend = "Add what comes back, with units and limits (a Returns: section does)."
        yield _Found("no_returns", "the description does not say what it returns", mend)


def _does_it_all(tool: AnyTool) -> Iterator[_Found]:
    mend = "Make one tool per job, named after it: create_contact, delete_contact."
    if DO_IT_ALL.search(tool.spec.name):
        yield _Found("does_it_all", f"the name {tool.spec.name} does not say one job", mend)
    for name, field in _fields(tool).items():
        options = field.get("enum", ())
        if name.lower() in SWITCHES and (len(options) != 1):
            yield _Found("does_it_all", f"{name} switches between several jobs", mend)


def _fields_told(tool: AnyTool) -> Iterator[_Found]:
    missing = [name for name, field in _fields(tool).items() if not field.get("description")]
    if missing:
        mend = "Describe each, with its format and an example (an Args: section in the docstring)."
        yield _Found("field_untold", f"no description of {', '.join(missing)}", mend)


def _unguarded(tool: AnyTool) -> Iterator[_Found]:
    if tool.spec.effect == "once" and tool.spec.approval is None and tool.probe is None:
        mend = (
            'Set effect="read" if it changes nothing, effect="keyed" if it can pass on '
            "ToolContext.key; otherwise set approval=True or a probe."
        )
        yield _Found(
            "unguarded", "a crash in mid-call leaves it in doubt, and no one approved it", mend
        )


def _untyped(tool: AnyTool) -> Iterator[_Found]:
    if tool.signature.result is None and not tool.signature.shows_content:
        mend = "Declare the return type, preferably a Pydantic model with a field for each value."
        yield _Found("untyped_result", "the result has no declared type", mend)


def _hidden(tool: AnyTool) -> Iterator[_Found]:
    for place, text in _texts(tool):
        for character in _hidden_characters(text):
            mend = "Remove it; if the tool is someone else's, do not trust what it says."
            yield _Found(
                "hidden_text", f"{place} contains {character}, which people do not see", mend
            )


def _hidden_characters(text: str) -> Iterator[str]:
    """Each character in the text that a model reads and people do not see, once, in words."""
    seen = set[str]()
    for character in text:
        if (
            character in seen
            or (character.isascii() and character.isprintable())
            or character in HARMLESS
        ):
            continue
        seen.add(character)
        category = unicodedata.category(character)
        selector = 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF
        if (
            character in BIDI
            or character in FILLERS
            or selector
            or category in ("Cf", "Cc", "Co", "Cn", "Cs")
        ):
            name = unicodedata.name(character, f"character {ord(character):#x}")
            yield f"U+{ord(character):04X} ({name.lower()})"


RULES: tuple[Callable[[AnyTool], Iterator[_Found]], ...] = (
    _vague,
    _does_it_all,
    _fields_told,
    _unguarded,
    _untyped,
    _hidden,
)


def _fields(tool: AnyTool) -> Mapping[str, dict[str, Any]]:
    """The properties by name; a boolean schema, which is legal, becomes an empty one."""
    found = tool.spec.input_schema.get("properties")
    fields = found.items() if isinstance(found, dict) else ()
    return {name: field if isinstance(field, dict) else {} for name, field in fields}


def _texts(tool: AnyTool) -> Iterator[tuple[str, str]]:
    yield "the name", tool.spec.name
    yield "the description", tool.spec.description
    yield from _texts_in("the schema", tool.spec.input_schema)


def _texts_in(place: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield place, name
            yield from _texts_in(f"{place}.{name}", each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(place, each)


def _overlaps(tools: Sequence[AnyTool]) -> Iterator[Finding]:
    bags = [(tool.spec, _bag(tool)) for tool in tools]
    for (first, words), (second, more) in combinations(bags, 2):
        one, other, alike = first.name, second.name, _cosine(words, more)
        told_apart = other in first.description and one in second.description
        if alike >= ALIKE and not told_apart:
            mend = "Merge them, or say in each when to use the other instead."
            yield Finding(f"{one}, {other}", "overlap", f"they read alike ({alike:.0%})", mend)


def _bag(tool: AnyTool) -> Counter[str]:
    text = f"{tool.spec.name.replace('_', ' ')} {tool.spec.description} {' '.join(_fields(tool))}"
    words = re.findall(r"[a-z]+", text.lower())
    return Counter(word.removesuffix("s") for word in words if word not in STOP_WORDS)


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    size = sqrt(sum(n * n for n in one.values())) * sqrt(sum(n * n for n in other.values()))
    return sum(one[word] * other[word] for word in one) / size if size else 0.0


def _too_many(tools: Sequence[AnyTool]) -> Iterator[Finding]:
    if len(tools) > MANY:
        mend = "Put them in groups and let each run see only what it needs: run(..., tools=[...])."
        yield Finding("(all)", "too_many", f"{len(tools)} tools at once", mend)


def _shadows(tools: Sequence[AnyTool]) -> Iterator[Finding]:
    for tool in tools:
        source = tool.spec.source
        others = [each.spec.name for each in tools if each.spec.source != source]
        for name in named_tools(tool, others if source is not None else ()):
            problem = f"it comes from {source} and mentions {name}"
            mend = "A server's tool that says how to use another's may be malicious: review it."
            yield Finding(tool.spec.name, "shadows", problem, mend)
